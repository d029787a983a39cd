"""``slicer.parameterNodeWrapper``: a parameter node with typed attributes that widgets can be tied to.

Written from the documented behaviour; values are stored in the scene in the same form as by Slicer. Types that no part
of this project uses (lists, dictionaries, unions, colours) are refused with a TypeError.
"""

from .connectors import Decimals, GuiConnector, SingleStep, createGuiConnector
from .packs import FloatRange, isParameterPack, nestedParameterNames, parameterPack
from .values import (
    Choice,
    Default,
    Exclude,
    IsInstance,
    Maximum,
    Minimum,
    NotNone,
    RangeBounds,
    Validator,
    WithinRange,
)
from .wrapper import (
    SlicerParameterNamePropertyName,
    findChildWidgetForParameter,
    isParameterNodeWrapper,
    parameterNodeWrapper,
)

__all__ = [
    "Choice",
    "Decimals",
    "Default",
    "Exclude",
    "FloatRange",
    "GuiConnector",
    "IsInstance",
    "Maximum",
    "Minimum",
    "NotNone",
    "RangeBounds",
    "SingleStep",
    "SlicerParameterNamePropertyName",
    "Validator",
    "WithinRange",
    "createGuiConnector",
    "findChildWidgetForParameter",
    "isParameterNodeWrapper",
    "isParameterPack",
    "nestedParameterNames",
    "parameterNodeWrapper",
    "parameterPack",
]
