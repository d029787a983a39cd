"""One request from its check to its files."""
