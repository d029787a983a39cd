"""A method of 2D networks on axial slices: registration as a method, training, and the score map of a volume.

A method says how its networks are built and trained, and what they expect in place of a slice. Everything else is
the same for all of them: slices of the model grid, the analysed voxels, smoothing and standardisation of the residual
(those of the template z-map, so that methods differ by their prediction alone), and the way back to the native grid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ...anomaly.screening import ANALYSED, analysed_voxels
from ...datasets.cohort import CohortSubject
from ...errors import FAError
from ...preprocessing.template import Template
from ...runtime.device import choose_device
from ...volume import Volume
from ..methods.registry import MethodContext, PaperRule, RegisteredMethod
from ..methods.residual_zmap import SMOOTHING_MM, standardised_residual
from ..methods.score_map import ScoreMap
from ..methods.scoring_method import FitOptions, ScoringEntry, register_scoring
from .learned_networks import NetworksRecord, load_weights, read_record, save_networks
from .slices import SliceStack, healthy_slices, slices_of, volume_of

TRAINING_STEPS = ("steps", "diffusion_steps", "encoder_steps", "classifier_steps")
"""Fields of recipes that say how long something is trained."""
REPORTS = 5
"""Lines of progress of one training."""


@dataclass(frozen=True)
class SliceRecipe:
    """Settings that all slice-wise methods have.

    Attributes
    ----------
    steps
        Steps of the optimiser.
    batch
        Slices of a step, and of one evaluation.
    learning_rate
        Of Adam.
    """

    steps: int
    batch: int
    learning_rate: float


R = TypeVar("R", bound=SliceRecipe)


@dataclass(frozen=True, eq=False)
class Training(Generic[R]):
    """What a method's training gets.

    Attributes
    ----------
    slices
        Of the healthy people, on the CPU.
    recipe
        The settings.
    device
        Of the networks.
    generator
        On the CPU; of every random draw.
    report
        Called with a line of progress.
    """

    slices: SliceStack
    recipe: R
    device: torch.device
    generator: torch.Generator
    report: Callable[[str], None]

    def batches(self, what: str, steps: int, slices: SliceStack | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """*steps* batches of random pictures and brain masks, (B, 1, X, Y), with replacement."""
        stack = slices or self.slices
        for step in range(1, steps + 1):
            chosen = torch.randint(len(stack), (self.recipe.batch,), generator=self.generator)
            yield stack.pictures[chosen].to(self.device), stack.brain[chosen].to(self.device)
            if step == steps or step % max(steps // REPORTS, 1) == 0:
                self.report(f"trained {what}: step {step}/{steps}")

    def normal(self, *shape: int) -> Tensor:
        """Standard normal draws on the device."""
        return torch.randn(shape, generator=self.generator).to(self.device)

    def normal_like(self, x: Tensor) -> Tensor:
        """Standard normal draws of the shape of *x*."""
        return self.normal(*x.shape)


@dataclass(frozen=True, eq=False)
class Judged:
    """What a method makes of some slices; tensors (B, 1, X, Y).

    Attributes
    ----------
    expected
        2 FA - 1 as it would be in health.
    weight
        What the residual is multiplied by before it is smoothed, 0 to 1; None for 1 everywhere.
    """

    expected: Tensor
    weight: Tensor | None = None


@dataclass(frozen=True, eq=False)
class SliceMethod(Generic[R]):
    """A slice-wise method.

    Attributes
    ----------
    name, position
        As in :class:`~..methods.scoring_method.ScoringEntry`.
    source
        The publication, for the model card.
    recipes
        ``paper`` and ``tiny``.
    build
        ``build(recipe, (X, Y))`` -> networks.
    train
        ``train(networks, training)``; networks are in training mode on the device.
    judge
        ``judge(networks, recipe, pictures, brain, generator)`` -> :class:`Judged`. The generator is on the CPU.
    evaluations
        ``evaluations(recipe)`` -> network evaluations of one slice.
    is_stochastic
        Whether *judge* draws from the generator.
    standardises
        Whether the residual is divided by its own spread over the brain. Not for one that is 0 almost everywhere.
    remarks
        For the model card.
    paper_rule
        As in :class:`~..methods.scoring_method.ScoringEntry`.
    """

    name: str
    position: int
    source: str
    recipes: Mapping[str, R]
    build: Callable[[R, tuple[int, int]], nn.Module]
    train: Callable[[Any, Training[R]], None]
    judge: Callable[[Any, R, Tensor, Tensor, torch.Generator], Judged]
    evaluations: Callable[[R], int]
    is_stochastic: bool = False
    standardises: bool = True
    remarks: Sequence[str] = ()
    paper_rule: PaperRule | None = None

    def networks(self, recipe: R, shape: tuple[int, int], seed: int = 0) -> nn.Module:
        """Fresh networks whose weights are those of *seed*; torch's own random state stays as it is."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.build(recipe, shape)

    def fit(self, people: Sequence[CohortSubject], options: FitOptions) -> None:
        """Train on healthy people and write networks, record and model card into ``options.folder``."""
        if options.recipe not in self.recipes:
            known = " or ".join(self.recipes)
            raise FAError("bad-request", f"{self.name} has no recipe {options.recipe!r}", "", f"Choose {known}")
        recipe, device = self._recipe(options), choose_device(options.device)
        template = options.known_template()
        with options.maps() as cache:
            slices = healthy_slices(people, template, cache, options.report)
        networks = self.networks(recipe, slices.shape, options.seed).to(device).train()
        generator = torch.Generator().manual_seed(options.seed)
        self.train(networks, Training(slices, recipe, device, generator, options.report))
        if not all(bool(value.isfinite().all()) for value in networks.state_dict().values()):
            raise FAError(
                "bad-input", f"The training of {self.name} diverged", "its weights are not finite", "Try another --seed"
            )
        names = tuple(subject.path.name for subject in people)
        record = NetworksRecord(
            self.name, self.source, asdict(recipe), slices.shape, template.sha256, names, options.seed
        )
        save_networks(options.folder, networks, record, self.remarks)

    def _recipe(self, options: FitOptions) -> R:
        """The recipe, with the share of its training that is asked for."""
        recipe = self.recipes[options.recipe]
        trained = [field.name for field in fields(recipe) if field.name in TRAINING_STEPS]
        return replace(recipe, **{name: options.steps_of(getattr(recipe, name)) for name in trained})

    def load(self, context: MethodContext) -> SliceScoring[R]:
        """The method with what it has learned; raises ``FAError('missing')`` for a folder that does not fit."""
        record = read_record(context.model)
        if record.method != self.name or context.model is None:
            raise FAError("bad-request", f"{context.model} holds {record.method}, not {self.name}", "", "")
        known = next(iter(self.recipes.values()))
        values: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in record.recipe.items()}
        if set(values) != {field.name for field in fields(known)}:
            raise FAError("missing", f"The networks in {context.model} do not fit this version", "", "Fit them again")
        recipe = type(known)(**values)
        networks = self.networks(recipe, record.shape)
        load_weights(context.model, networks)
        networks = networks.to(choose_device(context.device)).eval().requires_grad_(False)
        return SliceScoring(self, recipe, networks, record, context)


