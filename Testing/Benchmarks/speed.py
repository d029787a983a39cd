"""How long a brain takes, where the time goes, and how near that is to what the machine can do.

    python Testing/Benchmarks/speed.py FA.nii.gz [--brain-mask MASK.nii.gz] [--model NAME|DIR] [--json FILE]

Measured on an otherwise idle machine (the load is printed):

- `detect` in a warm process by stage, and from a cold shell, whole brain, default quality: medians;
- the network, where it draws in every hole: its operations (torch's FLOP counter) over its seconds, beside the rate of
  the 3x3x3 convolution that does most of its work, timed alone at the engine's number format and memory format;
- a box of 20 mm with a warm worker, another one each time;
- the thesis' procedure: timed passes of its conditional network at 128 cubed, times 1000 steps, times 171 cubes
  (extrapolated);
- with ``--lab``, what a laboratory would script instead (``lab_script.py``), from a cold shell, by either metric.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
from network_rate import NetworkWatch, convolution_rate, synchronise

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.evaluation.planting.lesions import white_matter_centre
from FAAnomalyLib.evaluation.planting.truth import healthy_reference
from FAAnomalyLib.io.volumes import load_volume
from FAAnomalyLib.networks.thesis.unet import ThesisUNet
from FAAnomalyLib.pipeline.detector import Detector
from FAAnomalyLib.pipeline.loaded_model import open_model
from FAAnomalyLib.preprocessing.fa_validation import validate_brain_mask, validate_fa
from FAAnomalyLib.preprocessing.preparation import prepare
from FAAnomalyLib.request import DetectRequest
from FAAnomalyLib.runtime.device import choose_device, describe, fastest_dtype
from FAAnomalyLib.runtime.hardware import cores, peak_memory_mb
from FAAnomalyLib.runtime.resources import resources_dir

ROI_MM = 20.0
THESIS_EDGE, THESIS_STEPS, THESIS_CUBES = 128, 1000, 171
ASKED = {
    "cold shell, s": 25.0,
    "peak memory, GB": 0.8,
    "share of the convolution peak": 0.5,
    "box, s": 1.0,
    "preview of a box, s": 0.4,
    "ratio to the thesis": 10_000.0,
}
DRAW = {"sampler": "ddim", "steps": 1}


def warm(args: argparse.Namespace, device: torch.device) -> dict:
    """Runs in this process: seconds by stage; and the network's rate where it fills all holes, as for draws."""
    detector, stages, totals = Detector(), [], []
    with NetworkWatch(device) as watch, tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copy(args.fa, folder))
        request = DetectRequest(
            input=str(copy), model=args.model, device=args.device, brain_mask=args.brain_mask and str(args.brain_mask)
        )
        watch.counting = True
        detector.detect(replace(request, **DRAW))
        watch.counting = False
        detector.detect(replace(request, **DRAW))
        seconds, calls = watch.seconds, watch.calls
        for number in range(args.runs):
            # Another file every time, or the registration of the last one would be used again.
            os.utime(copy, (number, number))
            begin = time.perf_counter()
            result = detector.detect(request)
            totals.append(time.perf_counter() - begin)
            stages.append(result.provenance["seconds"])
    width_in, width_out, shape, work = watch.dominant()
    peak = convolution_rate(width_in, width_out, shape, fastest_dtype(device), device)
    return {
        "seconds": statistics.median(totals),
        "runs": [round(t, 3) for t in totals],
        "stages": {name: statistics.median(run[name] for run in stages) for name in stages[0]},
        "network_seconds": seconds,
        "network_calls": calls,
        "network_gflop": watch.flops / 1e9,
        "network_gflop_per_second": watch.flops / seconds / 1e9,
        "convolution": {
            "channels": [width_in, width_out],
            "input": list(shape),
            "share_of_network": work / watch.flops,
            "gflop_per_second": peak,
        },
        "share_of_peak": watch.flops / seconds / 1e9 / peak,
        "peak_memory_mb": peak_memory_mb(),
        "dtype": result.provenance["dtype"],
    }


def cold(args: argparse.Namespace) -> dict:
    """Runs from the shell, files and report included."""
    words = [
        sys.executable,
        "-m",
        "FAAnomalyLib",
        "detect",
        str(args.fa),
        "--model",
        args.model,
        "--device",
        args.device,
    ] + (["--brain-mask", str(args.brain_mask)] if args.brain_mask else [])
    seconds, memory = [], []
    for _ in range(args.runs):
        with tempfile.TemporaryDirectory() as folder:
            begin = time.perf_counter()
            subprocess.run([*words, "-o", folder], check=True, capture_output=True)
            seconds.append(time.perf_counter() - begin)
            memory.append(json.loads((Path(folder) / "result.json").read_text())["peak_memory_mb"])
    return {
        "seconds": statistics.median(seconds),
        "runs": [round(s, 3) for s in seconds],
        "peak_memory_mb": max(memory),
    }


