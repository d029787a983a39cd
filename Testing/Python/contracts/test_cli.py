"""The shell's contract: exit statuses, one-line errors, nothing half-written."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import FAAnomalyLib as fa
from FAAnomalyLib.cli import application as cli
from FAAnomalyLib.cli.commands import COMMANDS
from FAAnomalyLib.cli.progress_bar import ProgressBar, format_duration
from FAAnomalyLib.cli.text_summary import text_summary
from FAAnomalyLib.reporting.result_files import RESULT_FILES
from FAAnomalyLib.request import SIGNS
from FAAnomalyLib.runtime.error_translation import as_fa_error
from FAAnomalyLib.runtime.requirements import REQUIRED
from support.fakes import fake_engine, fake_model
from support.paths import ROOT

ENTRY = Path(fake_engine.__file__)


@pytest.fixture
def engine(monkeypatch):
    """The fake detector and report in place of the real ones."""
    modules = {}
    fake_engine.install(modules)
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(fake_engine.Detector, "made", 0)
    fa._warm_detector.cache_clear()
    yield
    fa._warm_detector.cache_clear()


def one_line(capsys):
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and err.endswith("\n"), err
    return err


def test_detect_writes_the_results_and_says_what_was_found(engine, tmp_path, capsys):
    assert cli.main(["detect", "brain.nii.gz", "-o", str(tmp_path / "out")]) == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(RESULT_FILES)
    printed = capsys.readouterr().out
    assert "1 region beyond the threshold" in printed
    assert "decreased" in printed and "1.25" in printed and "-0.120" in printed and "-6.5" in printed
    assert str(tmp_path / "out" / "report.html") in printed and "was looked for" not in printed


@pytest.mark.parametrize("signs", SIGNS)
def test_the_summary_says_when_one_sign_alone_was_looked_for(signs):
    told = text_summary(fake_engine.fake_result(request={"signs": signs}), "out", 3.0)
    assert (f"Only {signs} FA was looked for." in told) == (signs != "both")


def test_every_option_reaches_the_request(engine, tmp_path, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(fake_engine, "behave", lambda *_: None)
    detect = fake_engine.Detector.detect
    monkeypatch.setattr(
        fake_engine.Detector, "detect", lambda self, request, **more: (seen.append(request), detect(self, request))[1]
    )
    out = str(tmp_path / "out")
    assert (
        cli.main(
            [
                "detect",
                "a.nii",
                "-o",
                out,
                "--model",
                "m",
                "--mask-type",
                "wm",
                "--mask-size",
                "8",
                "--roi",
                "r.mrk.json",
                "--sampler",
                "dpm++",
                "--steps",
                "7",
                "--samples",
                "3",
                "--threshold",
                "4.5",
                "--signs",
                "decreased",
                "--device",
                "cpu",
                "--seed",
                "9",
                "--resume",
                "--brain-mask",
                "b.nii",
                "--scale",
                "1000",
                "--no-report",
            ]
        )
        == 0
    )
    assert seen == [
        fa.DetectRequest(
            input="a.nii",
            output=out,
            model="m",
            mask_type="wm",
            mask_size=8,
            roi="r.mrk.json",
            sampler="dpm++",
            steps=7,
            samples=3,
            threshold=4.5,
            signs="decreased",
            device="cpu",
            seed=9,
            resume=True,
            brain_mask="b.nii",
            scale=1000.0,
            report=False,
        )
    ]
    assert "No report was asked for" in (tmp_path / "out" / "report.html").read_text()


def test_json_prints_the_result(engine, tmp_path, capsys):
    assert cli.main(["inpaint", "a.nii", "-o", str(tmp_path), "--region", "m.nii", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["method"] == "inpaint" and printed == json.loads((tmp_path / "result.json").read_text())


@pytest.mark.parametrize(
    ("kind", "status", "says"),
    [
        ("bad", 2, "bad.nii is not one 3D volume: its shape is (1, 2). Choose another"),
        ("memory", 3, "Out of memory"),
        ("torchmemory", 3, "CUDA out of memory. Tried to allocate 2 GiB. Close other programs"),
        ("package", 5, "The package nibabel is not installed"),
        ("bug", 1, "FAAnomaly met a bug: ZeroDivisionError, division by zero. Run again with --debug"),
    ],
)
def test_an_error_is_one_line_with_its_status_and_nothing_is_written(engine, tmp_path, capsys, kind, status, says):
    out = tmp_path / "new" / "out"
    assert cli.main(["detect", f"{kind}.nii", "-o", str(out)]) == status
    assert says in one_line(capsys)
    assert list(tmp_path.iterdir()) == []


def test_debug_shows_the_traceback(engine, tmp_path, capsys):
    assert cli.main(["--debug", "detect", "bug.nii", "-o", str(tmp_path)]) == 1
    assert cli.main(["detect", "bug.nii", "-o", str(tmp_path), "--debug"]) == 1
    assert capsys.readouterr().err.count("Traceback") == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "COMMAND"),
        (["dance"], "dance"),
        (["detect"], "INPUT"),
        (["detect", "a.nii"], "--output"),
        (["detect", "a.nii", "-o", "OUT", "--mask-size", "5"], "--mask-size"),
        (["detect", "a.nii", "-o", "OUT", "--threshold", "high"], "neither 'auto' nor 'sensitive' nor a number"),
        (["detect", "a.nii", "-o", "OUT", "--signs", "up"], "invalid choice: 'up'"),
        (["detect", "a.nii", "-o", "OUT", "--threshold", "-1"], "threshold -1.0"),
        (["detect", "a.nii", "-o", "OUT", "--samples", "0"], "samples 0"),
        (["detect", "a.nii", "-o", "OUT", "--region", "r.nii", "--roi", "b.json"], "not allowed with"),
        (["detect", "a.nii", "-o", "OUT", "--colour", "red"], "--colour"),
        (["inpaint", "a.nii", "-o", "OUT"], "--region"),
        (["models", "delete"], "No model is named"),
        (["models", "delete", "m"], "--yes"),
    ],
)
def test_a_bad_command_line_is_one_line_and_status_2(engine, tmp_path, capsys, monkeypatch, words, says):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert cli.main(words) == 2
    assert says in one_line(capsys)
    assert list(tmp_path.iterdir()) == []
    assert fake_engine.Detector.made == 0


def test_a_file_in_the_outputs_place_is_told_before_the_engine_starts(engine, tmp_path, capsys):
    (tmp_path / "out").write_text("mine")
    assert cli.main(["detect", "a.nii", "-o", str(tmp_path / "out")]) == 2
    assert "is a file" in one_line(capsys)
    assert fake_engine.Detector.made == 0


def test_version_and_help(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == f"faanomaly {fa.__version__}"
    assert cli.main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in COMMANDS)
    assert cli.main(["detect", "--help"]) == 0
    assert "--brain-mask" in capsys.readouterr().out


def test_a_command_that_is_not_installed_is_status_5(monkeypatch, capsys):
    monkeypatch.setitem(COMMANDS, "train", ("FAAnomalyLib.no_such_module", "nothing"))
    assert cli.main(["train"]) == 5
    assert "FAAnomalyLib.no_such_module" in one_line(capsys)
    assert cli.main(["--help"]) == 0


def test_other_commands_are_run_with_their_own_options(monkeypatch, capsys):
    class Train:
        @staticmethod
        def add_arguments(parser):
            parser.add_argument("data")

        @staticmethod
        def run(args):
            print("training on", args.data)
            return 0

    monkeypatch.setitem(sys.modules, "FAAnomalyLib.cli.commands.train", Train)
    assert cli.main(["train", "folder"]) == 0
    assert capsys.readouterr().out == "training on folder\n"


def test_models(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("FAANOMALY_RESOURCES", str(tmp_path))
    (tmp_path / "Models").mkdir()
    assert cli.main(["models", "list"]) == 0
    assert "There is no model" in capsys.readouterr().out
    model = fake_model.make(tmp_path, "small")
    assert cli.main(["models", "list"]) == 0
    assert capsys.readouterr().out.startswith("small: ")
    assert cli.main(["models", "verify", "--json"]) == 0
    digest = fake_model.digest(b"weights")
    assert json.loads(capsys.readouterr().out) == [{"name": "small", "sha256": digest, "verified": True}]
    assert cli.main(["models", "verify", "large"]) == 5
    one_line(capsys)
    (model / "weights.pt").write_bytes(b"weightz")
    assert cli.main(["models", "verify", "small"]) == 5
    assert "SHA-256" in one_line(capsys)
    assert cli.main(["models", "delete", "small", "--yes"]) == 0
    assert not model.exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to catch")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_and_leaves_nothing(tmp_path, number):
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, str(ENTRY), "detect", "slow.nii", "-o", str(out)],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert "judging" in process.stderr.readline()
    process.send_signal(number)
    printed, err = process.communicate(timeout=60)
    assert process.returncode == 4
    assert err.splitlines()[-1].startswith("faanomaly: Cancelled")
    assert "Traceback" not in err and printed == "" and list(tmp_path.iterdir()) == []


def test_signal_handlers_are_put_back(engine, tmp_path):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert cli.main(["detect", "brain.nii", "-o", str(tmp_path)]) == 0
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_one_line_in_a_terminal():
    stream, now = Terminal(), iter([0.0, 0.05, 0.2, 0.3])
    line = ProgressBar(stream, clock=lambda: next(now))
    line(0.1, "judging", 90.0)
    line(0.2, "judging", 80.0)
    line(0.3, "writing", None)
    line.close()
    assert stream.getvalue() == (
        "\r 10 %  judging, 1 min 30 s left" + "\r 30 %  writing".ljust(32) + "\r" + " " * 14 + "\r"
    )


def test_progress_in_a_log_is_a_line_a_stage_and_ten_percent():
    stream = io.StringIO()
    line = ProgressBar(stream)
    line(0.0, "reading", None)
    assert stream.getvalue() == ""
    for percent in range(1, 30):
        line(percent / 100, "judging" if percent < 25 else "writing", 5.0)
    line.close()
    assert [text.split(",")[0] for text in stream.getvalue().splitlines()] == [
        "  1 %  judging",
        " 10 %  judging",
        " 20 %  judging",
        " 25 %  writing",
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (3599.9, "1 h 00 min"), (4200, "1 h 10 min")],
)
def test_a_time_span_format_duration(seconds, words):
    assert format_duration(seconds) == words


@pytest.mark.parametrize("package", REQUIRED)
def test_a_missing_package_is_named_with_the_command_that_installs_it(package):
    error = as_fa_error(ModuleNotFoundError(f"No module named '{package}.x'", name=f"{package}.x"))
    assert error.code == "missing"
    assert "-m pip install" in error.fix and REQUIRED[package] in error.fix


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "out-of-memory"),
        (RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"), "out-of-memory"),
        (RuntimeError("shapes differ"), "bug"),
        (ValueError("out of memory words in a value"), "bug"),
        (ModuleNotFoundError("No module named 'foo'", name="foo"), "bug"),
        (ImportError("libcudart.so.12", name="torch._C"), "missing"),
        (KeyboardInterrupt(), "cancelled"),
    ],
)
def test_other_exceptions_become_the_right_error(error, code):
    assert as_fa_error(error).code == code


def test_python_detect_and_inpaint(engine, tmp_path):
    volume = fake_engine.fake_result().input
    stages = []
    result = fa.detect(volume, progress=lambda fraction, stage, eta: stages.append(stage))
    assert result.provenance["calls"] == 1 and stages[-1] == "done"
    filled = fa.inpaint(volume, volume.data > 0.5, output=str(tmp_path / "out"))
    assert filled.provenance["hole"] == (volume.data > 0.5).sum()
    assert (tmp_path / "out" / "result.json").exists()
    assert fake_engine.Detector.made == 1, "the detector is kept between calls"


def test_python_refuses_what_cannot_run(engine):
    volume = fake_engine.fake_result().input
    with pytest.raises(fa.FAError, match="nothing to fill"):
        fa.inpaint(volume)
    with pytest.raises(fa.FAError, match="does not fit"):
        fa.inpaint(volume, volume.data[:2] > 0.5)
    with pytest.raises(fa.FAError, match="Unknown option colour"):
        fa.detect(volume, colour="red")
    assert fake_engine.Detector.made == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_help_needs_no_installed_package(command):
    subprocess.run(
        [sys.executable, "-S", "-m", "FAAnomalyLib", command, "--help"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )  # -S hides site-packages
