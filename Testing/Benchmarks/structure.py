"""How the two packages are built: files in a root, longest chain of imports, longest files and functions.

    python Testing/Benchmarks/structure.py [--root CHECKOUT]

Reads the sources of any checkout as text; nothing is imported or run. Prints one Markdown table.
"""

from __future__ import annotations

import argparse
import ast
from functools import cache
from pathlib import Path

PACKAGES = {"FAAnomalyLib": Path("FAAnomalyLib"), "FAAnomalySlicer": Path("FAAnomaly/FAAnomalySlicer")}
MAX_FUNCTION_LINES = 40


def sources(folder: Path) -> list[Path]:
    """Python files below *folder*, sorted."""
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first statement after the docstring to the end."""
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


class Package:
    """The sources of one package.

    Parameters
    ----------
    name
        Import name.
    folder
        Where its ``__init__.py`` lies.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.trees = {self._module(path): ast.parse(path.read_text(encoding="utf-8")) for path in sources(folder)}
        self.folders = {self._module(path) for path in sources(folder) if path.name == "__init__.py"}

    def _module(self, path: Path) -> str:
        parts = path.relative_to(self.folder).with_suffix("").parts
        return ".".join([self.name, *(parts[:-1] if parts[-1] == "__init__" else parts)])

    @property
    def files_in_root(self) -> int:
        """Python files directly in the package's folder."""
        return len(list(self.folder.glob("*.py")))

    def imports(self, module: str) -> set[str]:
        """Modules of this package that *module* names in an import statement, wherever it stands."""
        here = module.split(".") if module in self.folders else module.split(".")[:-1]
        named: set[str] = set()
        for node in ast.walk(self.trees[module]):
            if isinstance(node, ast.Import):
                named |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                base = here[: len(here) + 1 - node.level] if node.level else []
                base = ".".join([*base, *([node.module] if node.module else [])])
                for alias in node.names:
                    whole = f"{base}.{alias.name}"
                    named.add(whole if whole in self.trees else base)
        return (named & set(self.trees)) - {module, self.name}

    def longest_chain(self) -> list[str]:
        """The longest chain in which every file imports the next; raises ``ValueError`` for a circle."""
        under_way: set[str] = set()

        @cache
        def chain(module: str) -> tuple[str, ...]:
            if module in under_way:
                raise ValueError(f"{module} imports itself by way of others")
            under_way.add(module)
            longest = max((chain(other) for other in sorted(self.imports(module))), key=len, default=())
            under_way.discard(module)
            return (module, *longest)

        return list(max((chain(module) for module in sorted(self.trees) if module != self.name), key=len))

    def functions(self) -> list[tuple[int, str]]:
        """Body lines (without signature and docstring) and name of every function and method, longest first."""
        lengths = [
            (body_lines(node), f"{module}.{node.name}")
            for module, tree in self.trees.items()
            for node in ast.walk(tree)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        ]
        return sorted(lengths, reverse=True)

    def files(self) -> list[tuple[int, str]]:
        """Lines and path of every file, longest first."""
        paths = sources(self.folder)
        lengths = ((len(path.read_text(encoding="utf-8").splitlines()), path) for path in paths)
        return sorted(((n, path.relative_to(self.folder.parent).as_posix()) for n, path in lengths), reverse=True)


def rows(package: Package) -> list[tuple[str, str]]:
    """What is said of one package: caption and value."""
    chain, functions, files = package.longest_chain(), package.functions(), package.files()
    long = [f"{name.removeprefix(package.name + '.')} ({n})" for n, name in functions if n > MAX_FUNCTION_LINES]
    return [
        ("files", str(len(files))),
        ("files in the root", str(package.files_in_root)),
        ("longest chain of imports", str(len(chain))),
        ("longest file, lines", f"{files[0][1]}, {files[0][0]}"),
        ("mean body lines of a function", f"{sum(n for n, _ in functions) / len(functions):.1f}"),
        (f"functions over {MAX_FUNCTION_LINES} body lines", f"{len(long)}{': ' if long else ''}{', '.join(long[:4])}"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2], help="another checkout")
    root = parser.parse_args().root
    measured = {name: dict(rows(Package(name, root / folder))) for name, folder in PACKAGES.items()}
    print("| | " + " | ".join(measured) + " |\n|---" * 1 + "|---" * len(measured) + "|")
    for caption in next(iter(measured.values())):
        print(f"| {caption} | " + " | ".join(values[caption] for values in measured.values()) + " |")


if __name__ == "__main__":
    main()
