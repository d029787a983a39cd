"""The stand-in for Slicer's CMake refuses what Slicer refuses, and what Slicer would silently leave out."""

from __future__ import annotations

import pytest

from support.drivers.extension_build import cmake, configure

pytestmark = pytest.mark.slow

METADATA = """
cmake_minimum_required(VERSION 3.16.3...3.28.0 FATAL_ERROR)
project(Small)
set(EXTENSION_HOMEPAGE "https://example.org")
set(EXTENSION_CONTRIBUTORS "A B (C)")
set(EXTENSION_DESCRIPTION "Small")
set(EXTENSION_ICONURL "https://example.org/Small.png")
set(EXTENSION_SCREENSHOTURLS "https://example.org/1.png")
set(EXTENSION_DEPENDS "NA")
set(EXTENSION_README_FILE "${CMAKE_CURRENT_SOURCE_DIR}/README.md")
set(EXTENSION_LICENSE_FILE "${CMAKE_CURRENT_SOURCE_DIR}/LICENSE")
"""
MODULE = "NAME Small SCRIPTS Small.py Lib/part.py RESOURCES Resources/Small.svg WITH_GENERIC_TESTS"
TESTS = "slicer_add_python_unittest(SCRIPT Small.py)"


@pytest.fixture
def said(tmp_path):
    """A function that configures a small extension and returns what was wrong, or nothing."""
    for name in (
        "README.md",
        "LICENSE",
        "module/Small.py",
        "module/Lib/part.py",
        "module/Resources/Small.svg",
        "beside.py",
        "module/a b.py",
    ):
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / name).write_text("x = 1\n")

    def run(module=MODULE, metadata=METADATA, tests=TESTS):
        top = (
            f"{metadata}find_package(Slicer REQUIRED)\ninclude(${{Slicer_USE_FILE}})\nadd_subdirectory(module)\n"
            "include(${Slicer_EXTENSION_GENERATE_CONFIG})\ninclude(${Slicer_EXTENSION_CPACK})\n"
        )
        (tmp_path / "source" / "CMakeLists.txt").write_text(top)
        (tmp_path / "source" / "module" / "CMakeLists.txt").write_text(
            f"slicerMacroBuildScriptedModule({module})\n{tests}\n"
        )
        done = configure(tmp_path / "source", tmp_path / "build")
        assert (done.returncode == 0) == ("CMake Error" not in done.stderr)
        return " ".join(done.stderr.split()) if done.returncode else ""

    return run


def test_a_sound_extension_is_built_and_installed(said, tmp_path):
    assert said() == ""
    assert cmake("--build", tmp_path / "build").returncode == 0
    assert cmake("--install", tmp_path / "build", "--prefix", tmp_path / "out").returncode == 0
    (folder,) = tmp_path.glob("out/lib/Slicer-*/qt-scripted-modules")
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert there == {"Small.py", "Lib/part.py", "Resources/Small.svg"}


def test_a_changed_script_is_copied_again(said, tmp_path):
    assert said() == "" and cmake("--build", tmp_path / "build").returncode == 0
    (tmp_path / "source" / "module" / "Lib" / "part.py").write_text("x = 22\n")
    assert cmake("--build", tmp_path / "build").returncode == 0
    (copied,) = (tmp_path / "build").glob("lib/Slicer-*/qt-scripted-modules/Lib/part.py")
    assert copied.read_text() == "x = 22\n"


@pytest.mark.parametrize(
    "module, words",
    [
        (MODULE.replace("RESOURCES", "RESSOURCES") + " ICONS x", "unknown keywords 'ICONS"),
        (MODULE + " ICONS", "unknown keywords 'ICONS'"),
        (MODULE + " RESOURCES", "no value for 'RESOURCES'"),
        (MODULE.replace("NAME Small ", ""), "NAME and SCRIPTS are mandatory"),
        ("NAME Small RESOURCES Resources/Small.svg", "NAME and SCRIPTS are mandatory"),
        (MODULE.replace("part.py", "prat.py"), "'Lib/prat.py', which is no file"),
        (MODULE.replace("Small.svg", "small.svg"), "'Resources/small.svg', which is no file"),
        (MODULE.replace("Resources/Small.svg", "Resources"), "'Resources', which is no file"),
        (MODULE.replace("Lib/part.py", "../beside.py"), "'../beside.py' is not a plain path"),
        (MODULE.replace("Lib/part.py", "${CMAKE_CURRENT_SOURCE_DIR}/Lib/part.py"), "is not a plain path"),
        (MODULE.replace("Lib/part.py", "Lib/part.py Lib/part.py"), "'Lib/part.py' is packaged twice"),
        (
            MODULE.replace("Lib/part.py", "Lib/part.py Resources/Small.svg"),
            "'Resources/Small.svg', which is no .py file",
        ),
        (MODULE.replace("NAME Small", "NAME Other"), "Other.py, which is not among SCRIPTS"),
    ],
)
def test_a_wrong_module_is_refused(said, module, words):
    assert words in said(module)


@pytest.mark.parametrize(
    "change, words",
    [
        (("EXTENSION_SCREENSHOTURLS", "EXTENSION_SCREENSHOTS"), "EXTENSION_SCREENSHOTS is no metadata"),
        (('"Small"', '"Small; and short"'), "EXTENSION_DESCRIPTION holds a semicolon"),
        (('"https://example.org/Small.png"', '""'), "EXTENSION_ICONURL is not set"),
        (('LICENSE"', 'LICENCE"'), "EXTENSION_LICENSE_FILE names"),
    ],
)
def test_wrong_metadata_are_refused(said, change, words):
    assert words in said(metadata=METADATA.replace(*change))


@pytest.mark.parametrize(
    "tests, words",
    [
        ("slicer_add_python_unittest(SCRIPT Smal.py)", "'Smal.py' is no file"),
        ("slicer_add_python_unittest(Small.py)", "wrong arguments"),
    ],
)
def test_a_wrong_unit_test_is_refused(said, tests, words):
    assert words in said(tests=tests)
