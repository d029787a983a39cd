"""The engine's client at work: jobs one after the other, and cancelling at every stage; over both kinds of process."""

from __future__ import annotations

import os
import signal
import time

import pytest

import slicer_harness

slicer_harness.require()

from FAAnomalyLib.errors import FAError
from support.drivers.engine_bench import PATIENT, QUICK, Bench, ask, children_of, is_running

pytestmark = pytest.mark.slow


@pytest.fixture(params=["subprocess", "qt"])
def bench(request):
    bench = Bench(request.param)
    yield bench
    bench.close()


def test_two_jobs_with_one_worker(bench):
    client = bench.client()
    assert (client.status, client.engine_version, bench.pids) == ("stopped", None, [])
    first = ask(client)
    assert first.state == "waiting" and client.status == "starting" and client.job is first
    bench.finish(first)
    assert (first.state, first.error) == ("done", None)
    assert first.result["files"] == {"z_map": "/tmp/out/z.nii.gz"} and not {"type", "id"} & set(first.result)
    assert first.heard == [(0.25, "judging", 1.5)]
    assert first.ends == [(first, None, "ready")], "the next job may be submitted by who hears of this one's end"
    second = ask(client)
    assert second.state == "running", "a warm worker is sent it at once"
    bench.finish(second)
    assert second.result["warnings"] == first.result["warnings"] and len(bench.pids) == 1
    assert client.states == ["starting", "busy", "ready", "busy", "ready"]
    assert client.engine_version == "0.0"


def test_the_next_job_can_be_submitted_by_a_listener_of_the_end(bench):
    client, jobs = bench.client(), []

    def again(_):
        if len(jobs) < 5:
            jobs.append(ask(client))
            jobs[-1].finished.connect(again)

    again(None)
    bench.until(lambda: len(jobs) == 5 and jobs[-1].over)
    assert [job.state for job in jobs] == ["done"] * 5 and len(bench.pids) == 1


def test_the_worker_can_be_started_ahead(bench):
    client = bench.client()
    client.start()
    bench.until(lambda: client.status == "ready")
    client.start()
    assert ask(client).state == "running" and len(bench.pids) == 1


def test_one_job_at_a_time(bench):
    client = bench.client()
    job = ask(client, "slow")
    for _ in range(2):
        with pytest.raises(FAError, match="busy") as refused:
            ask(client)
        assert refused.value.code == "bad-request"
        bench.until(lambda: job.heard)
    job.cancel()
    with pytest.raises(FAError, match="busy"):
        ask(client)
    assert bench.finish(job).state == "cancelled"


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, object()])
def test_what_is_no_json_is_refused_and_starts_nothing(bench, value):
    client = bench.client()
    with pytest.raises(FAError) as refused:
        client.submit("detect", {"input": "a", "seed": value})
    assert refused.value.code == "bad-request" and client.job is None and client.status == "stopped"


def test_paths_of_any_script_arrive(bench, tmp_path):
    folder = tmp_path / 'Lékař 脳 \u00a0 "q" \'\\'
    client = bench.client()
    job = bench.finish(client.submit("detect", {"input": tmp_path / "fa.nrrd", "output": str(folder)}))
    assert job.result["output"] == str(folder)


def test_an_error_answer_is_handed_on_unchanged(bench):
    client = bench.client()
    job = bench.finish(ask(client, "bad"))
    assert job.state == "failed" and job.result is None
    assert job.error.as_dict() == {
        "code": "bad-input",
        "what": "bad.nii is not FA",
        "why": "values to 3000",
        "fix": "Choose an FA map",
    }
    assert bench.finish(ask(client, "strange")).error.as_dict() == {
        "code": "bug",
        "what": "Lava",
        "why": "hot",
        "fix": "Run",
    }
    assert bench.finish(ask(client)).state == "done" and len(bench.pids) == 1


# ----- cancelling --------------------------------------------------------------------------------------------------


def test_cancel_before_the_worker_is_there(bench):
    client = bench.client("late")
    job = ask(client, "slow")
    job.cancel()
    assert job.state == "cancelled" and job.error.code == "cancelled" and job.ends == [(job, None, "starting")]
    assert bench.finish(ask(client)).state == "done" and len(bench.pids) == 1


def test_cancel_of_a_running_job_keeps_the_worker(bench):
    client = bench.client()
    job = ask(client, "slow")
    bench.until(lambda: len(job.heard) > 3)
    job.cancel()
    job.cancel()
    assert job.state == "cancelling" and not job.ends
    heard = len(job.heard)
    bench.finish(job)
    assert job.state == "cancelled" and job.error.code == "cancelled" and len(job.ends) == 1
    assert len(job.heard) == heard, "who cancelled hears of no progress any more"
    job.cancel()
    assert bench.finish(ask(client)).state == "done" and len(bench.pids) == 1


def test_cancel_that_comes_too_late_is_still_a_cancel(bench):
    client = bench.client()
    client.start()
    bench.until(lambda: client.status == "ready")
    job = ask(client)
    time.sleep(0.2)  # the answer is on its way
    job.cancel()
    assert bench.finish(job).state == "cancelled" and job.result is None


@pytest.mark.parametrize("mode", ["ignores-cancel", "ignores-terminate", "ignores-all", "launcher"])
def test_a_worker_that_does_not_stop_is_ended(bench, mode):
    client = bench.client(mode, PATIENT if mode == "ignores-terminate" else QUICK)
    job = ask(client, "slow")
    bench.until(lambda: job.heard)
    involved = [pid for parent in bench.pids for pid in (parent, *children_of(parent))]
    assert len(involved) == (2 if mode == "launcher" else 1)
    started = time.monotonic()
    job.cancel()
    bench.finish(job)
    assert job.state == "cancelled" and job.error.code == "cancelled"
    if mode != "ignores-terminate":
        assert time.monotonic() - started > (0.25 if mode == "ignores-cancel" else 0.55)
        assert any("does not answer" in line for line in client.recent_log)
        bench.until(lambda: not any(map(is_running, involved)))
        assert client.status == "stopped"
    started = len(bench.pids)
    assert bench.finish(ask(client)).state == "done"
    assert len(bench.pids) == started + (mode != "ignores-terminate")


def test_a_process_that_nobody_can_end_holds_up_nobody(bench):
    client = bench.client("ignores-all", QUICK)
    job = ask(client, "slow")
    bench.until(lambda: job.heard)
    client._session._process.kill = lambda: None  # as one that hangs in a driver
    job.cancel()
    assert bench.finish(job).state == "cancelled"
    assert any("cannot end" in line for line in client.recent_log)
    assert bench.finish(ask(client)).state == "done"
    os.kill(bench.pids[0], signal.SIGKILL)
