"""The average of people: everybody counts once, what a scan has not seen is not told, anybody can be left out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from FAAnomalyLib.cli import application as cli
from FAAnomalyLib.datasets.cohort import CohortSubject
from FAAnomalyLib.datasets.file_names import mask_of
from FAAnomalyLib.datasets.folds import read_folds
from FAAnomalyLib.io.volumes import load_volume, save_volume
from FAAnomalyLib.pipeline.loaded_model import OWN_TEMPLATE
from FAAnomalyLib.preprocessing.template import load_template
from FAAnomalyLib.training import template_building
from FAAnomalyLib.training.template_building import PeopleAverage, average_people
from FAAnomalyLib.volume import Volume
from support.phantoms import tiny_training

pytestmark = pytest.mark.slow

LOWEST = 9
"""First slice of the slab, on a grid of 28."""


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Two whole heads, and a slab of a third one; the model grid is the tests'."""
    folder = tmp_path_factory.mktemp("cohort")
    for seed, name in enumerate(("a", "b", "s"), 1):
        tiny_training.write_head(folder / f"{name}_FA.nii.gz", seed)
    whole = load_volume(folder / "s_FA.nii.gz")[0]
    affine = whole.affine.copy()
    affine[:3, 3] += affine[:3, 2] * LOWEST
    save_volume(Volume(np.ascontiguousarray(whole.data[:, :, LOWEST:]), affine), folder / "s_FA.nii.gz")
    for name in ("a", "b", "s"):
        tiny_training.write_mask(folder / f"{name}_FA.nii.gz")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(template_building, "MODEL_SHAPE", tiny_training.SHAPE)
        patch.setattr(template_building, "MODEL_SPACING_MM", tiny_training.SPACING_MM)
        yield folder


def subject(cohort, name: str, person: str | None = None) -> CohortSubject:
    path = cohort / f"{name}_FA.nii.gz"
    return CohortSubject(name, person or name.upper(), path, mask_of(path))


@pytest.fixture(scope="module")
def average(cohort) -> PeopleAverage:
    target = tiny_training.template().fa
    subjects = [*(subject(cohort, name) for name in "ab"), subject(cohort, "b", "B"), subject(cohort, "s")]
    return average_people(subjects, target, 2, lambda text: None)


def test_a_template_without_a_person_is_that_of_the_others(average):
    everybody = average.template()
    for name in "ABS":
        others = {person: part for person, part in average.people.items() if person != name}
        expected, found = (
            one.priors for one in (PeopleAverage(average.affine, others, False).template(), average.template((name,)))
        )
        for part in ("fa", "white_matter", "brain"):
            np.testing.assert_array_equal(getattr(found, part), getattr(expected, part))
        assert np.abs(found.fa - everybody.priors.fa).max() > 0.01
    own = average.people["A"]
    mean = own[0] / np.maximum(own[3], 1e-6)
    assert np.abs(average.template("BS").priors.fa - mean)[own[2] > 1.9].max() < 1e-5


def test_it_is_symmetric_and_like_the_heads(average):
    priors = average.template().priors
    for array in (priors.fa, priors.white_matter, priors.brain):
        np.testing.assert_allclose(array, array[::-1], atol=1e-6)
        assert array.dtype == np.float32 and array.min() >= 0.0 and array.max() <= 1.0
    known = tiny_training.template().priors
    inner = ndimage.binary_erosion(known.brain > 0.5, iterations=2)
    assert np.corrcoef(priors.fa[inner], known.fa[inner])[0, 1] > 0.95


def test_a_slab_says_nothing_outside_its_view(average):
    slab, whole = average.people["S"], average.people["A"]
    unseen = slab[3] == 0
    assert unseen[:, :, :6].all() and not unseen[12, 14, 14] and (whole[3] == 2).mean() > 0.9
    assert not slab[:3, unseen].any()
    brain = unseen & (whole[2] > 0) & (average.people["B"][2] > 0)
    assert brain.sum() > 200
    # There the others alone make the template: it is no darker.
    found, others = average.template(), average.template(("S",))
    inner = ndimage.binary_erosion(unseen, iterations=4)
    assert (inner & brain).sum() > 50
    np.testing.assert_allclose(found.priors.fa[inner], others.priors.fa[inner], atol=1e-6)
    np.testing.assert_allclose(found.priors.brain[inner], others.priors.brain[inner], atol=1e-3)


def test_a_person_with_two_maps_counts_once(average):
    assert list(average.people) == ["A", "B", "S"], "the two maps of B are two people"
    assert all(part[3].max() == 2 for part in average.people.values())


def test_one_persons_maps_are_averaged_where_each_was_seen():
    maps = np.random.default_rng(0).random((2, 4, 6, 5, 4))
    maps[:, 3] = 1.0
    maps[1, 3, :, 0] = maps[:, 3, :3, 1] = 0.0
    mean = template_building._of_both_hemispheres(list(maps))
    both, first = maps[:, :3].mean(0), maps[0, :3]
    np.testing.assert_allclose(mean[:3, :, 2:], (both + both[:, ::-1])[:, :, 2:], rtol=1e-6)
    np.testing.assert_allclose(mean[:3, :, 0], (first + first[:, ::-1])[:, :, 0], rtol=1e-6)
    # One hemisphere was seen by neither: the other one's FA stands for both, once.
    np.testing.assert_allclose(mean[:3, 3:, 1], both[:, 3:, 1], rtol=1e-6)
    np.testing.assert_allclose(mean[:3, :3, 1], both[:, :2:-1, 1], rtol=1e-6)
    assert (mean[3, :, 1] == 1).all() and (mean[3, :, [0, 2, 3, 4]] == 2).all()


def test_the_command_writes_the_template_and_everybodys_own(cohort, average, tmp_path, capsys, monkeypatch):
    asked = []

    def averaged(subjects, target, rounds=3, report=print, check=None):
        asked.append(({one.person for one in subjects}, target.shape, rounds))
        return average

    monkeypatch.setattr(template_building, "average_people", averaged)
    save_volume(tiny_training.template().fa, tmp_path / "target.nii.gz")
    words = [cohort, "-o", tmp_path / "out", "--target", tmp_path / "target.nii.gz", "--rounds", 2, "--hold-out", "a"]
    assert cli.main([str(word) for word in ("template", *words, "--cross", tmp_path / "cross")]) == 0
    assert asked == [({"b", "s"}, tiny_training.SHAPE, 2)]
    assert "template of 3 people" in capsys.readouterr().out
    folds = read_folds(tmp_path / "cross" / "folds.csv")
    assert len(folds) == 3
    whole = load_template(tmp_path / "out")
    np.testing.assert_allclose(whole.priors.fa, average.template().priors.fa, atol=6e-4)
    for folder in folds.values():
        assert np.abs(load_template(folder / OWN_TEMPLATE).priors.fa - whole.priors.fa).max() > 0.005
