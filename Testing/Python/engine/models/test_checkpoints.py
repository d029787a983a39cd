"""Models on disk: what was saved comes back, what was altered is never read, and nothing else is deleted."""

import hashlib
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from FAAnomalyLib.cli import application as cli
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.io.volumes import save_volume
from FAAnomalyLib.models import registry
from FAAnomalyLib.models.checkpoints import load_model, load_tensors, save_model
from FAAnomalyLib.models.manifest import read_manifest, sha256_of
from FAAnomalyLib.models.registry import delete_model, find_model, list_models, verify_model
from FAAnomalyLib.networks.conditional_unet import ConditionalUNet
from FAAnomalyLib.networks.conditioning import CONDITION_CHANNELS
from FAAnomalyLib.networks.registry import build_network
from FAAnomalyLib.networks.thesis.unet import ThesisUNet
from FAAnomalyLib.preprocessing.template import TEMPLATE_FILES, Template, TemplatePriors, load_template, on_grid
from FAAnomalyLib.training.template_building import save_template
from FAAnomalyLib.volume import Volume
from support.fakes.random_nets import random, randomise
from support.paths import BUNDLED_MODELS

REST = {"schedule": {"kind": "cosine"}, "grid": {"shape": [8, 8, 8], "spacing_mm": 2.0}, "training": {"people": 3}}


@pytest.fixture(scope="module")
def network():
    return randomise(ConditionalUNet((8, 16), (1, 1)))


@pytest.fixture
def resources(tmp_path, monkeypatch):
    """A resources folder with no model in it."""
    folder = tmp_path / "resources"
    (folder / "Models").mkdir(parents=True)
    monkeypatch.setenv("FAANOMALY_RESOURCES", str(folder))
    return folder


@pytest.fixture
def model(resources, network):
    """A bundled model called ``small``."""
    folder = resources / "Models" / "small"
    save_model(folder, network.state_dict(), {"network": network.config(), **REST})
    return folder


def refused(action, *arguments, words, code="missing"):
    with pytest.raises(FAError, match=words) as caught:
        action(*arguments)
    assert caught.value.code == code and "\n" not in str(caught.value) and len(str(caught.value)) < 500
    assert caught.value.exit_status == {"missing": 5, "bad-request": 2, "bad-input": 2}[code]
    return caught.value


def never(*_, **__):
    raise AssertionError("the weights were read")


class Intruder:
    """Leaves a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


def seal(folder, **changes):
    """Write the manifest anew, with the true hash of whatever weights are there."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest = {**manifest, "sha256": sha256_of(folder / "weights.pt"), **changes}
    (folder / "manifest.json").write_text(json.dumps(manifest))


# --- round trip --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["inpainter", "unconditional", "conditional"])
def test_a_saved_model_comes_back(tmp_path, network, name):
    net = network if name == "inpainter" else randomise(ThesisUNet(name == "conditional", (8, 16)))
    save_model(tmp_path / "m", net.state_dict(), {"network": net.config(), **REST})
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == ["manifest.json", "weights.pt"]
    model = load_model(tmp_path / "m")
    assert model.name == "m" and model.kind == net.config()["kind"]
    assert model.manifest == {
        "format": 1,
        "network": net.config(),
        **REST,
        "sha256": hashlib.sha256((tmp_path / "m" / "weights.pt").read_bytes()).hexdigest(),
    }
    assert not model.network.training and not any(p.requires_grad for p in model.network.parameters())
    loaded = model.network.state_dict()
    for key, value in net.state_dict().items():
        assert loaded[key].dtype == torch.float32 and torch.equal(loaded[key], value.half().float()), key


def test_a_loaded_network_computes_what_the_saved_one_did(model, network):
    x, given, signal = random(1, 1, 8, 8, 8), random(1, CONDITION_CHANNELS, 8, 8, 8, seed=2), torch.tensor([0.5])
    with torch.no_grad():
        expected, got = network.eval()(x, signal, given)[0], load_model("small").network(x, signal, given)[0]
    assert (got - expected).abs().max() < 0.02 * expected.std()


def test_saving_again_replaces_the_model(model, network):
    before = verify_model("small")["sha256"]
    save_model(model, {k: v + 1.0 for k, v in network.state_dict().items()}, {"network": network.config(), **REST})
    assert verify_model("small")["sha256"] != before
    assert not list(model.glob("*.partial"))


# --- altered, damaged, foreign -----------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [0, 0.5, -1])
def test_one_flipped_byte_and_nothing_is_read(model, monkeypatch, capsys, place):
    data = bytearray((model / "weights.pt").read_bytes())
    data[int(place * len(data)) if 0 < place < 1 else place] ^= 1
    (model / "weights.pt").write_bytes(data)
    monkeypatch.setattr(torch, "load", never)
    monkeypatch.setattr(pickle, "load", never)
    refused(load_model, "small", words="altered or damaged")
    refused(verify_model, "small", words="SHA-256")
    assert cli.main(["models", "verify"]) == 5
    assert capsys.readouterr().err.count("\n") == 1


