"""The text that is copied into a report: useful, and without anybody's name."""

from __future__ import annotations

import sys
import time
import types
from pathlib import Path

import pytest

import slicer_harness

slicer_harness.require()

from FAAnomalySlicer.setup.diagnostics import diagnostics_text, without_names

APPLICATION = types.SimpleNamespace(applicationVersion="5.12.2", revision="34625")


def test_what_is_in_it():
    text = diagnostics_text(
        APPLICATION,
        engine_version="0.1.0",
        facts={"Device": "cuda", "Model": "default", "Last error": None},
        request={"method": "detect", "input": "/tmp/FAAnomaly-12-x/job-1/input.nrrd", "mask_size": 16, "roi": None},
        findings={"devices": ["cpu", "cuda"], "missing": []},
        log=[f"line {number}" for number in range(500)],
    )
    lines = text.splitlines()
    assert lines[:2] == ["FAAnomaly: 0.1.0", "Slicer: 5.12.2 (revision 34625)"]
    assert any(line.startswith("Python: 3.") for line in lines)
    packages = next(line for line in lines if line.startswith("Packages:"))
    assert "numpy 2" in packages and "torch " in packages
    for line in (
        "Device: cuda",
        "  method: detect",
        "  input: <path>.nrrd",
        "  mask_size: 16",
        "  roi: None",
        "  devices: ['cpu', 'cuda']",
    ):
        assert line in lines
    assert lines[-200:] == [f"  line {number}" for number in range(300, 500)]


@pytest.mark.slow
def test_it_works_without_slicer_and_loads_nothing():
    import subprocess

    code = (
        f"import sys; sys.path[:0] = {sys.path!r}; import slicer_harness; slicer_harness.require(); "
        "from FAAnomalySlicer.setup.diagnostics import diagnostics_text; print(diagnostics_text()); "
        "print([name for name in ('torch', 'nibabel', 'skimage') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert "Slicer: not running" in done.stdout and "engine not started" in done.stdout, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "line",
    [
        "cannot read /data/Doe John/1953-02-01/fa.nii.gz",
        "cannot read '/data/Doe John/fa map.nii.gz': no such file",
        'File "C:\\Users\\John Doe\\scans\\fa.nii.gz" is broken',
        r"C:\Scans\Doe_John\fa.nrrd: truncated",
        r"opening \\server\share\Doe John\fa.nii",
        "C:/Scans/Doe, John/fa.nii.gz and D:/John/b.nii",
        "warning: Doe_John.nii.gz has two affines",
        "input is /mnt/Doe John.nii.gz now",
        "/mnt/Lékař/Doe^John",
        "a=/x/John,b=/y/Doe.mha",
        "site-packages/nibabel warns about /data/John/Doe.nii",
        f"{sys.prefix}/lib/site-packages/nibabel/x.py:12: UserWarning: see /data/John Doe/a.nii",
    ],
)
def test_no_line_names_a_folder_or_file_of_a_patient(line):
    shown = without_names(line)
    assert not any(word in shown for word in ("John", "Doe", "Lékař", "1953", "server")), shown
    assert "<" in shown


def test_the_end_of_a_volume_s_name_stays():
    assert without_names("bad: /a/b c/fa.nii.gz") == "bad: <path>.nii.gz"
    assert without_names("bad: '/a/b/fa.mrk.json', sorry") == "bad: '<path>.mrk.json', sorry"


@pytest.mark.parametrize(
    "line",
    [
        "epoch 3/10, loss 0.5 and/or less",
        "https://example.org/a/b stays",
        "1/2",
        "ratio a / b",
        "",
        "Traceback (most recent call last):",
        "PASSES 8/8 12:30:05",
    ],
)
def test_what_is_no_path_stays(line):
    assert without_names(line) == line


def test_programs_own_files_stay_but_not_whose_home_they_are_in():
    home = str(Path.home())
    line = f'  File "{home}/Slicer/lib/site-packages/torch/nn.py", line 7, in f'
    assert without_names(line) == '  File "~/Slicer/lib/site-packages/torch/nn.py", line 7, in f'
    assert "FAAnomalyLib/worker/server.py" in without_names('File "/opt/x/FAAnomalyLib/worker/server.py", line 3')


def test_private_words_are_nowhere():
    text = diagnostics_text(
        APPLICATION,
        facts={"Input": "MRHead of Doe"},
        request={"model": "Doe"},
        log=["Doe was here", "xDoey"],
        private=["Doe", "MRHead of Doe", "", "a"],
    )
    assert "Doe" not in text and "MRHead" not in text and "was here" in text and "FAAnomaly" in text


def test_a_long_line_takes_no_time():
    started = time.process_time()
    without_names("/a b" * 100_000)
    assert time.process_time() - started < 5.0
