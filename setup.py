"""Finds the packages; everything else is stated in ``pyproject.toml``.

``FAAnomalyResources`` is the folder ``Resources`` under the name that it has beside an installed package, which a
search cannot find.
"""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["FAAnomalyLib", "FAAnomalyLib.*"]), "FAAnomalyResources"])
