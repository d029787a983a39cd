"""The engine's work with arrays; run as a program, in a process in which torch has no bridge to NumPy."""

from __future__ import annotations

import hashlib
import importlib
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


class _NoNumpy:
    """Hides NumPy from imports."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "numpy":
            raise ModuleNotFoundError("NumPy is hidden", name=name)


def break_bridge() -> str:
    """Load torch as it loads where it was built for another NumPy, and return what its bridge says."""
    assert not {"torch", "numpy"} & sys.modules.keys()
    hidden = _NoNumpy()
    sys.meta_path.insert(0, hidden)
    torch = importlib.import_module("torch")
    sys.meta_path.remove(hidden)
    try:
        return str(torch.from_numpy(importlib.import_module("numpy").zeros(1)))
    except RuntimeError as error:
        return str(error)


def fingerprint() -> str:
    """Hash of what filling, sampling, drawing examples and validation make of small heads."""
    import numpy as np
    import torch

    from FAAnomalyLib.diffusion.noise_schedule import cosine_schedule
    from FAAnomalyLib.evaluation.baselines.linear_fill import LinearFill
    from FAAnomalyLib.inpainting.sampling import Sampling
    from FAAnomalyLib.synthesis.synthetic_brain import _deformed_template
    from FAAnomalyLib.training.objective import HoleObjective
    from FAAnomalyLib.training.validation import held_out_errors
    from support.phantoms import tiny_brain, tiny_training

    fa, brain = tiny_brain.head()
    priors, hole = tiny_brain.prepared(fa, brain, warped=False).grid.priors, tiny_brain.ball()
    made, subject = tiny_brain.inpainter(), tiny_training.subject("A_FA.nii.gz", "A", 1)
    found = [LinearFill().fill(fa, hole, priors)]
    for sampler, steps in (("mean", 1), ("dpm++", 2)):
        found += made.fill(fa, hole, Sampling(sampler, steps, 1, 3), None, priors)[:2]
    objective = HoleObjective(cosine_schedule(), None)
    example = objective.example(subject, torch.Generator().manual_seed(0))
    loss, _ = objective.loss(made.network, {name: torch.stack([value] * 2) for name, value in example.items()})
    found += [loss.tolist(), held_out_errors(made.network, [subject], (4.0,) * 3, torch.device("cpu"), torch.float32)]
    found.append(_deformed_template(tiny_training.template(), 5).fa.tolist())
    return hashlib.sha256(b"".join(np.asarray(values, np.float64).tobytes() for values in found)).hexdigest()


def main() -> None:
    print(break_bridge().splitlines()[0])
    from FAAnomalyLib.cli.commands import doctor

    print("can run:", doctor.examine().can_run)
    print(fingerprint())


if __name__ == "__main__":
    main()
