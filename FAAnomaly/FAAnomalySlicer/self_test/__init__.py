"""The module's self-test, which runs inside Slicer: ``FAAnomalyTest`` in ``FAAnomaly.py`` calls it."""
