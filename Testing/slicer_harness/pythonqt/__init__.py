"""Qt as Slicer's Python sees it: PythonQt's rules on top of PySide6.

Slicer wraps Qt with PythonQt, which differs from PySide6 nearly everywhere that a panel touches: properties are
attributes, signals are connected by their C++ signature, attributes cannot be added to C++ objects, lists come back as
tuples. Here every QObject is handed out inside a wrapper that follows PythonQt's rules; where PythonQt prints a line
and goes on (an unknown signal, an exception in a slot), it raises or fails the test.

``wrapping``   the wrapper, its class, wrap and unwrap
``members``    what a class has: properties, methods, signals, enumeration values
``properties`` reading and writing them with PythonQt's conversions
``signals``    connecting and disconnecting, slots with fewer parameters than the signal has arguments
``shells``     Python classes derived from Qt's, whose methods C++ calls
``dialogs``    modal dialogs, answered instead of shown
``errors``     exceptions that Qt would only print
``module``     the module ``qt``
"""
