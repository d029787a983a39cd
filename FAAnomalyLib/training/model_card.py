"""The model card of a training run, which its author completes."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def write_card(folder: Path, manifest: dict[str, Any]) -> None:
    """Write ``MODEL_CARD.md``: data, people and training, and which scores have not been measured yet.

    Parameters
    ----------
    folder
        Model folder.
    manifest
        With ``network``, ``template_sha256`` and ``training``.
    """
    training = manifest["training"]
    held_out = ", ".join(training["held_out"]) or "nobody"
    lines = [
        f"# Model card: {folder.parent.name}",
        "",
        "**Research software; not for diagnosis, not for decisions about care.**",
        "",
        f"- Network: `{manifest['network']}`",
        f"- Trained on {len(training['volumes'])} volumes of {training['people']} people: "
        f"{', '.join(training['volumes'])}",
        f"- Held out: {held_out}",
        f"- {training['steps']} steps, seed {training['seed']}; the whole recipe is in `manifest.json`",
        f"- FA template: SHA-256 {manifest['template_sha256']}",
        "- Licence: to be stated by whoever publishes these weights; mind the licences of the volumes",
        "- Calibration: none",
        "- Measured scores: none yet; `Testing/Benchmarks/held_out_error.py` measures the error on one person",
        "- Must not be used for: diagnosis; people unlike those it was trained on; maps other than FA",
        "",
    ]
    (folder / "MODEL_CARD.md").write_text("\n".join(lines))
