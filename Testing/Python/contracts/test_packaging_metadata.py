"""What the extension says of itself: for Slicer's build, for the Extensions Index and for the catalogue."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlparse

import pytest
from PIL import Image

from FAAnomalyLib._version import __version__
from FAAnomalyLib.runtime.requirements import REQUIRED
from support.drivers.extension_build import configure, described
from support.paths import ROOT, TESTING

REPOSITORY = "https://github.com/faanomaly/SlicerFAAnomaly"
RAW = "https://raw.githubusercontent.com/faanomaly/SlicerFAAnomaly/main/"
IN_EVERY_SLICER = {"numpy", "SimpleITK"}
CATEGORIES = {"Analysis", "Diffusion", "Neuroimaging", "Quantification", "Segmentation"}
"""Some of those that the Extensions Index accepts."""

SCHEMA = {
    "$schema": lambda value: re.fullmatch(
        r"https://raw\.githubusercontent\.com/Slicer/Slicer/main/Schemas/"
        r"slicer-extension-catalog-entry-schema-v1\.0\.\d\.json#",
        value,
    ),
    "category": lambda value: value in CATEGORIES,
    "scm_url": lambda value: urlparse(value).scheme in ("https", "git") and value.endswith(".git"),
    "scm_revision": lambda value: isinstance(value, str) and value,
    "scm_type": lambda value: value in ("git", "local"),
    "build_dependencies": lambda value: isinstance(value, list) and all(isinstance(name, str) for name in value),
    "build_subdirectory": lambda value: isinstance(value, str) and value,
    "enabled": lambda value: isinstance(value, bool),
    "tier": lambda value: type(value) is int and value in (1, 3, 5),
}
"""What a catalogue entry may say, and nothing else."""

MANDATORY = {"$schema", "category", "scm_url"}


def faults(entry: dict) -> set[str]:
    """Names of what is wrong with a catalogue entry: unknown, missing or of a wrong value."""
    wrong = {name for name, value in entry.items() if name not in SCHEMA or not SCHEMA[name](value)}
    return wrong | (MANDATORY - set(entry))


@pytest.fixture(scope="module")
def entry():
    return json.loads((ROOT / "FAAnomaly.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def built_description(tmp_path_factory):
    """The extension description that CMake writes."""
    build = tmp_path_factory.mktemp("build")
    done = configure(ROOT, build)
    assert done.returncode == 0, done.stderr
    return described(build / "FAAnomaly.s4ext")


def of_cmake(name: str) -> str:
    """The value of ``EXTENSION_<name>``, read as the Extensions Index reads it: one line, in quotes."""
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    (value,) = re.findall(rf'^set\(EXTENSION_{name} "([^"]+)"\)$', text, re.M)
    return value


def test_the_catalogue_entry_follows_the_schema(entry):
    assert not faults(entry)


@pytest.mark.parametrize(
    "change, name",
    [
        ({"homepage": "https://x"}, "homepage"),
        ({"tier": "1"}, "tier"),
        ({"tier": True}, "tier"),
        ({"tier": 2}, "tier"),
        ({"category": "Diffusions"}, "category"),
        ({"scm_url": "git@github.com:a/b.git"}, "scm_url"),
        ({"build_dependencies": "PyTorch"}, "build_dependencies"),
        ({"enabled": 1}, "enabled"),
    ],
)
def test_the_check_of_the_schema_sees_what_is_wrong(entry, change, name):
    assert faults({**entry, **change}) == {name}
    assert faults({}) == MANDATORY


def test_the_names_agree(entry):
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert re.findall(r"^project\((\w+)\)$", text, re.M) == ["FAAnomaly"]
    assert entry["scm_url"] == REPOSITORY + ".git" and of_cmake("HOMEPAGE") == REPOSITORY
    assert Path(entry["scm_url"]).stem.startswith("Slicer"), "the Index wants this of a repository's name"
    assert entry["build_dependencies"] == of_cmake("DEPENDS").split() == ["PyTorch"]


def test_the_description_is_what_the_build_writes(entry, built_description):
    kept = described(ROOT / "FAAnomaly.s4ext")
    assert {name: kept.pop(name) for name in ("scm", "scmurl", "scmrevision", "category")} == {
        "scm": "git",
        "scmurl": entry["scm_url"],
        "scmrevision": entry["scm_revision"],
        "category": entry["category"],
    }
    assert kept == built_description
    assert kept["tier"] == str(entry["tier"]) and kept["build_subdirectory"] == entry["build_subdirectory"]


def test_the_description_is_short_and_the_contributors_have_a_place():
    description = of_cmake("DESCRIPTION")
    assert 40 < len(description) < 250 and "nothing here is a diagnosis" in description
    for person in of_cmake("CONTRIBUTORS").split(", "):
        assert re.fullmatch(r"[^()]+ \([^()]+\)", person)


def test_the_pictures_of_the_catalogue_are_in_the_repository():
    urls = [of_cmake("ICONURL"), *of_cmake("SCREENSHOTURLS").split(" ")]
    assert len(urls) >= 2 and all(url.startswith(RAW) for url in urls)
    for url in urls:
        with Image.open(ROOT / url.removeprefix(RAW)) as picture:
            assert picture.format == "PNG"
            picture.load()
    with Image.open(ROOT / urls[0].removeprefix(RAW)) as icon:
        assert icon.size == (128, 128) and icon.mode == "RGBA"


@pytest.mark.parametrize(
    "path",
    [
        "CMakeLists.txt",
        "FAAnomaly/CMakeLists.txt",
        "FAAnomaly.s4ext",
        "FAAnomaly.json",
        "FAAnomaly/Resources/requirements.txt",
    ],
)
def test_lines_end_as_the_index_wants(path):
    data = (ROOT / path).read_bytes()
    assert b"\r" not in data and data.endswith(b"\n") and not data.startswith(b"\xef\xbb\xbf")


def test_the_requirements_are_what_the_engine_needs_beyond_slicer():
    lines = (ROOT / "FAAnomaly" / "Resources" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    listed = sorted(line for line in lines if line and not line.startswith("#"))
    assert listed == sorted(pip for name, pip in REQUIRED.items() if name not in IN_EVERY_SLICER | {"torch"})


def test_the_file_lists_are_what_the_script_writes():
    script = TESTING / "CMake" / "update_file_lists.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}run {script.relative_to(ROOT)}"


def linked(page: Path) -> set[str]:
    """What a page links to or shows within the repository."""
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    return {
        target.partition("#")[0] for target in targets if not urlparse(target).scheme and not target.startswith("#")
    }


def test_no_page_links_to_what_is_not_there():
    pages = [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").glob("*.md"),
        *TESTING.glob("*.md"),
        *(ROOT / "Resources").rglob("*.md"),
    ]
    links = [(page, target) for page in pages for target in linked(page)]
    assert len(links) > 30, "hardly any link was seen: the test is blind"
    assert not [f"{page.name}: {target}" for page, target in links if not (page.parent / target).exists()]


def test_the_readme_has_what_the_index_asks_for():
    """The checklist of the Extensions Index: modules, a picture, a tutorial with sample data, citation, licence."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (.+?)\n(.+?)(?=^## |\Z)", text, re.M | re.S))
    modules = [path.parent.name for path in ROOT.glob("*/*.py") if path.stem == path.parent.name]
    assert modules == ["FAAnomaly"] and sections["Modules"].count("- **") == len(modules)
    assert "thesis" in sections["How to cite"] and "CITATION.cff" in sections["How to cite"]
    assert all(words in sections["Licences"] for words in ("Apache-2.0", "weights", "sample", "model card"))
    tutorial = linked(ROOT / "docs" / "tutorial.md")
    assert "docs/tutorial.md" in linked(ROOT / "README.md") and sum(name.endswith(".png") for name in tutorial) >= 3


def test_the_citation_names_the_thesis():
    cited = pytest.importorskip("yaml").safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    (thesis,) = cited["references"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8").replace("\n> ", " ")
    assert thesis["type"] == "thesis" and thesis["title"] in readme
    assert all(thesis[key] for key in ("authors", "thesis-type"))
    assert cited["version"] == __version__ and cited["repository-code"] == REPOSITORY
