"""Synthetic brains."""
