"""Records are found again by what decided them, also those that earlier versions of this code wrote."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from FAAnomalyLib import __version__
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.evaluation.cases import Case
from FAAnomalyLib.evaluation.methods.registry import MethodContext, registered_methods
from FAAnomalyLib.evaluation.records import RecordStore, record_identity

CASE = Case("sphere", 16, 1, "", -0.2)


def test_identities_are_those_of_records_on_disk():
    assert record_identity("FAAnomaly", "its files", ["a1", "00ff", "3"]) == (
        f'{{"case": null, "faanomaly": "{__version__}", "judge": "its files", "method": "FAAnomaly", "record": 5, '
        '"study": ["a1", "00ff", "3"]}'
    )
    assert record_identity("m", "i", ["s"], CASE) == (
        '{"case": {"change": -0.2, "diameter": 16, "kind": "sphere", "lesion": "", "place": 1}, '
        f'"faanomaly": "{__version__}", "judge": "i", "method": "m", "record": 5, "study": ["s"]}}'
    )


def test_identities_of_the_comparators_are_those_of_records_on_disk():
    context = MethodContext(SimpleNamespace(), lambda volume: volume, (4.5, 3.25))
    own = [method for method in registered_methods() if method.setting_of is None]
    assert [method.create(context).identity for method in own[:2]] == [
        f"({name!r}, 3.0, 0.35, 4.0, 16, (4.5, 3.25))" for name in ("template z-map", "harmonic fill")
    ]


def test_rows_and_arrays_come_back(tmp_path):
    store, identity = RecordStore(tmp_path, False), record_identity("m", "i", ["s"])
    assert store.read(identity) is None
    store.write(identity, [{"dice": 0.5}], {"z": np.arange(3.0)})
    store.write(record_identity("m", "i", ["s"], CASE), [{"dice": 0.25}])
    again = RecordStore(tmp_path, True)
    assert again.read(identity) == [{"dice": 0.5}] and again.arrays(identity)["z"].tolist() == [0.0, 1.0, 2.0]
    assert again.planted_cases() == {identity: [CASE]}
    assert again.read(record_identity("m", "another", ["s"])) is None
    assert RecordStore(tmp_path, False).read(identity) is None, "without resume nothing is kept"


def test_damaged_records_are_not_believed(tmp_path):
    store, identity = RecordStore(tmp_path, False), record_identity("m", "i", ["s"])
    store.write(identity, [{}], {"z": np.arange(1000.0)})
    for path in store.folder.iterdir():
        path.write_bytes(path.read_bytes()[:20])
    assert store.read(identity) is None and store.planted_cases() == {}
    with pytest.raises(FAError, match="Run again without --resume"):
        store.arrays(identity)
