"""The self-test that runs inside Slicer, run here as Slicer runs it."""

import slicer_harness

slicer_harness.require()

import io
import sys
import unittest

import pytest
import slicer
from packaging.requirements import Requirement

pytestmark = pytest.mark.slow


def as_slicer_does(name="FAAnomaly"):
    """What ``slicer.testing.runUnitTest`` does for CTest."""
    suite = unittest.TestLoader().loadTestsFromName(name)
    return unittest.TextTestRunner(stream=io.StringIO(), verbosity=2).run(suite)


def test_everything_passes_from_the_sample_to_the_closing_of_the_scene(bench, layout, testing_mode):
    panel = bench("planted")
    steps = []
    sys.modules["FAAnomaly"].FAAnomalyTest.delayDisplay = lambda self, text, *_: steps.append(text)
    slicer.selfTests["FAAnomaly"]()
    assert steps[-1] == "All tests passed"
    assert [step for step in steps if "box" in step or "exported" in step or "closed during" in step]
    panel.until(panel._engines_ended)


def test_without_packages_it_says_what_it_could_not_do(bench, testing_mode, monkeypatch, pip):
    from FAAnomalySlicer.setup.package_installer import Installer

    bench("planted")
    monkeypatch.setattr(Installer, "missing", lambda self: [Requirement("torch>=2.2")])
    result = as_slicer_does()
    assert result.wasSuccessful()
    ((_, reason),) = result.skipped
    assert "torch>=2.2" in reason and "missing" in reason
    assert all(words in reason for words in ("whole brain", "threshold", "box", "exported", "closed during a run"))
    assert "sample is loaded" not in reason, "that needs no package"
    assert not pip.requests


@pytest.mark.parametrize(
    ("mode", "told"), [("fails", "does not look like an FA map"), ("quick", "mm from the planted")]
)
def test_it_fails_when_the_engine_does(bench, testing_mode, mode, told):
    bench(mode)
    result = as_slicer_does()
    ((_, trace),) = result.failures
    assert told in trace and not result.errors