def test_missing_weights(model, monkeypatch):
    monkeypatch.setattr(torch, "load", never)
    (model / "weights.pt").unlink()
    refused(load_model, "small", words="weights .* are missing")
    assert list_models()[0]["megabytes"] == 0.0


@pytest.mark.parametrize("how", ["pickle", "torch", "legacy", "state"])
def test_code_with_a_true_hash_is_not_run(model, tmp_path, network, how):
    intruder, weights = Intruder(tmp_path / "intruded"), model / "weights.pt"
    if how == "pickle":
        weights.write_bytes(pickle.dumps(intruder, protocol=2))
    elif how == "legacy":
        torch.save({"a": intruder}, weights, _use_new_zipfile_serialization=False)
    else:
        torch.save({**network.state_dict(), "more": intruder} if how == "state" else intruder, weights)
    seal(model)
    verify_model("small")
    refused(load_model, "small", words="are not loaded")
    assert not (tmp_path / "intruded").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "are not loaded"),
        (b"weights", "are not loaded"),
        ([1, 2], "are not loaded"),
        ({"a": 1}, "do not fit"),
        ({"a": torch.ones(2)}, "do not fit"),
        ("one less", "do not fit"),
        ("another shape", "do not fit"),
        ({1: torch.ones(2)}, "do not fit"),
    ],
)
def test_weights_of_something_else(model, network, content, words):
    state = {key: value.half() for key, value in network.state_dict().items()}
    if content == "one less":
        state.pop("stem.bias")
        content = state
    elif content == "another shape":
        content = {**state, "stem.bias": torch.ones(3)}
    if isinstance(content, bytes):
        (model / "weights.pt").write_bytes(content)
    else:
        torch.save(content, model / "weights.pt")
    seal(model)
    refused(load_model, "small", words=words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "damaged"),
        ("{", "damaged"),
        ("null", "lacks"),
        ("5", "lacks"),
        ('"x"', "lacks"),
        ("[]", "lacks"),
        ("{}", "lacks format, grid, network, schedule, sha256"),
        ("[" * 100_000, "damaged"),
        (b"\xff\xfe{}", "damaged"),
        ({"format": 2}, "its format is 2"),
        ({"format": "1"}, "its format is 1"),
        ({"network": []}, "does not say which network"),
        ({"network": {}}, "does not say which network"),
        ({"network": {"kind": "gan"}}, "Unknown network kind 'gan'"),
        ({"network": {"kind": "inpainter"}}, "KeyError"),
        ({"network": {"kind": "inpainter", "widths": [7], "blocks": [1]}}, "describe a network"),
        ({"network": {"kind": "inpainter", "widths": 8, "blocks": 1}}, "describe a network"),
        ({"network": {"kind": "thesis", "conditional": True}}, "describe a network"),
        ({"sha256": None}, "altered or damaged"),
    ],
)
def test_a_damaged_manifest(model, monkeypatch, text, words):
    monkeypatch.setattr(torch, "load", never)
    if isinstance(text, dict):
        seal(model, **text)
    elif isinstance(text, bytes):
        (model / "manifest.json").write_bytes(text)
    else:
        (model / "manifest.json").write_text(text)
    refused(load_model, "small", words=words)


def test_a_damaged_manifest_hides_no_other_model(model, resources, network):
    save_model(resources / "Models" / "other", network.state_dict(), {"network": network.config(), **REST})
    (model / "manifest.json").write_text("{")
    assert [(m["name"], m["kind"]) for m in list_models()] == [("other", "inpainter"), ("small", "damaged")]
    refused(find_model, "absent", words="other, small")
    delete_model("small")
    assert not model.exists()


def test_an_absent_manifest(model):
    (model / "manifest.json").unlink()
    refused(load_model, "small", words="no model 'small'")
    refused(load_model, model, words="has no manifest.json")
    refused(read_manifest, model, words="is damaged")
    assert list_models() == []


def test_running_out_of_memory_is_not_called_damage(model, monkeypatch):
    def full(*_, **__):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(torch, "load", full)
    with pytest.raises(RuntimeError, match="allocate"):
        load_tensors(model / "weights.pt")


# --- finding, listing, deleting ----------------------------------------------------------------------------------


def test_models_are_found_by_name_and_by_path(model, resources, tmp_path, monkeypatch):
    refused(find_model, words="no model 'default'")
    assert find_model("small") == model and find_model(model) == model and find_model(str(model)) == model
    model.rename(resources / "Models" / "inpainter")
    assert find_model().name == "inpainter" and load_model().name == "inpainter"
    monkeypatch.chdir(resources / "Models")
    assert load_model("./inpainter").kind == "inpainter"
    refused(find_model, "../../etc", words="no model")


def test_the_list_says_what_there_is(model):
    (entry,) = list_models()
    assert entry.pop("megabytes") == round((model / "weights.pt").stat().st_size / 1e6, 1)
    assert entry == {
        "name": "small",
        "folder": str(model),
        "kind": "inpainter",
        "sha256": sha256_of(model / "weights.pt"),
    }


