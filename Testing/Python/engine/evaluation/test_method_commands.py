"""A method that learns, from the shell: ``train --method``, then ``detect --method`` with its model."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from FAAnomalyLib.cli import application as cli
from FAAnomalyLib.evaluation.methods.coarse_noise_dae import DAE
from FAAnomalyLib.io.volumes import load_volume, save_volume
from FAAnomalyLib.preprocessing import template as templates

pytestmark = pytest.mark.slow


def test_a_method_is_trained_and_run_by_two_commands(subjects, template, aligned, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(templates, "load_template", lambda folder: template)
    small = replace(DAE.recipes["tiny"], steps=20, widths=(8, 8, 8), batch=4)
    monkeypatch.setitem(DAE.recipes, "tiny", small)
    model, data = tmp_path / "model", subjects[0].path.parent
    common = ["--method", "dae", "--device", "cpu"]
    arguments = ["train", str(data), *common, "--recipe", "tiny", "-o", str(model), "--hold-out", "b1"]
    assert cli.main(arguments) == 0
    said = json.loads((model / "method.json").read_text())
    assert said["method"] == "DAE" and said["recipe"] == "tiny" and said["calibrated_on"] == ["b1_FA.nii.gz"]
    assert said["trained_on"] == ["a1_FA.nii.gz", "a2_FA.nii.gz"]

    healthy, _ = load_volume(subjects[2].path)
    places = np.moveaxis(np.indices(healthy.shape), 0, -1) @ healthy.affine[:3, :3].T + healthy.affine[:3, 3]
    ball = np.linalg.norm(places - (26.0, -24.0, 26.0), axis=-1) < 13.0
    lesioned = healthy.with_data(np.where(ball, 0.2 * healthy.data, healthy.data).astype(np.float32))
    scan, out = tmp_path / "scan_FA.nii.gz", tmp_path / "out"
    save_volume(lesioned, scan)
    assert cli.main(["detect", str(scan), *common, "--model", str(model), "-o", str(out), "--no-report"]) == 0
    z, _ = load_volume(out / "z_map.nii.gz")
    assert z.shape == healthy.shape and np.allclose(z.affine, healthy.affine)
    judged = z.data != 0
    assert z.data[ball & judged].mean() < z.data[~ball & judged].mean() - 0.5
    assert json.loads((out / "result.json").read_text())["method"] == "DAE"
    capsys.readouterr()

    for changed, complaint in ((["--method", "ilvr"], "holds the method DAE"), (["--threshold", "sensitive"], "auto")):
        again = ["detect", str(scan), *common, *changed, "--model", str(model), "-o", str(tmp_path / "other")]
        assert cli.main(again) == 2
        assert complaint in capsys.readouterr().err
