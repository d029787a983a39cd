"""Train a network: resumable to the bit, on one CPU or several GPUs.

Every random draw of a step comes from a generator seeded with (seed, step, rank, example), so a run
that was killed and resumed sees exactly what an undisturbed one would have seen.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

from ..datasets.cohort import find_volumes, split_people
from ..errors import FAError
from ..io.atomic import atomic_write, cannot_write
from .recipes import RECIPES, Recipe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``faanomaly train``."""
    parser.add_argument("data", type=Path, help="folder of healthy FA maps (NAME_FA.nii.gz, NAME_mask.nii.gz)")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="RUN",
        help="run folder; started again, it goes on where it stopped",
    )
    parser.add_argument("--recipe", choices=sorted(RECIPES), default="inpainter")
    parser.add_argument("--template", type=Path, help="template folder (default: the bundled one)")
    parser.add_argument(
        "--start-from",
        metavar="MODEL",
        help="begin with the weights of a model (a new run only), for instance to add a site's people",
    )
    parser.add_argument("--people", type=Path, help="CSV with the columns file,person")
    parser.add_argument(
        "--hold-out",
        action="append",
        default=[],
        metavar="PERSON",
        help="keep a person out of training and report the error on them",
    )
    parser.add_argument("--steps", type=int, help="training steps (default: the recipe's)")
    parser.add_argument("--batch", type=int, help="examples a step (default: the recipe's)")
    parser.add_argument(
        "--widths", type=int, nargs="+", metavar="N", help="channels at each resolution (default: the recipe's)"
    )
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save-every", type=int, default=500, help="steps between checkpoints")
    parser.add_argument("--judge-every", type=int, default=500, help="steps between errors on the held-out people")


def run(args: argparse.Namespace) -> int:
    """``faanomaly train``; under ``torchrun`` every process calls this."""
    import torch

    from ..models.checkpoints import build_network
    from ..preprocessing.template import load_template, on_grid
    from ..runtime.device import choose_device
    from ..runtime.resources import resources_dir
    from .cohort_cache import prepare_subjects

    for option in ("steps", "batch", "save_every", "judge_every"):
        if getattr(args, option) is not None and getattr(args, option) < 1:
            raise FAError("bad-request", f"--{option.replace('_', '-')} must be at least 1")
    recipe = RECIPES[args.recipe]
    if args.widths and (len(args.widths) != len(recipe.network["widths"]) or min(args.widths) < 1):
        raise FAError("bad-request", f"--widths must be {len(recipe.network['widths'])} positive numbers")
    recipe = replace(
        recipe,
        steps=args.steps or recipe.steps,
        batch=args.batch or recipe.batch,
        network={**recipe.network, "widths": args.widths or recipe.network["widths"]},
    )
    volumes = find_volumes(args.data, args.people)
    training, held_out = split_people(volumes, args.hold_out)
    try:
        args.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(args.output, error) from error
    device = choose_device(args.device)
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(device)
        # The fastest convolutions add up in an order that changes from run to run.
        torch.backends.cudnn.deterministic = True
    if device.type == "cpu":
        torch.set_flush_denormal(True)
    rank, world = _join_processes(device)
    stored = load_template(args.template or resources_dir() / "Template")
    template = on_grid(stored, tuple(recipe.grid["shape"]), recipe.grid["spacing_mm"])
    say = (lambda text: print(text, file=sys.stderr, flush=True)) if rank == 0 else (lambda text: None)
    cache = args.output / "prepared"
    if world > 1:
        # Each process registers its share before all of them read everything.
        prepare_subjects(volumes[rank::world], template, cache, say)
        torch.distributed.barrier()
    training, held_out = (prepare_subjects(part, template, cache, say) for part in (training, held_out))
    torch.manual_seed(args.seed)
    network = build_network(recipe.network).to(device, memory_format=torch.channels_last_3d)
    trainer = Trainer(
        recipe,
        network,
        training,
        held_out,
        template,
        args.output,
        device,
        _common_dtype(device, world),
        args.seed,
        rank,
        world,
        say,
    )
    if args.start_from:
        trainer.start_from(args.start_from)
    trainer.resume()
    trainer.train(args.save_every, args.judge_every)
    if rank == 0:
        trainer.export(
            {
                "people": len({s.person for s in training}),
                "volumes": [s.name for s in training],
                "held_out": [s.name for s in held_out],
                "seed": args.seed,
                **({"started_from": trainer.ancestor} if trainer.ancestor else {}),
            },
            args.template,
        )
    if world > 1:
        torch.distributed.destroy_process_group()
    return 0


def _join_processes(device) -> tuple[int, int]:
    """Rank and number of ``torchrun``'s processes; (0, 1) without it."""
    import torch

    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world > 1:
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        return torch.distributed.get_rank(), world
    return 0, 1


