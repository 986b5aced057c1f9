"""What a task file means: defaults, order of steps, weights, fingerprint."""

from __future__ import annotations

import random
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sopilot_assets.tasks import DeviationType, EmbedderName, Severity, Step, TaskSpec, Weights, parse_task
from sopilot_assets_tests.tasks.task_files import FILTER_CHANGE

MINIMAL = "task_id: t\nname: T\nversion: 1\nsteps: [{id: a, name: A}, {id: b, name: B}, {id: c, name: C}]\n"


def parse(text: str) -> TaskSpec:
    return parse_task(text, source="t.yaml")


def test_a_minimal_file_gets_the_documented_defaults() -> None:
    spec = parse(MINIMAL)
    assert (spec.pass_score, spec.retrain_score) == (90, 80)
    assert spec.weights == Weights(miss=0.40, swap=0.25, deviation=0.25, time=0.10)
    assert not spec.quality_gate.enabled
    assert spec.critical_ids == {"a", "b", "c"}
    assert spec.severity == {
        DeviationType.MISSING_STEP: Severity.CRITICAL,
        DeviationType.ORDER_SWAP: Severity.QUALITY,
        DeviationType.WRONG_STEP: Severity.QUALITY,
        DeviationType.STEP_DEVIATION: Severity.QUALITY,
        DeviationType.OVER_TIME: Severity.EFFICIENCY,
        DeviationType.FREEZE: Severity.CRITICAL,
    }


def test_a_task_that_names_no_embedder_means_what_it_always_meant() -> None:
    """New tasks name another one; but this fingerprint stands in scores that were made before."""
    assert parse(MINIMAL).embedder is EmbedderName.LITE0_FLOW
    named = parse(MINIMAL + "embedder: lite0_flow\n")
    assert parse(MINIMAL).fingerprint() == named.fingerprint()
    assert parse(MINIMAL + "embedder: lite0_box\n").fingerprint() != named.fingerprint()


def test_a_severity_left_out_keeps_its_default() -> None:
    spec = parse(MINIMAL + "severity: {order_swap: critical}\n")
    assert spec.severity[DeviationType.ORDER_SWAP] is Severity.CRITICAL
    assert spec.severity[DeviationType.MISSING_STEP] is Severity.CRITICAL
    assert spec.severity[DeviationType.OVER_TIME] is Severity.EFFICIENCY


def test_steps_come_after_the_one_above_unless_the_file_says_otherwise() -> None:
    spec = parse(FILTER_CHANGE)
    assert spec.predecessors() == {
        "open_cover": frozenset(),
        "lift_filter": {"open_cover"},
        "wipe_seat": {"open_cover"},
        "insert_filter": {"open_cover", "lift_filter", "wipe_seat"},
    }


def test_the_legal_orders_are_those_in_which_no_step_precedes_one_it_needs() -> None:
    spec = parse(FILTER_CHANGE)
    assert [[spec.step_ids[place] for place in order] for order in spec.legal_orders()] == [
        ["open_cover", "lift_filter", "wipe_seat", "insert_filter"],
        ["open_cover", "wipe_seat", "lift_filter", "insert_filter"],
    ]


def test_a_step_with_an_empty_after_may_come_at_any_time() -> None:
    spec = parse("task_id: t\nname: T\nversion: 1\nsteps: [{id: a, name: A}, {id: b, name: B, after: []}]\n")
    assert spec.legal_orders() == ((0, 1), (1, 0))


def test_an_unknown_step_id_is_a_key_error() -> None:
    assert parse(MINIMAL).step("b").name == "B"
    with pytest.raises(KeyError, match="zzz"):
        parse(MINIMAL).step("zzz")


@given(st.lists(st.floats(0, 1e6), min_size=4, max_size=4).filter(lambda parts: sum(parts) > 1e-6))
def test_normalised_weights_sum_to_one_and_keep_their_order(parts: list[float]) -> None:
    weights = Weights(**dict(zip(("miss", "swap", "deviation", "time"), parts, strict=True)))
    assert weights.normalised.total == pytest.approx(1)
    assert sorted(range(4), key=lambda i: parts[i]) == sorted(
        range(4), key=lambda i: (list(weights.normalised)[i][1], parts[i])
    )


