"""Training of a network on healthy FA maps, templates, and calibration."""
