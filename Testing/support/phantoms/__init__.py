"""Brains, heads and volumes whose content is known."""