def box_places(args: argparse.Namespace) -> list[tuple[float, float, float]]:
    """Centres of the boxes in white matter, RAS mm: one to warm up, and one for each run."""
    volume, _ = validate_fa(load_volume(args.fa)[0])
    brain = validate_brain_mask(load_volume(args.brain_mask)[0], volume) if args.brain_mask else None
    white = healthy_reference(prepare(volume, open_model(args.model, args.device).template, brain)).white_matter
    return [white_matter_centre(volume, white, ROI_MM, number) for number in range(args.runs + 1)]


def boxes(args: argparse.Namespace, places: list[tuple[float, float, float]], method: str) -> dict:
    """Boxes at *places*, one after another, answered to *method* by one worker; the first request warms it up."""
    seconds = []
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            [sys.executable, "-m", "FAAnomalyLib", "worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as worker,
    ):
        for number, centre in enumerate(places):
            params = box_request(args, Path(folder), number, centre)
            begin = time.perf_counter()
            worker.stdin.write(json.dumps({"id": number, "method": method, "params": params}) + "\n")
            worker.stdin.flush()
            answer = next(a for a in map(json.loads, worker.stdout) if a["type"] in ("result", "error"))
            seconds.append(time.perf_counter() - begin)
            if answer["type"] == "error":
                raise FAError(answer["code"], answer["what"], answer["why"], answer["fix"])
        worker.stdin.close()
        worker.stdout.read()
    return {
        "first_seconds": seconds[0],
        "seconds": statistics.median(seconds[1:]),
        "runs": [round(s, 3) for s in seconds[1:]],
    }


def box_request(
    args: argparse.Namespace, folder: Path, number: int, centre: tuple[float, float, float]
) -> dict[str, str | None]:
    """Parameters of a request for a box about *centre*, RAS mm."""
    roi = folder / f"{number}.mrk.json"
    box = {"type": "ROI", "coordinateSystem": "RAS", "center": centre, "size": [ROI_MM] * 3}
    roi.write_text(json.dumps({"markups": [box]}))
    return {
        "input": str(args.fa),
        "output": str(folder / str(number)),
        "roi": str(roi),
        "model": args.model,
        "device": args.device,
        "brain_mask": args.brain_mask and str(args.brain_mask),
    }


@torch.inference_mode()
def thesis(args: argparse.Namespace, device: torch.device) -> dict:
    """Seconds of one pass of the thesis' network in each number format, and of its whole procedure."""
    network = ThesisUNet(conditional=True).to(device).eval()
    x, mask = torch.randn(1, 1, *(THESIS_EDGE,) * 3, device=device), torch.ones(1, 1, *(THESIS_EDGE,) * 3).to(device)
    times, by_dtype = torch.tensor([500], device=device), {}
    for dtype in dict.fromkeys((torch.float32, fastest_dtype(device))):
        passes = []
        for _ in range(args.thesis_passes + 1):
            synchronise(device)
            begin = time.perf_counter()
            with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
                network(x, times, mask)
            synchronise(device)
            passes.append(time.perf_counter() - begin)
        one = statistics.median(passes[1:])  # the first one sets things up
        by_dtype[str(dtype).removeprefix("torch.")] = {
            "pass_seconds": one,
            "brain_hours": one * THESIS_STEPS * THESIS_CUBES / 3600,
        }
    return by_dtype


def lab(args: argparse.Namespace) -> dict[str, float]:
    """Seconds of :mod:`lab_script` by metric, medians."""
    script, template = Path(__file__).with_name("lab_script.py"), resources_dir() / "Template" / "fa.nii.gz"
    seconds: dict[str, list[float]] = {"mattes": [], "CC": []}
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, str(script), str(args.fa), str(template), str(Path(folder) / "z.nii.gz")]
        for _ in range(args.runs):
            for metric, own in seconds.items():
                begin = time.perf_counter()
                subprocess.run([*words, "--metric", metric], check=True, capture_output=True)
                own.append(time.perf_counter() - begin)
    return {metric: statistics.median(own) for metric, own in seconds.items()}


