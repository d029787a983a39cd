"""When the client asks, insists and gives up, and what it makes of endings; program and clock are the test's."""

from __future__ import annotations

import pytest

import slicer_harness

slicer_harness.require()

from FAAnomalyLib.errors import FAError
from FAAnomalySlicer.worker_client.client import EngineClient
from FAAnomalySlicer.worker_client.failure_messages import error_of_answer, error_of_exit
from FAAnomalySlicer.worker_client.process import ProcessExit
from support.fakes.fake_process import FakeProcess, FakeTimer


class Stage:
    """A client with its usual timeouts, and the processes that it made."""

    def __init__(self):
        self.timer, self.processes = FakeTimer(), []
        self.client = EngineClient(self._make, ["worker"], {}, self.timer)

    def _make(self):
        self.processes.append(FakeProcess())
        return self.processes[-1]

    def job(self):
        """A running job and its process."""
        job = self.client.submit("detect", {"input": "a", "output": "b"})
        if self.client.status == "starting":
            self.processes[-1].greet()
        assert job.state == "running"
        return job, self.processes[-1]


@pytest.fixture
def stage():
    return Stage()


def asked(process) -> list[str]:
    return [kind for kind, _ in process.done if kind in ("close_input", "terminate", "kill")]


def test_what_is_sent(stage):
    job = stage.client.submit("inpaint", {"input": "Ä", "roi": None})
    (process,) = stage.processes
    assert process.done == [("start", ["worker"])]
    process.greet(pid=77)
    assert process.done[1] == ("adopt", 77)
    assert process.sent == [{"id": job.id, "method": "inpaint", "params": {"input": "Ä", "roi": None}}]
    job.cancel()
    assert process.sent[1]["method"] == "cancel" and process.sent[1]["params"] == {"id": job.id}
    assert process.sent[1]["id"] != job.id
    process.say(type="result", id=process.sent[1]["id"], cancelled=True)
    assert job.state == "cancelling"
    process.say(type="error", id=job.id, code="cancelled", what="Cancelled", why="", fix="Start again")
    assert job.state == "cancelled" and job.error.fix == "Start again"
    assert all(line.isascii() for kind, line in process.done if kind == "write")


def test_a_cancel_that_is_not_heard(stage):
    job, process = stage.job()
    job.cancel()
    stage.timer.pass_time(4_999)
    assert asked(process) == [] and job.state == "cancelling"
    stage.timer.pass_time(1)
    assert asked(process) == ["close_input", "terminate"] and stage.client.status == "ending"
    stage.timer.pass_time(2_999)
    assert asked(process)[-1] == "terminate"
    stage.timer.pass_time(1)
    assert asked(process)[-1] == "kill" and job.state == "cancelling"
    process.end("crash", -9)
    assert job.state == "cancelled" and stage.client.status == "stopped"
    stage.timer.pass_time(100_000)
    assert asked(process) == ["close_input", "terminate", "kill"]


def test_an_answer_while_it_is_being_ended(stage):
    job, process = stage.job()
    job.cancel()
    stage.timer.pass_time(5_000)
    process.say(type="error", id=job.id, code="cancelled", what="Cancelled", why="", fix="")
    assert job.state == "cancelled" and stage.client.status == "ending"
    other, second = stage.job()
    assert second is not process and other.state == "running", "nothing is asked of one that is being ended"
    stage.timer.pass_time(3_000)
    assert asked(process)[-1] == "kill" and asked(second) == []
    process.end("crash", -9)
    second.say(type="result", id=other.id, files={})
    assert other.state == "done" and stage.client.status == "ready"


def test_the_timer_of_a_cancel_that_was_heard_ends_nothing(stage):
    job, process = stage.job()
    job.cancel()
    process.say(type="error", id=job.id, code="cancelled", what="Cancelled", why="", fix="")
    other, same = stage.job()
    stage.timer.pass_time(60_000)
    assert same is process and asked(process) == [] and other.state == "running"
    other.cancel()
    stage.timer.pass_time(4_999)
    assert asked(process) == []


def test_even_killing_may_not_help(stage):
    job, process = stage.job()
    job.cancel()
    stage.timer.pass_time(5_000 + 3_000 + 3_000)
    assert job.state == "cancelled" and stage.client.status == "stopped"
    assert "cannot end" in stage.client.recent_log[-1]
    process.end("crash", -9)
    assert stage.job()[1] is not process


def test_a_start_that_takes_its_time_and_one_that_never_ends(stage):
    job = stage.client.submit("detect", {"input": "a", "output": "b"})
    (process,) = stage.processes
    stage.timer.pass_time(59_999)
    assert job.state == "waiting"
    process.greet()
    stage.timer.pass_time(100_000)
    assert job.state == "running" and asked(process) == []
    process.end("exit", 0)
    assert job.state == "failed" and "exit status 0" in job.error.why

    job = stage.client.submit("detect", {"input": "a", "output": "b"})
    process = stage.processes[1]
    process.log.emit("importing")
    stage.timer.pass_time(60_000)
    assert job.state == "failed" and "60 seconds" in job.error.why and "importing" in job.error.why
    assert asked(process) == ["close_input", "terminate"]
    stage.timer.pass_time(3_000)
    assert asked(process)[-1] == "kill"


