"""Tracts: where a region lies, and what each tract shows as a whole."""
