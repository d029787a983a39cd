"""Engines, models, processes and workers that do only what a test says."""
