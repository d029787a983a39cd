"""The noise that a sampler starts from and adds, by the names that a request uses.

This file needs no package, because requests are checked in processes without any.
"""

GAUSSIAN = "gaussian"
NOISES = (GAUSSIAN, "simplex")
"""Independent standard normal voxels, or simplex noise, which neighbouring voxels share."""