def shuffled(value: Any, chance: random.Random) -> Any:
    """The same content with the keys of every mapping in another order."""
    if isinstance(value, dict):
        keys = chance.sample(sorted(value), len(value))
        return {key: shuffled(value[key], chance) for key in keys}
    return [shuffled(item, chance) for item in value] if isinstance(value, list) else value


@given(
    seed=st.integers(0, 2**32),
    flow=st.sampled_from([None, True, False]),
    comment=st.text("ab: #-[]{}", max_size=20),
)
def test_the_fingerprint_ignores_key_order_layout_and_comments(
    seed: int, flow: bool | None, comment: str
) -> None:
    content = shuffled(yaml.safe_load(FILTER_CHANGE), random.Random(seed))
    text = yaml.safe_dump(content, sort_keys=False, default_flow_style=flow, allow_unicode=True)
    rewritten = f"# {comment}\n{text}# {comment}\n"
    assert parse(rewritten).fingerprint() == parse(FILTER_CHANGE).fingerprint()
    assert parse(rewritten) == parse(FILTER_CHANGE)


LABELS_ONLY = [
    ("name: Filter change", "name: Another name"),
    ("name: Wipe the seat", "name: Wipe it"),
    ("version: 1", "version: 2"),
    ("pass_score: 90", "pass_score: 90.0"),
    ("pass_score: 90", "pass_score: 90\nquality_gate: {enabled: true}"),
    ("pass_score: 90", "pass_score: 90\ntakt_s: 60"),
    ("name: Lift out the old filter", "name: Lift\n    after: [open_cover]"),
    ("after: [lift_filter, wipe_seat]", "after: [wipe_seat, lift_filter]"),
]


@pytest.mark.parametrize(("before", "after"), LABELS_ONLY)
def test_the_fingerprint_stays_when_nothing_about_the_judgement_changes(before: str, after: str) -> None:
    assert FILTER_CHANGE.count(before) == 1
    changed = parse(FILTER_CHANGE.replace(before, after))
    assert changed.fingerprint() == parse(FILTER_CHANGE).fingerprint()


JUDGEMENT = [
    ("pass_score: 90", "pass_score: 91"),
    ("retrain_score: 80", "retrain_score: 79.5"),
    ("miss: .40", "miss: .41"),
    ("critical: false", "critical: true"),
    ("after: [open_cover]", "after: []"),
    ("id: wipe_seat", "id: wipe"),
    ("pass_score: 90", "pass_score: 90\nembedder: color_motion"),
    ("pass_score: 90", "pass_score: 90\nseverity: {order_swap: critical}"),
]


@pytest.mark.parametrize(("before", "after"), JUDGEMENT)
def test_the_fingerprint_changes_with_everything_that_is_judged(before: str, after: str) -> None:
    changed = parse(FILTER_CHANGE.replace(before, after).replace("lift_filter, wipe_seat", "lift_filter"))
    original = parse(FILTER_CHANGE.replace("lift_filter, wipe_seat", "lift_filter"))
    assert changed.fingerprint() != original.fingerprint()


def test_the_fingerprint_depends_on_the_order_of_the_steps() -> None:
    free = "{task_id: t, name: T, version: 1, steps: [{id: %s, name: A}, {id: %s, name: A, after: []}]}"
    assert parse(free % ("a", "b")).fingerprint() != parse(free % ("b", "a")).fingerprint()


def test_a_task_cannot_be_changed_in_memory() -> None:
    spec = parse(MINIMAL)
    with pytest.raises(ValueError, match="frozen"):
        spec.pass_score = 50  # type: ignore[misc]
    assert isinstance(spec.steps[0], Step)
    assert spec.pass_score == 90
