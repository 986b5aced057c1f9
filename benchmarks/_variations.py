"""The variations of the product that are compared: one thing changed at a time.

A setting is a module's constant or function by its dotted name; it is replaced while a variation runs and
restored afterwards, by `unittest.mock.patch`. A name that no longer exists is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias
from unittest import mock

from sopilot_assets.alignment.decode import DecodedExplanation, Decoding, decode
from sopilot_assets.alignment.explanations import Prices
from sopilot_assets.alignment.segmental import border_scores
from sopilot_assets.bench.recordings import BenchRecording, BenchTask, choose_golds
from sopilot_assets.reference.evidence import FALLBACK_STACK
from sopilot_assets.scoring.limits import DecisionLimits, golds_limits
from sopilot_assets.scoring.procedure import UNFAMILIAR, UNFAMILIAR_UNORDERED
from sopilot_assets.tasks import EmbedderName, TaskSpec

Settings: TypeAlias = tuple[tuple[str, Any], ...]
_PACKAGE: Final = "sopilot_assets"
LOTS: Final = 1e6
_READ_BY: Final[Mapping[str, tuple[str, ...]]] = {"lite0_box": ("lite0_box", "lite0_flow")}
"""The modules that know a backend's clip length, where it is not the one of its own name alone."""
NEVER_IDLE: Final = 50.0
"""Nats for an idle stretch: more than any evidence is worth."""


@dataclass(frozen=True, slots=True)
class Backend:
    """An embedding backend at a clip length in seconds (None: its own)."""

    name: str = EmbedderName.LITE0_BOX.value
    clip_s: float | None = None

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The backend's clip length inside."""
        with ExitStack() as stack:
            if self.clip_s is not None:
                for module in _READ_BY.get(self.name, (self.name,)):
                    stack.enter_context(mock.patch(f"{_PACKAGE}.embedding.{module}.CLIP_S", self.clip_s))
            yield


