"""The package's root is the public contract: its names, its typed keywords, and how little it imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import pytest

import FAAnomalyLib as fa
from FAAnomalyLib.request import DetectOptions, DetectRequest
from support.paths import ROOT

PUBLIC = {"DetectRequest", "FAError", "Region", "Result", "Volume", "__version__", "detect", "inpaint"}
HEAVY = ("numpy", "scipy", "torch", "nibabel", "SimpleITK", "skimage", "PIL")


def run(code: str) -> str:
    """What a fresh Python prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_public_names():
    assert set(fa.__all__) == PUBLIC and list(fa.__all__) == sorted(fa.__all__)
    assert set(dir(fa)) >= PUBLIC
    for name in PUBLIC:
        assert getattr(fa, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Volumes'"):
        _ = fa.Volumes


def test_lazy_names_are_the_classes_themselves():
    from FAAnomalyLib.result import Region, Result
    from FAAnomalyLib.volume import Volume

    assert (fa.Region, fa.Result, fa.Volume) == (Region, Result, Volume)


def test_type_checkers_see_the_lazy_names():
    tree = ast.parse(Path(fa.__file__).read_text(encoding="utf-8"))
    guarded = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    seen = {alias.name for node in ast.walk(guarded[0]) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen >= {"Region", "Result", "Volume"}


def test_importing_the_package_and_listing_its_names_imports_nothing_heavy():
    assert run(f"import sys, FAAnomalyLib as fa; dir(fa); print([m for m in {HEAVY!r} if m in sys.modules])") == "[]"


def test_a_volume_needs_numpy_alone():
    code = f"import sys, FAAnomalyLib as fa; fa.Volume, fa.Result; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert run(code) == "['numpy']"


def test_the_typed_keywords_are_the_fields_of_the_request():
    typed = get_type_hints(DetectOptions)
    assert set(typed) == {field.name for field in fields(DetectRequest)} - {"input"}
    assert not DetectOptions.__required_keys__
    for name, hint in get_type_hints(DetectRequest).items():
        if name != "input":
            # Keywords take paths of any kind beside what the request itself holds.
            assert {*getattr(hint, "__args__", (hint,))} <= {*getattr(typed[name], "__args__", (typed[name],))}, name


def test_a_wrong_keyword_is_named():
    with pytest.raises(fa.FAError, match="Unknown option samplr") as caught:
        fa.detect("fa.nii.gz", samplr="ddim")
    assert caught.value.code == "bad-request"
