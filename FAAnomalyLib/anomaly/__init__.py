"""Healthy prediction against observation: screening, calibration, scores and regions."""