@dataclass(frozen=True, slots=True)
class Variation:
    """One changed thing.

    ``golds`` names how they are chosen (see `gold_choices`), ``promote`` is how many correct trainees are
    golds too, ``blocks`` the feature blocks that remain (None: all), ``settings`` what is replaced. Without
    ``prices`` those of edits are the defaults. ``everywhere`` ones run on every folder, the others on the
    first only. ``after_calibration`` ones change nothing about reference and calibration, and share those of
    the product.
    """

    group: str
    name: str
    golds: str = "all"
    promote: int = 0
    backend: Backend = Backend()
    blocks: tuple[str, ...] | None = None
    settings: Settings = ()
    prices: bool = True
    everywhere: bool = False
    after_calibration: bool = False

    @property
    def only_scoring(self) -> bool:
        """Whether alignments are the product's own."""
        ours = all(name.startswith("scoring.") for name, _ in self.settings)
        return ours and self.prices and self.after_calibration

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The variation's settings inside, the product's own afterwards."""
        with ExitStack() as stack:
            for name, value in self.settings:
                stack.enter_context(mock.patch(f"{_PACKAGE}.{name}", value))
            yield


def gold_choices(task: BenchTask, kind: str) -> list[tuple[BenchRecording, ...]]:
    """Every set of golds of a kind that is tried: ``all`` of them once, in the order of their files, from the
    last to the first (``backwards``) or each ``twice``, ``one`` in turn, pairs of ``one person`` or of ``two
    persons``.

    No gold is in two of the pairs; where a task has no such pair the list is empty.
    """
    by_person: dict[str, list[BenchRecording]] = {}
    for gold in task.golds:
        by_person.setdefault(gold.person or gold.file, []).append(gold)
    if kind == "all":
        return [task.golds]
    if kind == "backwards":
        return [task.golds[::-1]]
    if kind == "twice":
        return [(*task.golds, *task.golds)]
    if kind == "one":
        return [(gold,) for gold in task.golds]
    if kind == "one person":
        return [tuple(own[:2]) for own in by_person.values() if len(own) > 1]
    if kind == "two persons":
        left, pairs = list(task.golds), []
        while len({gold.person or gold.file for gold in left}) > 1:
            pair = choose_golds(left, 2, seed=0)
            pairs.append(pair)
            left = [gold for gold in left if gold not in pair]
        return pairs
    raise ValueError(f"no such choice of golds: {kind}")


def _likeliest(decoding: Decoding) -> DecodedExplanation:
    return decoding.candidates[0]


def _not_fitted(_: Sequence[object]) -> tuple[float, float, float, float]:
    return FALLBACK_STACK


def _without_a_middle(task: TaskSpec) -> DecisionLimits:
    """Nobody looks at what is suspected: what does not fail is decided by its points."""
    limits = golds_limits(task)
    return DecisionLimits(limits.fail, limits.fail, limits.source)


def _looked_at_from(review: float, task: TaskSpec) -> DecisionLimits:
    limits = golds_limits(task)
    return DecisionLimits(max(review, limits.fail), review, limits.source)


def _fails_from(fail: float, task: TaskSpec) -> DecisionLimits:
    limits = golds_limits(task)
    return DecisionLimits(max(fail, limits.review), limits.review, limits.source)


def _worth_all(*_: object) -> float:
    return 1.0


def _never(*_: object) -> float:
    return 0.0


FULL: Final = "the product as it is"

USUAL_FAMILIARITY: Final = -0.5
"""log2 of the fit of a recording that shows the task as its golds do, about."""
_WHOLE: Final = ("final", "final_spread", "mid", "mid_spread")
_BOX: Final = ("box_final", "box_final_spread", "box_mid", "box_mid_spread")
_NETWORK: Final = (*_WHOLE, *_BOX)
_MOTION: Final = ("hof", "hof_whole", "mbh", "mbh_whole")


def _features() -> Iterator[Variation]:
    group = "Features"
    yield Variation(group, "without motion (flow) blocks", blocks=_NETWORK, everywhere=True)
    yield Variation(group, "without the motion box", blocks=(*_WHOLE, *_MOTION), everywhere=True)
    yield Variation(group, "without the whole picture", blocks=(*_BOX, *_MOTION))
    yield Variation(group, "without spread blocks", blocks=("final", "mid", "box_final", "box_mid", *_MOTION))
    yield Variation(group, "the network's last layer only", blocks=("final", "box_final"))
    yield Variation(group, "motion (flow) blocks only", blocks=_MOTION)
    # the old system's embedding
    yield Variation(group, "color_motion (clips of 4 s)", backend=Backend("color_motion"))


def _golds() -> Iterator[Variation]:
    group = "Golds"
    yield Variation(group, "1 gold (each in turn)", golds="one", everywhere=True)
    yield Variation(group, "2 golds of one person", golds="one person", everywhere=True)
    yield Variation(group, "2 golds of two persons", golds="two persons", everywhere=True)
    for count in (4, 8):
        yield Variation(group, f"{count} promoted golds more", promote=count, everywhere=True)
    yield Variation(group, "golds in the opposite order", golds="backwards", everywhere=True)
    yield Variation(group, "each gold twice", golds="twice", everywhere=True)


def _clip_lengths() -> Iterator[Variation]:
    for seconds in (1.0, 3.0, 4.0):
        yield Variation("Clip length", f"clips of {seconds:g} s", backend=Backend(clip_s=seconds))


def _evidence() -> Iterator[Variation]:
    group = "Evidence and calibration"
    yield Variation(group, "prices not calibrated", prices=False, everywhere=True, after_calibration=True)
    yield Variation(
        group,
        "evidence not calibrated on held-out golds",
        settings=(("reference.evidence._fit_stack", _not_fitted),),
    )
    yield Variation(
        group,
        "what steps look like on held-out golds left out",
        settings=(("reference.evidence.PRIOR_LOOKS", LOTS),),
        everywhere=True,
    )
    yield Variation(
        group,
        "neither prices nor looks from held-out golds",
        prices=False,
        settings=(("reference.evidence.PRIOR_LOOKS", LOTS),),
    )
    yield Variation(group, "amount of motion left out", settings=(("reference.motion.WEIGHT", 0.0),))
    yield Variation(group, "contrast at borders left out", settings=(("reference.borders.WEIGHT", 0.0),))
    yield Variation(
        group,
        "full trust in recordings that match badly",
        settings=(("alignment.clip_scores.FULL_TRUST_FIT", 1 / LOTS),),
    )


def _decoder() -> Iterator[Variation]:
    group = "Decoder"
    for most in (1, 2):
        yield Variation(
            group,
            f"at most {most} edit{'s' if most > 1 else ''} a recording",
            settings=(("alignment.align.decode", partial(decode, max_edits=most)),),
            everywhere=most == 1,
            after_calibration=True,
        )
    yield Variation(group, "beam of 1", settings=(("alignment.decode.BEAM", 1),), after_calibration=True)
    yield Variation(group, "one tempo", settings=(("alignment.decode.TEMPI", (0.0,)),))
    yield Variation(
        group,
        "clips at borders show one step only",
        settings=(("alignment.decode.border_scores", partial(border_scores, share=1 / LOTS)),),
    )
    yield Variation(
        group,
        "no idle stretches",
        settings=(("alignment.calibration.Prices", partial(Prices, idle=NEVER_IDLE)),),
    )
    yield Variation(group, "clips counted as independent", settings=(("alignment.decode.OVERLAP", 1.0),))
    yield Variation(group, "no floor on a clip's evidence", settings=(("alignment.decode.FLOOR", -LOTS),))
    yield Variation(
        group,
        "likeliest explanation, not the likeliest kinds",
        settings=(("alignment.decode.Decoding.best", property(_likeliest)),),
    )


def _scoring() -> Iterator[Variation]:
    group = "Scoring"
    constant, by_fit, by_order = UNFAMILIAR
    for name, log_odds in (
        ("other work told by fit alone", (*UNFAMILIAR_UNORDERED, 0.0)),
        ("other work told by order alone", (constant + by_fit * USUAL_FAMILIARITY, 0.0, by_order)),
    ):
        settings = (("scoring.procedure.UNFAMILIAR", log_odds),)
        yield Variation(group, name, settings=settings, everywhere=True, after_calibration=True)
    yield Variation(
        group,
        "other work never suspected",
        settings=(("scoring.score.other_work_probability", _never),),
        everywhere=True,
        after_calibration=True,
    )
    yield Variation(
        group,
        "findings worth the same however golds bear them out",
        settings=(("scoring.compared.worth", _worth_all),),
        everywhere=True,
        after_calibration=True,
    )
    limits = {
        "what is suspected is not held back": _without_a_middle,
        **{f"looked at from {p:.0%} on": partial(_looked_at_from, p) for p in (0.02, 0.05, 0.1, 0.2)},
        **{f"fails from {p:.0%} on": partial(_fails_from, p) for p in (0.5, 0.95)},
    }
    for name, chosen in limits.items():
        yield Variation(
            group,
            name,
            settings=(("scoring.score.golds_limits", chosen),),
            everywhere=True,
            after_calibration=True,
        )


VARIATIONS: Final[tuple[Variation, ...]] = (
    Variation("", FULL, everywhere=True, after_calibration=True),
    *_features(),
    *_golds(),
    *_clip_lengths(),
    *_evidence(),
    *_decoder(),
    *_scoring(),
)
BY_NAME: Final[Mapping[str, Variation]] = {variation.name: variation for variation in VARIATIONS}