def test_only_bundled_models_are_deleted(model, resources, tmp_path, network):
    elsewhere = tmp_path / "elsewhere" / "mine"
    save_model(elsewhere, network.state_dict(), {"network": network.config(), **REST})
    nested = model / "nested"
    save_model(nested, network.state_dict(), {"network": network.config(), **REST})
    (resources / "manifest.json").write_text("{}")
    (resources / "Models" / "manifest.json").write_text("{}")
    (resources / "Models" / "link").symlink_to(elsewhere, target_is_directory=True)
    for name in (elsewhere, "link", "..", ".", "", "small/..", "small/nested", "small/../../../elsewhere/mine"):
        refused(delete_model, name, words="not a bundled model|no model", code=_code_of(name))
    assert (elsewhere / "weights.pt").is_file() and (nested / "weights.pt").is_file() and resources.is_dir()
    delete_model("small")
    assert not model.exists() and list((resources / "Models").iterdir())


def _code_of(name):
    # What is no model at all is missing; what is one, but lies elsewhere, is refused.
    try:
        find_model(name)
    except FAError as error:
        return error.code
    return "bad-request"


def test_a_model_that_cannot_be_deleted(model, monkeypatch):
    def locked(folder):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(registry.shutil, "rmtree", locked)
    refused(delete_model, "small", words="Permission denied", code="bad-input")


def test_every_bundled_model_loads():
    # A change of a network's layers loses every set of weights that was trained for it.
    bundled = sorted(p.parent for p in BUNDLED_MODELS.glob("*/manifest.json"))
    for folder in bundled:
        load_model(folder)
    if not bundled:
        pytest.skip("no model is bundled")


def test_the_thesis_networks_are_built_from_their_kind():
    assert build_network({"kind": "thesis", "conditional": False, "widths": [8, 16]}).conditional is False


# --- the template ------------------------------------------------------------------------------------------------


def ramps(shape=(20, 24, 18), spacing=2.0, corner=(-19.0, -40.0, -9.0)):
    """A template whose FA, white matter and brain rise along world x, y and z."""
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = corner
    index = np.indices(shape)
    arrays = [(0.5 + 0.005 * (spacing * index[a] + corner[a])).astype(np.float32) for a in range(3)]
    return Template(Volume(arrays[0], affine), TemplatePriors(*arrays))


@pytest.mark.parametrize(("shape", "spacing"), [((20, 24, 18), 1.0), ((12, 15, 11), 2.5), ((31, 37, 28), 1.25)])
def test_another_grid_keeps_world_positions_and_identity(shape, spacing):
    known = ramps()
    moved = on_grid(known, shape, spacing)
    assert moved.fa.shape == shape and np.allclose(moved.fa.spacing, spacing) and moved.sha256 == known.sha256
    centres = [t.fa.affine @ [*(np.array(t.fa.shape) - 1) / 2, 1] for t in (known, moved)]
    np.testing.assert_allclose(*centres, atol=1e-9)
    world = moved.fa.affine[:3, :3] @ np.indices(shape).reshape(3, -1) + moved.fa.affine[:3, 3:]
    low, high = known.fa.affine[:3, 3], known.fa.affine[:3, 3] + 2.0 * (np.array(known.fa.shape) - 1)
    inside = np.all((world >= low[:, None]) & (world <= high[:, None]), axis=0)
    assert inside.mean() > 0.8
    for axis, array in enumerate((moved.priors.fa, moved.priors.white_matter, moved.priors.brain)):
        assert array.dtype == np.float32
        np.testing.assert_allclose(array.ravel()[inside], 0.5 + 0.005 * world[axis][inside], atol=1e-5)
    np.testing.assert_array_equal(moved.fa.data, moved.priors.fa)


def test_its_own_grid_is_returned_untouched():
    known = ramps()
    assert on_grid(known, known.fa.shape, 2.0) is known


def test_the_identity_survives_storing_and_notices_a_change(tmp_path):
    known = ramps()
    save_template(known, tmp_path)
    stored = load_template(tmp_path)
    assert stored.sha256 == known.sha256 and stored.fa.same_geometry(known.fa)
    other = TemplatePriors(known.priors.fa, known.priors.white_matter + np.float32(0.002), known.priors.brain)
    assert Template(known.fa, other).sha256 != known.sha256
    shifted = known.fa.affine.copy()
    shifted[0, 3] += 0.001
    assert Template(Volume(known.fa.data, shifted), known.priors).sha256 != known.sha256


@pytest.mark.parametrize("name", TEMPLATE_FILES)
@pytest.mark.parametrize("how", ["absent", "another grid", "NaN"])
def test_an_incomplete_template(tmp_path, name, how):
    known = ramps()
    save_template(known, tmp_path)
    (tmp_path / name).unlink()
    if how == "another grid":
        save_volume(ramps(shape=(20, 24, 20)).fa, tmp_path / name)
    elif how == "NaN":
        save_volume(known.fa.with_data(np.full(known.fa.shape, np.nan, np.float32)), tmp_path / name)
    refused(load_template, tmp_path, words="incomplete" if how == "absent" else "damaged")