def test_a_cancelled_start_is_still_watched(stage):
    job = stage.client.submit("detect", {"input": "a", "output": "b"})
    job.cancel()
    assert job.state == "cancelled" and stage.processes[0].sent == []
    stage.timer.pass_time(60_000)
    assert asked(stage.processes[0])[-1] == "terminate" and stage.client.status == "stopped"


def test_shutdown(stage):
    job, process = stage.job()
    stage.client.shutdown()
    assert [message["method"] for message in process.sent] == ["detect", "cancel", "shutdown"]
    assert process.done[-1] == ("close_input", None) and job.state == "cancelling" and stage.client.status == "ending"
    stage.timer.pass_time(5_000)
    assert asked(process)[-1] == "terminate"
    process.end("exit", 0)
    assert job.state == "cancelled" and stage.client.status == "stopped"


def test_an_error_without_a_number_belongs_to_the_job(stage):
    job, process = stage.job()
    process.say(type="error", id=None, code="bad-request", what="The line is no JSON", why="", fix="")
    assert job.state == "failed" and job.error.what == "The line is no JSON"
    process.say(type="error", id=None, code="bug", what="late", why="", fix="")
    assert stage.client.status == "ready"


@pytest.mark.parametrize("fields", [{"fraction": None}, {"fraction": "0.5"}, {}])
def test_progress_without_a_number_is_none(stage, fields):
    job, process = stage.job()
    heard = []
    job.progress.connect(lambda *progress: heard.append(progress))
    process.say(type="progress", id=job.id, stage="judging", **fields)
    process.say(type="progress", id=job.id, fraction=7, stage=None, eta_s="soon")
    assert heard == [(1.0, "", None)]


def test_the_last_words_are_of_this_job(stage):
    job, process = stage.job()
    process.log.emit("MemoryError: of the first job")
    process.say(type="result", id=job.id)
    job, process = stage.job()
    process.log.emit("second")
    process.end("exit", 1)
    assert job.error.code == "bug" and "second" in job.error.why and "first" not in job.error.why


@pytest.mark.parametrize(
    ("ending", "log", "code", "says"),
    [
        (ProcessExit("crash", -9), [], "out-of-memory", "SIGKILL"),
        (ProcessExit("exit", 137), [], "out-of-memory", "SIGKILL"),
        (ProcessExit("exit", 139), [], "bug", "SIGSEGV"),
        (ProcessExit("crash", -6), ["terminate called after throwing 'std::bad_alloc'"], "out-of-memory", "bad_alloc"),
        (ProcessExit("exit", 1), ["RuntimeError: CUDA out of memory."], "out-of-memory", "exit status 1"),
        (ProcessExit("crash", -4), [], "missing", "SIGILL"),
        (ProcessExit("crash", -15), [], "bug", "SIGTERM"),
        (ProcessExit("crash", -33), [], "bug", "signal 33"),
        (ProcessExit("exit", 3), [], "out-of-memory", "exit status 3"),
        (ProcessExit("exit", 5), ["faanomaly: no models. Install again"], "missing", "no models"),
        (ProcessExit("exit", 1), ["python: No module named FAAnomalyLib"], "missing", "No module named"),
        (ProcessExit("crash", 0xC0000005), [], "bug", "0xC0000005"),
        (ProcessExit("crash", -1073741819), [], "bug", "0xC0000005"),
        (ProcessExit("crash", 0xC0000017), [], "out-of-memory", "0xC0000017"),
        (ProcessExit("crash", None, "it hangs"), [], "bug", "it hangs"),
        (ProcessExit("failed-to-start", None, "No such file"), [], "missing", "No such file"),
        (ProcessExit("exit", 1), ["a", "", "b" * 500, "c", "d "], "bug", "b" * 200 + " | c | d"),
    ],
)
def test_what_is_made_of_an_ending(ending, log, code, says):
    error = error_of_exit(ending, log)
    assert error.code == code and says in error.why and error.what and error.fix


def test_an_error_without_words_still_says_something():
    error = error_of_answer({"type": "error", "code": None})
    assert error.code == "bug" and error.what


def test_an_engine_that_is_refused_fails_the_job_and_is_ended():
    stage, other = Stage(), FAError("missing", "Another FAAnomaly was started")
    stage.client = EngineClient(stage._make, ["worker"], {}, stage.timer, refuse=lambda hello: other)
    job = stage.client.submit("detect", {"input": "a", "output": "b"})
    stage.processes[0].greet(folder="/elsewhere")
    assert job.state == "failed" and job.error is other and stage.client.status == "stopped"
    assert [message["method"] for message in stage.processes[0].sent] == ["shutdown"]
