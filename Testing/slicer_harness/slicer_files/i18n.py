"""``slicer.i18n``: translated texts; without a translation file, as here, the text itself."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

PLACEHOLDER = re.compile(r"(?<!\{)\{([^{}]+)\}(?!\})")


def translate(context: str, text: str) -> str:
    """*text* in the application's language."""
    import slicer

    return slicer.app.translate(context, text)


def getContext(sourceFile: str) -> str:
    """Qt's translation context of a file: ``Package.file`` inside a package, else ``file``."""
    path = Path(sourceFile)
    return f"{path.parent.name}.{path.stem}" if (path.parent / "__init__.py").is_file() else path.stem


def tr(text: str) -> str:
    """*text* in the application's language, the context found by the caller's file."""
    if not isinstance(text, str):
        raise TypeError(f"only texts can be translated, not {text!r}")
    frame = inspect.currentframe().f_back
    translated = translate(getContext(inspect.getsourcefile(frame) or inspect.getfile(frame)), text)
    return translated if set(PLACEHOLDER.findall(text)) == set(PLACEHOLDER.findall(translated)) else text
