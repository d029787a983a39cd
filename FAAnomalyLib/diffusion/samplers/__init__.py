"""One file for each sampler; :func:`FAAnomalyLib.diffusion.registry.samplers` finds all of them."""
