"""The panel: one small controller for each section of the form."""
