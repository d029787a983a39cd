"""Slice views drawn by Slicer's own displayable managers, without a display."""

from __future__ import annotations

from pathlib import Path

MANAGERS = (
    "vtkMRMLVolumeGlyphSliceDisplayableManager",
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLTransformsDisplayableManager2D",
)


class SliceView:
    """A slice node with its logic, a composite node, and an offscreen window when a picture is asked for."""

    def __init__(self, mrml, name: str, orientation: str):
        import slicer

        self.mrml, self.name = mrml, name
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(mrml.application_logic)
        mrml.slice_logics.AddItem(self.logic)
        self.logic.SetMRMLScene(mrml.scene)
        self.slice_node = self.logic.AddSliceNode(name)
        self.slice_node.SetOrientation(orientation)
        self.composite_node = self.logic.GetSliceCompositeNode()
        self._window = None

    def picture(self, width: int, height: int):
        """The view as an array (height, width, 3) of bytes, first row on top."""
        import numpy as np
        import vtk
        from vtk.util.numpy_support import vtk_to_numpy

        if self._window is None:
            self._make_window()
        self._window.SetSize(width, height)
        self.logic.ResizeSliceNode(width, height)
        self._mapper.SetInputConnection(self.logic.GetImageDataConnection())
        self._actor.SetVisibility(self.logic.GetImageDataConnection() is not None)
        # The first draw is what the displayable managers learn the view's size from.
        self._window.Render()
        self._window.Render()
        grabber = vtk.vtkWindowToImageFilter()
        grabber.SetInput(self._window)
        grabber.ReadFrontBufferOff()
        grabber.Update()
        image = grabber.GetOutput()
        columns, rows, _ = image.GetDimensions()
        return np.flipud(vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, -1)[..., :3])

    def _make_window(self) -> None:
        import slicer
        import vtk

        picture, overlay = vtk.vtkRenderer(), vtk.vtkRenderer()
        for layer, renderer in enumerate((picture, overlay)):
            renderer.SetLayer(layer)
            renderer.GetActiveCamera().ParallelProjectionOn()
        self._window = vtk.vtkRenderWindow()
        self._window.SetOffScreenRendering(True)
        self._window.SetMultiSamples(0)
        self._window.SetNumberOfLayers(2)
        self._window.AddRenderer(picture)
        self._window.AddRenderer(overlay)
        self._interactor = vtk.vtkRenderWindowInteractor()
        self._window.SetInteractor(self._interactor)
        self._mapper = vtk.vtkImageMapper()
        self._mapper.SetColorWindow(255)
        self._mapper.SetColorLevel(127.5)
        self._actor = vtk.vtkActor2D()
        self._actor.SetMapper(self._mapper)
        self._actor.GetProperty().SetDisplayLocationToBackground()
        picture.AddViewProp(self._actor)

        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        factory.SetMRMLApplicationLogic(self.mrml.application_logic)
        for name in MANAGERS:
            if hasattr(slicer, name) and not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        self._group = slicer.vtkMRMLDisplayableManagerGroup()
        self._group.Initialize(factory, overlay)
        self._group.SetMRMLDisplayableNode(self.slice_node)

    def close(self) -> None:
        """Let go of the window."""
        if self._window is not None:
            self._group.SetMRMLDisplayableNode(None)
            self._window.Finalize()
            self._window = None


def render_slices(path, views=("Red", "Green", "Yellow"), position=None, size=(400, 400), field_of_view=None) -> Path:
    """Draw slice views side by side into a PNG file and return its path.

    Parameters
    ----------
    position
        RAS mm that all views jump to first; None: where they are.
    size
        Pixels of each view, width and height.
    field_of_view
        Width of the shown part in mm; None: fitted to the background volume.
    """
    import numpy as np
    from PIL import Image

    import slicer_harness

    pictures = []
    for name in views:
        view = slicer_harness.slice_view(name)
        width, height = size
        view.logic.ResizeSliceNode(width, height)
        view.logic.FitSliceToBackground()
        if field_of_view is not None:
            depth = view.slice_node.GetFieldOfView()[2]
            view.slice_node.SetFieldOfView(field_of_view, field_of_view * height / width, depth)
        if position is not None:
            view.slice_node.JumpSliceByCentering(*position)
        pictures.append(view.picture(width, height))
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(pictures, axis=1)).save(path)
    return path
