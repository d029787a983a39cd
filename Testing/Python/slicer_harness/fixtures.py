"""Fixtures for tests of the Slicer side; ``conftest.py`` hands them to every test file.

A test file that imports ``slicer``, ``qt`` or a room of ``FAAnomalySlicer`` at its top begins with::

    import slicer_harness
    slicer_harness.require()        # a fake Slicer is running from here on; skips the file where the wheels are missing

Fixtures
--------
``scene``
    The application's ``vtkMRMLScene``, empty. After the test every opened module is closed, the scene is cleared, and
    the test fails when a slot raised, a modal dialog appeared that nobody had announced, or a VTK error was logged by
    an observer that raised. Every test of the Slicer side uses it, directly or through another fixture.
``slot_errors``
    The exceptions that slots raised, which real Slicer only prints. A test that means to provoke one takes it:
    ``error = slot_errors.take(ValueError)``.
``dialogs``
    Answers to modal dialogs. ``dialogs.answer("part of the text", qt.QMessageBox.Yes)`` announces one; a file dialog is
    answered by a path. ``dialogs.shown`` lists the texts that appeared, in order. An unannounced dialog raises instead
    of blocking for ever.
``open_module``
    ``widget = open_module("FAAnomaly")`` loads ``FAAnomaly/FAAnomaly.py`` as Slicer's module factory does, makes its
    widget, calls ``setup()`` and ``enter()`` and returns the scripted widget (``widget.ui`` ..., ``widget.logic``).
    A path of another module file is accepted too. ``open_module.module("FAAnomaly")`` loads it without a widget.
``layout``
    ``slicer.app.layoutManager()``, which without this fixture is None as under ``--no-main-window``: Red, Green and
    Yellow slice widgets with real slice nodes, composite nodes and displayable managers.
``settings``
    An empty ``qt.QSettings`` of this test's own.
``pip``
    What ``slicer.packaging.pip_ensure`` and ``slicer.util.pip_install`` were asked for; nothing is ever installed.

Functions of ``slicer_harness``
-------------------------------
``pump_until(predicate, seconds=10)``
    Runs the event loop until ``predicate()`` is true; fails after that time.
``with event_gap() as gap:``
    Records how long the event loop was kept waiting: a 5 ms timer runs, ``gap.longest`` is the longest time between
    two ticks, in seconds. The block must pump the loop itself.
``grab(widget, path)``
    A screenshot of a widget (after the pending events), as PNG.
``render_slices(path, views=("Red", "Green", "Yellow"), position=None, size=(400, 400))``
    The slice views with the layers of their composite nodes, drawn by Slicer's own displayable managers, side by side.
"""
