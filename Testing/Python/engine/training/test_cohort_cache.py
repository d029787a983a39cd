"""How subjects come onto the model grid, and when they do so again."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from FAAnomalyLib.datasets.cohort import CohortSubject, find_subjects
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.io.volumes import load_volume, save_volume
from FAAnomalyLib.runtime.progress import CancelToken
from FAAnomalyLib.training import cohort_cache as data
from FAAnomalyLib.training.cohort_cache import prepare_subjects
from support.phantoms import tiny_training


@pytest.mark.slow
def test_volumes_are_prepared_once_until_something_changes(tmp_path, monkeypatch):
    known, said = tiny_training.template(), []
    path = tmp_path / "a_FA.nii.gz"
    tiny_training.write_head(path, seed=1)

    def prepared(template=known):
        said.clear()
        return prepare_subjects([CohortSubject.from_file(path, "Ann")], template, tmp_path / "cache", said.append)[0]

    first = prepared()
    assert said and (first.name, first.person) == ("a_FA.nii.gz", "Ann")
    truth, inside = tiny_training.head(known.fa.shape, known.fa.affine)
    assert np.corrcoef(first.fa[inside], truth[inside])[0, 1] > 0.9
    assert first.weight.max() == 1.0 and first.weight.min() == np.float32(data.OUTSIDE_WEIGHT)
    again = prepared()
    assert not said and torch.equal(first.fa, again.fa) and torch.equal(first.weight, again.weight)

    entry = tmp_path / "cache" / "a_FA.npz"
    assert [p.name for p in (tmp_path / "cache").iterdir()] == [entry.name]
    entry.write_bytes(entry.read_bytes()[:1000])
    assert torch.equal(prepared().fa, first.fa) and said
    tiny_training.write_mask(path)
    prepared()
    assert said
    other = replace(known, fa=type(known.fa)(known.fa.data, known.fa.affine * 1.01), sha256=known.sha256)
    prepared(other)
    assert said


def test_a_bad_volume_is_named(tmp_path):
    tiny_training.write_head(tmp_path / "good_FA.nii.gz", seed=1)
    tiny_training.write_head(tmp_path / "bad_FA.nii.gz", seed=1)
    volume, _ = load_volume(tmp_path / "bad_FA.nii.gz")
    save_volume(volume.with_data(np.full(volume.shape, 0.4, np.float32)), tmp_path / "bad_FA.nii.gz")
    with pytest.raises(FAError, match="bad_FA.nii.gz: The volume is constant") as caught:
        prepare_subjects(find_subjects(tmp_path), tiny_training.template(), tmp_path / "cache", lambda text: None)
    assert caught.value.code == "bad-input"


def test_a_cancel_tells_how_many_maps_are_kept(tmp_path, monkeypatch):
    for name in ("a", "b"):
        tiny_training.write_head(tmp_path / f"{name}_FA.nii.gz", seed=1)
    token, said = CancelToken(), []

    def report(text):
        said.append(text)
        token.cancel()

    with pytest.raises(FAError) as caught:
        subjects, cache = find_subjects(tmp_path), tmp_path / "cache"
        prepare_subjects(subjects, tiny_training.template(), cache, report, token.check)
    assert caught.value.code == "cancelled" and f"1 of 2 registered maps are kept in {cache}" in str(caught.value)
    assert [path.name for path in cache.iterdir()] == ["a_FA.npz"] and len(said) == 1
