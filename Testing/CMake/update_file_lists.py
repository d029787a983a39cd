"""Write the file lists of ``CMakeLists.txt`` and ``FAAnomaly/CMakeLists.txt`` from the tree.

    python Testing/CMake/update_file_lists.py           # rewrite the lists
    python Testing/CMake/update_file_lists.py --check   # exit status 1 when a list is stale

Slicer's build macros need every file by name; a file that is not named is silently left out of the package.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def files_below(folder: Path, pattern: str, relative_to: Path) -> list[str]:
    """Files below *folder* that match *pattern*, as sorted POSIX paths relative to *relative_to*."""
    return sorted(
        path.relative_to(relative_to).as_posix()
        for path in folder.rglob(pattern)
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    )


def lists() -> dict[tuple[str, str], list[str]]:
    """The wanted lines of every list, by CMake file and CMake variable."""
    module = ROOT / "FAAnomaly"
    scripts = ["${MODULE_NAME}.py", *files_below(module / "FAAnomalySlicer", "*.py", module)]
    icons_and_forms = [
        name.replace("FAAnomaly.", "${MODULE_NAME}.") for name in files_below(module / "Resources", "*", module)
    ]
    bundled = [
        name
        for folder in ("Atlas", "Models", "SampleData", "Template")
        for name in files_below(ROOT / "Resources" / folder, "*", ROOT)
    ]
    return {
        ("CMakeLists.txt", "ENGINE_SCRIPTS"): files_below(ROOT / "FAAnomalyLib", "*.py", ROOT),
        ("CMakeLists.txt", "ENGINE_RESOURCES"): [
            *files_below(ROOT / "FAAnomalyLib", "*.csv", ROOT),
            *bundled,
        ],
        ("FAAnomaly/CMakeLists.txt", "MODULE_PYTHON_SCRIPTS"): scripts,
        ("FAAnomaly/CMakeLists.txt", "MODULE_PYTHON_RESOURCES"): icons_and_forms,
    }


def with_list(text: str, variable: str, names: Iterable[str]) -> str:
    """*text* of a CMake file with ``set(variable ...)`` holding *names*; raises ``ValueError`` where it has none."""
    block = re.compile(rf"^set\({variable}\n.*?^  \)$", re.MULTILINE | re.DOTALL)
    if not block.search(text):
        raise ValueError(f"there is no set({variable} ...)")
    lines = "\n".join([f"set({variable}", *(f"  {name}" for name in names), "  )"])
    return block.sub(lambda _: lines, text)


def updated() -> dict[str, str]:
    """The text that each CMake file should have."""
    texts: dict[str, str] = {}
    for (path, variable), names in lists().items():
        texts[path] = with_list(texts.get(path) or (ROOT / path).read_text(encoding="utf-8"), variable, names)
    return texts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 when a list is stale")
    check = parser.parse_args().check
    stale = {path: text for path, text in updated().items() if (ROOT / path).read_text(encoding="utf-8") != text}
    for path, text in stale.items():
        print(f"{path} {'is stale' if check else 'updated'}")
        if not check:
            (ROOT / path).write_text(text, encoding="utf-8")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
