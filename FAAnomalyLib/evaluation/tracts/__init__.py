"""How well regions are named by their tracts, and how well changes of whole tracts are found."""
