"""A result as files: volumes, table, pictures and one HTML page."""
