"""The thesis' own detection (listings A.19 to A.22): roaming cubes, one run of the sampler each."""