def _common_dtype(device, world: int):
    """The number format that the first process chose, which measures it where it runs on a CPU."""
    import torch

    from ..runtime.device import fastest_dtype

    choice = [fastest_dtype(device)]
    if world > 1:
        torch.distributed.broadcast_object_list(choice, src=0)
    return choice[0]


def learning_rate(recipe: Recipe, step: int) -> float:
    """Rate at *step* (from 0)."""
    if recipe.warmup and step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    if recipe.decay == "thesis":
        # Section 2.4: constant for 15,000 steps, then "gradually" lower; the law is not printed.
        return recipe.learning_rate * min(1.0, 15_000 / max(step, 1))
    share = (step - recipe.warmup) / max(recipe.steps - recipe.warmup, 1)
    return recipe.learning_rate * 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0)))


class Trainer:
    """The loop, its checkpoints and its log.

    ``RUN/checkpoint.pt`` holds weights, average, optimiser, step and what the run is of;
    ``RUN/log.csv`` a line for every report; ``RUN/model`` the exported model.
    """

    def __init__(self, recipe, network, training, held_out, template, folder, device, dtype, seed, rank, world, say):
        import torch

        from ..diffusion.noise_schedule import NoiseSchedule
        from .objective import HoleObjective, ThesisObjective

        self.recipe, self.network, self.training, self.held_out = recipe, network, training, held_out
        self.template, self.folder, self.device, self.dtype = template, folder, device, dtype
        self.seed, self.rank, self.world, self.say = seed, rank, world, say
        schedule = NoiseSchedule.from_dict(recipe.schedule)
        if recipe.network["kind"] == "inpainter":
            self.objective = HoleObjective(schedule, recipe.crop)
            self.optimizer = torch.optim.AdamW(
                network.parameters(), lr=recipe.learning_rate, weight_decay=0.01, betas=(0.9, 0.99)
            )
        else:
            self.objective = ThesisObjective(schedule, recipe.network["conditional"])
            self.optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
        self.average = {k: v.detach().clone() for k, v in network.state_dict().items()}
        self.step = 0
        self.running = None
        self.ancestor = None
        self.data = {
            "training": [[s.person, s.name] for s in training],
            "held_out": [[s.person, s.name] for s in held_out],
            "template": template.sha256,
        }
        self.parallel = network
        if world > 1:
            ids = [device.index] if device.type == "cuda" else None
            self.parallel = torch.nn.parallel.DistributedDataParallel(network, device_ids=ids)
        # One person, one share: five scans of one head must not outweigh four other people.
        counts = {s.person: sum(o.person == s.person for o in training) for s in training}
        self.shares = torch.tensor([1.0 / counts[s.person] for s in training])

    def start_from(self, name: str) -> None:
        """Begin with another model's weights; a checkpoint of this run, read later, wins.

        Raises ``FAError('bad-request')`` when that model's network is another one.
        """
        from ..models.checkpoints import load_model

        model = load_model(name)
        if model.manifest["network"] != self.recipe.network:
            raise FAError(
                "bad-request",
                f"The model {model.name} has another network than this recipe",
                "",
                "Choose a model of the same recipe",
            )
        self.network.load_state_dict(model.network.state_dict())
        for key, value in self.network.state_dict().items():
            self.average[key].copy_(value)
        self.ancestor = {"sha256": model.manifest["sha256"], "training": model.manifest.get("training")}

    def resume(self) -> None:
        """Go on from ``checkpoint.pt`` where there is one.

        Raises ``FAError``: ``bad-request`` when it is of another recipe or of other people, ``bad-input``
        when it is damaged.
        """
        import torch

        from ..models.checkpoints import load_tensors

        path = self.folder / "checkpoint.pt"
        if not path.is_file():
            return
        try:
            state = load_tensors(path)
            settings = state["recipe"], state["seed"]
            # Checkpoints from before these were kept lack them.
            data = state.get("data", self.data)
            device, dtype = state.get("computed", (self.device.type, str(self.dtype)))
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged(error) from error
        if settings != (json.dumps(asdict(self.recipe), sort_keys=True), self.seed):
            raise FAError(
                "bad-request",
                f"{self.folder} holds a run with other settings",
                "",
                "Give the same options, or another run folder",
            )
        if data != self.data:
            raise FAError(
                "bad-request",
                f"{self.folder} holds a run of other people",
                "its volumes, held-out people or template are not these",
                "Give the same data, or another run folder",
            )
        try:
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            for name, value in self.average.items():
                stored = state["average"][name]
                if stored.shape != value.shape:
                    raise ValueError(f"the average of {name} has the shape {tuple(stored.shape)}")
                value.copy_(stored)
            self.step, self.running = int(state["step"]), state.get("running")
            # What the run began with, whatever is named today.
            self.ancestor = state.get("ancestor", self.ancestor)
        except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._damaged(error) from error
        if device == self.device.type:
            # Which format is faster is measured, and may come out the other way today.
            self.dtype = {str(t): t for t in (torch.float32, torch.bfloat16)}.get(dtype, self.dtype)
        self._shorten_log()
        self.say(f"resumed at step {self.step}")

    def _damaged(self, error: Exception) -> FAError:
        why = f"it lacks {error}" if isinstance(error, KeyError) else str(error).strip().splitlines()[0]
        return FAError(
            "bad-input",
            f"The checkpoint in {self.folder} is damaged",
            why,
            "Delete checkpoint.pt there to begin anew, or put back a copy",
        )

    def save(self) -> None:
        """Write the checkpoint under a temporary name and rename it."""
        import torch

        if self.rank:
            return
        state = {
            "recipe": json.dumps(asdict(self.recipe), sort_keys=True),
            "seed": self.seed,
            "step": self.step,
            "data": self.data,
            "ancestor": self.ancestor,
            "running": self.running,
            "computed": [self.device.type, str(self.dtype)],
            "network": self.network.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
        }
        path = self.folder / "checkpoint.pt"
        try:
            with atomic_write(path, sync=True) as temporary, open(temporary, "wb") as handle:
                torch.save(state, handle)
        except OSError as error:
            raise cannot_write(path, error) from error

    def train(self, save_every: int, judge_every: int = 500) -> None:
        """Run to the last step of the recipe."""
        begin, first = time.monotonic(), self.step
        while self.step < self.recipe.steps:
            error = self._one_step()
            self.running = error if self.running is None else 0.98 * self.running + 0.02 * error
            self.step += 1
            last = self.step == self.recipe.steps
            judge = last or self.step % judge_every == 0
            if judge or self.step % 50 == 0:
                pace = (time.monotonic() - begin) / (self.step - first)
                self._log(pace, pace * (self.recipe.steps - self.step), judge)
            if last or self.step % save_every == 0:
                self.save()

    def _one_step(self) -> float:
        import torch

        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.recipe, self.step)
        examples = []
        for number in range(self.recipe.batch):
            # Large seeds wrap round instead of overflowing.
            generator = torch.Generator().manual_seed(
                (((self.seed * 1_000_003 + self.step) * 1009 + self.rank) * 101 + number) % 2**63
            )
            chosen = int(torch.multinomial(self.shares, 1, generator=generator))
            examples.append(self.objective.example(self.training[chosen], generator))
        batch = {k: torch.stack([e[k] for e in examples]).to(self.device) for k in examples[0]}
        with torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32):
            loss, error = self.objective.loss(self.parallel, batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.recipe.clip:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        self.optimizer.step()
        decay = min(self.recipe.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                self.average[name].lerp_(value, 1.0 - decay)
        return float(error)

    def _shorten_log(self) -> None:
        """Drop the lines of steps that are done again."""
        path = self.folder / "log.csv"
        if self.rank or not path.is_file():
            return
        lines = path.read_text().splitlines(keepends=True)
        kept = [line for line in lines if not line.split(",")[0].isdigit() or int(line.split(",")[0]) <= self.step]
        path.write_text("".join(kept))

    def _log(self, pace: float, left: float, judge: bool) -> None:
        if self.rank:
            return
        held_out = ""
        if judge and self.held_out and self.recipe.network["kind"] == "inpainter":
            from .validation import roaming_error

            errors = roaming_error(self._averaged(), self.held_out, self.template.fa.spacing, self.device, self.dtype)
            held_out = " ".join(f"{e:.4f}" for e in errors)
        path = self.folder / "log.csv"
        new = not path.is_file()
        with open(path, "a") as log:
            if new:
                log.write("step,squared_error,seconds_per_step,held_out_rmse_fa\n")
            log.write(f"{self.step},{self.running:.5f},{pace:.3f},{held_out}\n")
        minutes, seconds = divmod(int(left), 60)
        bar = "#" * round(20 * self.step / self.recipe.steps)
        self.say(
            f"[{bar:<20}] step {self.step}/{self.recipe.steps}  error {self.running:.4f}  {pace:.2f} s/step  "
            f"{minutes} min {seconds:02d} s left" + (f"  held out {held_out}" if held_out else "")
        )

    def _averaged(self):
        import copy

        network = copy.deepcopy(self.network).eval()
        network.load_state_dict(self.average)
        return network

    def export(self, training: dict, own_template: Path | None) -> None:
        """Write the averaged weights, their card and *own_template* as a model folder that ``--model`` accepts."""
        from ..models.checkpoints import save_model
        from ..pipeline.loaded_model import OWN_TEMPLATE
        from .model_card import write_card

        manifest = {
            "network": self.recipe.network,
            "schedule": self.recipe.schedule,
            "grid": self.recipe.grid,
            "template_sha256": self.template.sha256,
            "training": {**training, "steps": self.step, "recipe": asdict(self.recipe)},
        }
        save_model(self.folder / "model", self.average, manifest)
        write_card(self.folder / "model", manifest)
        if own_template is not None:
            shutil.copytree(own_template, self.folder / "model" / OWN_TEMPLATE, dirs_exist_ok=True)
        self.say(f"model written to {self.folder / 'model'}")
