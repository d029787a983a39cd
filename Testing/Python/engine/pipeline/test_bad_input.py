"""What cannot be judged is refused by the shell with one line, exit status 2, and nothing written."""

from __future__ import annotations

import gzip

import nibabel
import numpy as np
import pytest

from FAAnomalyLib.cli import application as cli
from support.fakes import stand_in
from support.phantoms import synthetic_brain as sb


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return stand_in.make(tmp_path_factory.mktemp("model") / "stand-in")


@pytest.fixture(scope="module")
def good():
    shape, affine = sb.grid((3.0, 3.0, 3.0))
    return sb.brain(shape, affine)


def nifti(path, data, affine=None):
    image = nibabel.Nifti1Image(np.asarray(data, np.float32), np.diag([3.0, 3.0, 3.0, 1.0]))
    image.set_qform(None, code=0)
    image.set_sform(np.diag([3.0, 3.0, 3.0, 1.0]) if affine is None else affine, code=1)
    nibabel.save(image, path)
    return [str(path)]


def missing(folder, good):
    return [str(folder / "nowhere.nii.gz")]


def directory(folder, good):
    return [str(folder)]


def four_d(folder, good):
    return nifti(folder / "a.nii.gz", np.stack([good.data, good.data], axis=-1))


def all_zero(folder, good):
    return nifti(folder / "a.nii.gz", np.zeros(good.shape))


def nan_only(folder, good):
    return nifti(folder / "a.nii.gz", np.full(good.shape, np.nan))


def thousandfold(folder, good):
    return nifti(folder / "a.nii.gz", 1000 * good.data)


def tiny(folder, good):
    return nifti(folder / "a.nii.gz", np.random.default_rng(0).random((7, 7, 7)))


def sheared(folder, good):
    affine = good.affine.copy()
    affine[0, 1] = 1.0
    return nifti(folder / "a.nii.gz", good.data, affine)


def singular(folder, good):
    affine = good.affine.copy()
    affine[:, 1] = affine[:, 0]
    return nifti(folder / "a.nii.gz", good.data, affine)


def other_mask(folder, good):
    nifti(folder / "mask.nii.gz", np.ones((20, 20, 20)))
    return [*nifti(folder / "a.nii.gz", good.data, good.affine), "--brain-mask", str(folder / "mask.nii.gz")]


def other_region(folder, good):
    nifti(folder / "mask.nii.gz", np.ones((20, 20, 20)))
    return [*nifti(folder / "a.nii.gz", good.data, good.affine), "--region", str(folder / "mask.nii.gz")]


def text(folder, good):
    (folder / "a.nii.gz").write_text("This is no volume.\n")
    return [str(folder / "a.nii.gz")]


def truncated(folder, good):
    nifti(folder / "whole.nii.gz", good.data, good.affine)
    whole = (folder / "whole.nii.gz").read_bytes()
    (folder / "a.nii.gz").write_bytes(whole[: len(whole) // 2])
    return [str(folder / "a.nii.gz")]


def truncated_inside(folder, good):
    nifti(folder / "whole.nii", good.data, good.affine)
    (folder / "a.nii.gz").write_bytes(gzip.compress((folder / "whole.nii").read_bytes()[:20000]))
    return [str(folder / "a.nii.gz")]


WORDS = {
    missing: "no file",
    directory: "folder",
    four_d: "not one 3D volume",
    all_zero: "empty",
    nan_only: "no numbers",
    thousandfold: "--scale 1000",
    tiny: "7 x 7 x 7",
    sheared: "sheared",
    singular: "singular",
    other_mask: "The brain mask does not lie on the voxels",
    other_region: "The region mask.nii.gz does not lie on the voxels",
    text: "text file",
    truncated: "ends too early",
    truncated_inside: "before its last voxel",
}


@pytest.mark.parametrize("make", WORDS, ids=lambda make: make.__name__)
def test_bad_input_is_one_line_exit_2_and_nothing_written(make, good, model, tmp_path, capfd):
    arguments = make(tmp_path, good)
    before = sorted(p.name for p in tmp_path.iterdir())
    status = cli.main(
        ["detect", *arguments, "-o", str(tmp_path / "out" / "deeper"), "--model", str(model), "--device", "cpu"]
    )
    printed = capfd.readouterr()
    assert status == 2, printed.err
    assert printed.out == "" and printed.err.endswith("\n") and printed.err.count("\n") == 1, printed.err
    assert WORDS[make] in printed.err
    assert "Traceback" not in printed.err
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_altered_weights_are_refused_by_their_hash(good, tmp_path, capfd):
    model = stand_in.make(tmp_path / "model")
    weights = bytearray((model / "weights.pt").read_bytes())
    weights[len(weights) // 2] ^= 1
    (model / "weights.pt").write_bytes(weights)
    status = cli.main(
        [
            "detect",
            *nifti(tmp_path / "a.nii.gz", good.data, good.affine),
            "-o",
            str(tmp_path / "out"),
            "--model",
            str(model),
            "--device",
            "cpu",
        ]
    )
    err = capfd.readouterr().err
    # Reading the map went well and was reported before.
    assert status == 5 and err.count("faanomaly:") == 1 and "SHA-256" in err.splitlines()[-1]
    assert not (tmp_path / "out").exists()
