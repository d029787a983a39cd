"""Folders of FA maps, the people they are of, and folds."""
