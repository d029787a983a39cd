"""``evaluate``: files, columns, keys, and the names of the methods in them."""

from __future__ import annotations

import pytest

from support.drivers.public_faces import DATA, MODEL, PEOPLE, assert_as_stored, evaluation_shape, shell_in_this_process

pytestmark = pytest.mark.slow

WORDS = [
    "evaluate",
    PEOPLE,
    "--model",
    MODEL,
    "--subjects",
    "B",
    "--people",
    DATA / "people.csv",
    "--diameters",
    "32",
    "--changes",
    "-0.3",
    "--places",
    "1",
    "--device",
    "cpu",
]


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory, one_thread):
    folder = tmp_path_factory.mktemp("evaluation")
    assert shell_in_this_process(*WORDS, "-o", folder) == 0
    return folder


def test_an_evaluation_leaves_what_it_left(evaluated):
    assert_as_stored("evaluation", evaluation_shape(evaluated))


def test_the_table_for_people_is_markdown(evaluated):
    assert (evaluated / "table.md").read_text(encoding="utf-8").startswith("# Evaluation")
