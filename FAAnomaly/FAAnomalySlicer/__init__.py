"""The Slicer side's own rooms; nothing here imports torch, nibabel or skimage."""
