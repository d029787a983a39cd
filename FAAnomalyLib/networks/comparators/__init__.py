"""Networks of the methods that the detector is compared with; they work on slices (B, C, X, Y)."""
