"""The networks of the thesis, exactly."""
