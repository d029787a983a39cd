"""Holes of a volume filled with healthy tissue: masks, passes and their fusion."""
