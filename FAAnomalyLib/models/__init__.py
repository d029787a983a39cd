"""Model folders: manifest, weights, and the models on this computer."""
