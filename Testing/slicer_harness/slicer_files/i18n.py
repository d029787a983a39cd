"""``slicer.i18n``: translated texts; without a translation file, as here, the text itself."""

from __future__ import annotations

import inspect
import re
from functools import cache
from pathlib import Path

PLACEHOLDER = re.compile(r"(?<!\{)\{([^{}]+)\}(?!\})")


def translate(context: str, text: str) -> str:
    """*text* in the application's language."""
    import slicer

    return slicer.app.translate(context, text)


@cache
def getContext(sourceFile: str) -> str:
    """Qt's translation context of a file: ``Package.file`` inside a package, else ``file``."""
    path = Path(sourceFile)
    return f"{path.parent.name}.{path.stem}" if (path.parent / "__init__.py").is_file() else path.stem


def tr(text: str) -> str:
    """*text* in the application's language, the context found by the caller's file."""
    if not isinstance(text, str):
        raise TypeError(f"only texts can be translated, not {text!r}")
    translated = translate(getContext(inspect.currentframe().f_back.f_code.co_filename), text)
    if translated == text or set(PLACEHOLDER.findall(text)) == set(PLACEHOLDER.findall(translated)):
        return translated
    return text
