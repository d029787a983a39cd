"""One wrapper for each parameter node and class, kept until Slicer ends.

A wrapper that was tied to widgets leaves an observer at its node in Slicer 5.10, also after ``disconnectGui``. Were the
wrapper collected while its node lives on, VTK would call a function that Python has cleared, and Slicer would crash.
"""

from __future__ import annotations

from typing import Any

import slicer

KEPT = "_FAAnomalyParameterWrappers"
"""Attribute of ``slicer.modules``, which a reload of the module does not replace: its earlier wrappers stay, too."""


def wrapper_of(node, wrapper_class: type) -> Any:
    """The one wrapper of *node* of this class; made on the first call.

    Parameters
    ----------
    node
        ``vtkMRMLScriptedModuleNode``.
    wrapper_class
        A class that ``slicer.parameterNodeWrapper`` has decorated.
    """
    kept = getattr(slicer.modules, KEPT, None)
    if kept is None:
        kept = []
        setattr(slicer.modules, KEPT, kept)
    for wrapper in kept:
        if wrapper.parameterNode is node and type(wrapper) is wrapper_class:
            return wrapper
    kept.append(wrapper_class(node))
    return kept[-1]
