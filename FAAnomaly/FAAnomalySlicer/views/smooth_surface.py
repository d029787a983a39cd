"""A smooth surface round voxels, in steps that are each short enough for a turn of the event loop."""

from __future__ import annotations

import numpy as np
import vtk
from vtk.util.numpy_support import numpy_to_vtk

ITERATIONS, PASS_BAND = 20, 0.05
"""Smoothing of the surface."""


def contour(inside_kji: np.ndarray):
    """The surface where float32 (k, j, i) is 0.5, in voxels."""
    image = vtk.vtkImageData()
    image.SetDimensions(inside_kji.shape[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(inside_kji.ravel(), deep=True))
    surface = vtk.vtkFlyingEdges3D()
    surface.SetInputData(image)
    surface.SetValue(0, 0.5)
    surface.ComputeNormalsOff()
    surface.ComputeScalarsOff()
    surface.Update()
    return surface.GetOutput()


def smoothed(surface):
    """The surface without steps of voxels; its volume stays."""
    smooth = vtk.vtkWindowedSincPolyDataFilter()
    smooth.SetInputData(surface)
    smooth.SetNumberOfIterations(ITERATIONS)
    smooth.SetPassBand(PASS_BAND)
    smooth.NormalizeCoordinatesOn()
    smooth.Update()
    return smooth.GetOutput()


def with_normals(surface, to_ras: np.ndarray):
    """The surface in RAS mm, seen from outside."""
    transform = vtk.vtkTransform()
    transform.SetMatrix(to_ras.ravel().tolist())
    placed = vtk.vtkTransformPolyDataFilter()
    placed.SetTransform(transform)
    placed.SetInputData(surface)
    normals = vtk.vtkPolyDataNormals()
    normals.SetInputConnection(placed.GetOutputPort())
    normals.SplittingOff()
    normals.AutoOrientNormalsOn()
    normals.Update()
    return normals.GetOutput()
