"""Stand-ins for the widgets of CTK and Slicer, each a PySide6 widget under the C++ class's name.

They have the real classes' properties, signals, slots and invokable methods, as far as a panel needs them, and no
others. ``catalogue`` lists them all.
"""
