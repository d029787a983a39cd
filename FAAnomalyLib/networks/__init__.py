"""Networks, and what they are told of a volume with a hole."""