class SliceScoring(Generic[R]):
    """A :class:`~..methods.scoring_method.ScoringMethod` from trained networks."""

    def __init__(
        self, method: SliceMethod[R], recipe: R, networks: nn.Module, record: NetworksRecord, context: MethodContext
    ) -> None:
        self._method, self._recipe, self._networks = method, recipe, networks
        self._record, self._context = record, context
        self.identity = (method.name, repr(recipe), record.sha256, SMOOTHING_MM, *ANALYSED, context.seed)

    def score(self, volume: Volume) -> ScoreMap:
        """See :meth:`~..methods.scoring_method.ScoringMethod.score`."""
        prepared = self._context.prepare(volume)
        grid = prepared.grid
        stack = slices_of(prepared.fa, prepared.brain)
        self._check(stack, grid.template)
        expected, weight, count = self._judge(stack, prepared.fa.shape)
        analysed = analysed_voxels(prepared)
        residual, sigma = (prepared.fa - expected) * weight, SMOOTHING_MM / grid.spacing_mm
        score = standardised_residual(residual, analysed, sigma, standardises=self._method.standardises)

        generated = prepared.native_brain & grid.mask_to_native(prepared.brain)
        healthy = np.where(generated, grid.to_native(expected), volume.data).astype(np.float32)
        native = np.where(prepared.native_brain, grid.to_native(score), 0.0).astype(np.float32)
        return ScoreMap(volume, native, healthy, generated, {"network_evaluations": count})

    def _check(self, stack: SliceStack, template: Template) -> None:
        """Raise ``FAError('bad-request')`` for slices of another template than the networks have learned."""
        if stack.shape != self._record.shape or template.sha256 != self._record.template_sha256:
            raise FAError(
                "bad-request",
                f"{self._method.name} was trained with another template",
                f"on slices of {self._record.shape} pixels, here they have {stack.shape}",
                "Fit it again with this template, train --method has --template",
            )

    def _judge(self, stack: SliceStack, shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray, int]:
        """Expected FA in [0, 1] and the residual's weight, (X, Y, Z), and the network evaluations.

        Slices without brain are left out; their expected FA is 0.
        """
        device = next(self._networks.parameters()).device
        generator = torch.Generator().manual_seed(self._context.seed or 0)
        expected, weight = torch.full_like(stack.pictures, -1.0), torch.ones_like(stack.pictures)
        inside = torch.nonzero(stack.brain_share > 0).flatten()
        for chosen in inside.split(self._recipe.batch):
            pictures, brain = stack.pictures[chosen].to(device), stack.brain[chosen].to(device)
            judged = self._method.judge(self._networks, self._recipe, pictures, brain, generator)
            expected[chosen] = torch.where(brain, judged.expected.clamp(-1.0, 1.0), -1.0).cpu()
            if judged.weight is not None:
                weight[chosen] = judged.weight.cpu()
        fa, weighted = volume_of((expected + 1.0) / 2.0, shape), volume_of(weight, shape)
        return fa, weighted, len(inside) * self._method.evaluations(self._recipe)


def register_slice_method(method: SliceMethod) -> RegisteredMethod:
    """Register a slice-wise method with every evaluation."""
    return register_scoring(
        ScoringEntry(
            method.name,
            method.load,
            method.position,
            fit=method.fit,
            paper_rule=method.paper_rule,
            dimensions=2,
            needs_template=True,
            needs_network=True,
            is_stochastic=method.is_stochastic,
        )
    )
