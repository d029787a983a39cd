"""Methods that learn healthy axial slices: what they share, from the cohort to the score map."""