def figures(measured: dict) -> dict[str, float]:
    """The numbers that are asked for, by the names in :data:`ASKED`."""
    cold_seconds = measured["cold"]["seconds"]
    numbers = {
        "cold shell, s": cold_seconds,
        "share of the convolution peak": measured["warm"]["share_of_peak"],
        "peak memory, GB": max(measured["cold"]["peak_memory_mb"], measured["warm"]["peak_memory_mb"]) / 1000,
        "box, s": measured["box"]["seconds"],
        "preview of a box, s": measured["preview"]["seconds"],
    }
    if "thesis" in measured:
        # The faster of the thesis' number formats, so that the ratio does not flatter.
        hours = min(one["brain_hours"] for one in measured["thesis"].values())
        numbers["ratio to the thesis"] = hours * 3600 / cold_seconds
    return numbers


def show(measured: dict) -> None:
    """Print the table."""
    run = measured["warm"]
    print(
        f"{measured['volume']} on {measured['device']} ({run['dtype']}), {measured['cores']} cores, load before "
        f"{measured['load_before']:.1f}; medians of {measured['runs']}"
    )
    print(f"\n{'whole brain':44s}{'seconds':>10s}")
    print(f"{'  from a cold shell, files and report':44s}{measured['cold']['seconds']:10.2f}")
    print(f"{'  warm process':44s}{run['seconds']:10.2f}")
    for name, seconds in run["stages"].items():
        print(f"    {name:40s}{seconds:10.2f}")
    layer = run["convolution"]
    print(
        f"    {'the network, a draw in every hole':40s}{run['network_seconds']:10.2f}   {run['network_calls']} calls, "
        f"{run['network_gflop']:.0f} GFLOP, {run['network_gflop_per_second']:.0f} GFLOP/s"
    )
    print(
        f"  its convolution {layer['channels'][0]} -> {layer['channels'][1]} on "
        f"{' x '.join(map(str, layer['input'][2:]))} ({layer['share_of_network']:.0%} of its work) alone: "
        f"{layer['gflop_per_second']:.0f} GFLOP/s"
    )
    print(
        f"{'box of 20 mm, warm worker':44s}{measured['box']['seconds']:10.2f}   "
        f"(first request {measured['box']['first_seconds']:.2f})"
    )
    print(f"{'preview of the box (healthy lens)':44s}{measured['preview']['seconds']:10.2f}")
    for metric, seconds in measured.get("lab", {}).items():
        ratio = seconds / measured["cold"]["seconds"]
        print(f"{f'antspyx, SyN ({metric}), and a z-map':44s}{seconds:10.2f}   {ratio:.2f} of the whole brain above")
    for name, one in measured.get("thesis", {}).items():
        print(
            f"{f'one pass of the thesis network, {name}':44s}{one['pass_seconds']:10.2f}   "
            f"{one['brain_hours']:.0f} hours a brain, extrapolated"
        )
    print(f"\n{'':44s}{'measured':>10s}{'asked':>12s}")
    for name, value in figures(measured).items():
        limit = "at least" if name.startswith(("share", "ratio")) else "at most"
        number = f"{value:,.0f}" if value > 1000 else f"{value:.2f}"
        print(f"{name:44s}{number:>10s}   {limit} {ASKED[name]:,g}")


def main(argv: list[str] | None = None) -> int:
    """Measure, print the table, then the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fa", type=Path)
    parser.add_argument("--brain-mask", type=Path)
    parser.add_argument("--model", default="default", metavar="NAME|DIR")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--runs", type=int, default=5, help="of each measurement (default %(default)s)")
    parser.add_argument("--thesis-passes", type=int, default=2, help="0 leaves the thesis out (default %(default)s)")
    parser.add_argument("--lab", action="store_true", help="beside antspyx, which must be installed")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    args = parser.parse_args(argv)
    try:
        device = choose_device(args.device)
        measured = {
            "volume": args.fa.name,
            "model": args.model,
            "device": describe(device),
            "cores": cores(),
            "load_before": os.getloadavg()[0],
            "torch": torch.__version__,
            "runs": args.runs,
        }
        # The shell first: it must find this process' memory still free.
        measured |= {"cold": cold(args), "warm": warm(args, device)}
        places = box_places(args)
        measured |= {"box": boxes(args, places, "detect"), "preview": boxes(args, places, "preview")}
        if args.lab:
            measured["lab"] = lab(args)
        if args.thesis_passes:
            measured["thesis"] = thesis(args, device)
    except FAError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    except subprocess.CalledProcessError as error:
        print(error.stderr.decode(errors="replace").strip(), file=sys.stderr)
        return error.returncode
    measured["figures"] = figures(measured)
    show(measured)
    text = json.dumps(measured, indent=1)
    print("\n" + text)
    if args.json:
        args.json.write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
