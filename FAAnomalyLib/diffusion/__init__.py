"""Noise schedule and samplers: the diffusion process, free of anything about FA or holes in brains."""
