"""The worker's protocol, spoken line by line with the real engine on a small head."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from support.drivers.public_faces import assert_as_stored, worker_shapes, worker_transcript

pytestmark = pytest.mark.slow

RESULT_FILES = {
    "pseudo_healthy": "pseudo_healthy.nii.gz",
    "difference": "difference.nii.gz",
    "z_map": "z_map.nii.gz",
    "segmentation": "segmentation.nii.gz",
    "regions": "regions.csv",
    "report": "report.html",
}


@pytest.fixture(scope="module")
def conversation(tmp_path_factory) -> tuple[list[dict], int, Path]:
    folder = tmp_path_factory.mktemp("worker")
    return *worker_transcript(folder), folder


def heard(conversation, number, kind: str) -> list[dict]:
    return [message for message in conversation[0] if message["id"] == number and message["type"] == kind]


@pytest.mark.slow
def test_every_message_has_the_keys_that_it_had(conversation):
    assert_as_stored("worker", worker_shapes(conversation[0]))


def test_every_request_has_one_answer_and_the_worker_leaves_in_peace(conversation):
    answers = [message["id"] for message in conversation[0] if message["type"] in ("result", "error")]
    assert sorted(map(str, answers)) == sorted(map(str, (None, None, 1, 2, 3, 4, "text", *range(10, 16))))
    assert conversation[1] == 0


def test_the_first_message_says_who_speaks(conversation):
    assert conversation[0][0]["type"] == "hello" and conversation[0][0]["protocol"] == 1


def test_results_are_files_of_the_same_names_in_the_folder_that_was_asked_for(conversation):
    folder = conversation[2]
    for number, name in ((10, "region"), (11, "roi")):
        answer = heard(conversation, number, "result")[0]
        assert answer["output"] == str(folder / name)
        assert {key: answer["files"][key] for key in RESULT_FILES} == {
            key: str(folder / name / file) for key, file in RESULT_FILES.items()
        }
        assert set(os.listdir(folder / name)) >= {*RESULT_FILES.values(), "result.json"}
        told = json.loads((folder / name / "result.json").read_text(encoding="utf-8"))
        assert answer["regions"] == told["regions"] and answer["warnings"] == told["warnings"]
        assert [region["sign"] for region in answer["regions"]][:1] == ["decreased"]
    assert not (folder / "long").exists() or not set(RESULT_FILES.values()) & set(os.listdir(folder / "long"))


def test_progress_is_a_share_that_grows(conversation):
    shares = [message["fraction"] for message in heard(conversation, 12, "progress")]
    assert shares == sorted(shares) and 0 <= shares[0] <= shares[-1] <= 1


def test_what_cannot_be_cancelled_is_said_so(conversation):
    assert not heard(conversation, "text", "result")[0]["cancelled"]
    assert heard(conversation, 14, "result")[0]["cancelled"]
