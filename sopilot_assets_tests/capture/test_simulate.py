"""The simulated set: exact labels, every deviation, the same bytes again."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sopilot_assets.capture.sidecar import read_sidecar
from sopilot_assets.capture.simulate import DEFAULT_TRAINEES, MODES, PEOPLE, SITES, SOP, simulate
from sopilot_assets.capture.simulate.dataset import Format, SimulatedRecording, _Studio
from sopilot_assets.capture.simulate.labels import label_fields
from sopilot_assets.capture.simulate.performance import perform
from sopilot_assets.capture.simulate.plan import (
    WRONG_ACTIONS,
    MissingStep,
    OrderSwap,
    OverTime,
    Plan,
    make_plan,
)
from sopilot_assets.capture.simulate.state import PartPlace
from sopilot_assets.errors import ConfigError
from sopilot_assets.tasks import load_task

SMALL = {"size": (160, 112), "fps": 10, "step_seconds": 0.8}
PROCBENCH_FIELDS = [
    "file",
    "split",
    "task",
    "domain",
    "role",
    "variant",
    "subject_ids",
    "site",
    "gold_sites",
    "duration_sec",
    "fps",
    "size",
    "sop_steps",
    "steps",
    "deviations",
    "critical_expected",
    "physically_missing_gold_steps",
]
STEP_FIELDS = ["start_sec", "end_sec", "label", "gold_step", "truncated", "src"]
HIDDEN = ["missing_gold_steps", "partial_gold_steps", "visible_fraction"]
DEVIATION_FIELDS = {
    "missing_step": ["gold_step", "label", "expected_at_sec"],
    "order_swap": ["gold_steps", "labels", "adjacent", "positions", "times"],
    "wrong_step": ["gold_step", "gold_label", "label", "kind", "position", "start_sec", "end_sec"],
    "over_time": ["gold_step", "label", "mode", "factor", "position", "start_sec", "end_sec"],
    "freeze": [*HIDDEN, "start_sec", "end_sec", "resumes"],
    "cut_tail": [*HIDDEN, "start_sec", "nominal_duration_sec"],
    "skip_start": [*HIDDEN, "skipped_sec", "nominal_duration_sec"],
    "other_task": ["missing_gold_steps", "start_sec", "end_sec"],
    "empty_bench": ["missing_gold_steps", "start_sec", "end_sec"],
}
CRITICAL = {"missing_step", "freeze", "cut_tail", "skip_start", "other_task", "empty_bench"}


@dataclass(frozen=True)
class Made:
    """A small set with one trainee of each default variant, and its labels."""

    folder: Path
    labels: list[dict]  # type: ignore[type-arg]

    def of(self, variant: str) -> list[dict]:  # type: ignore[type-arg]
        return [label for label in self.labels if label["variant"] == variant]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("simulated")
    written = simulate(folder, seed=7, golds=4, trainees=len(DEFAULT_TRAINEES), **SMALL)
    return Made(folder, [json.loads(line) for line in written.labels.read_text().splitlines()])


def frames_of(path: Path) -> list[NDArray[np.uint8]]:
    with av.open(path) as video:
        return [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_variant_is_there(made: Made) -> None:
    assert {label["variant"] for label in made.labels} == set(MODES)
    modes = {(label["variant"], label["mode"]) for label in made.labels}
    assert {("order_swap", "adjacent"), ("order_swap", "distant"), ("over_time", "slow")} <= modes
    assert {("over_time", "repeat"), ("freeze", "stays"), ("freeze", "resumes")} <= modes
    assert {label["site"] for label in made.labels} == set(SITES)


def test_labels_have_the_benchmarks_fields(made: Made) -> None:
    for label in made.labels:
        assert list(label)[: len(PROCBENCH_FIELDS)] == PROCBENCH_FIELDS
        assert all(list(step) == STEP_FIELDS for step in label["steps"])
        for deviation in label["deviations"]:
            assert list(deviation) == ["type", *DEVIATION_FIELDS[deviation["type"]]]


def test_every_deviation_lies_inside_its_video(made: Made) -> None:
    seen = set()
    for label in made.labels:
        for deviation in label["deviations"]:
            seen.add(deviation["type"])
            times = [
                deviation[key] for key in ("start_sec", "end_sec", "expected_at_sec") if key in deviation
            ]
            times += [time for pair in deviation.get("times", []) for time in pair]
            assert all(0 <= time <= label["duration_sec"] for time in times)
            assert times == sorted(times)
    assert seen == set(DEVIATION_FIELDS)


def test_spans_cover_the_video_without_gaps(made: Made) -> None:
    for label in made.labels:
        starts = [step["start_sec"] for step in label["steps"]]
        ends = [step["end_sec"] for step in label["steps"]]
        assert starts == [0, *ends[:-1]]
        assert ends[-1] == label["duration_sec"]


def test_the_file_is_as_long_as_its_label_says(made: Made) -> None:
    for label in made.labels:
        with av.open(made.folder / label["file"]) as video:
            stream = video.streams.video[0]
            assert stream.frames == round(label["duration_sec"] * 10)
            assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
            assert [stream.width, stream.height] == label["size"]


def test_critical_and_missing_steps_follow_from_the_deviations(made: Made) -> None:
    for label in made.labels:
        kinds = {deviation["type"] for deviation in label["deviations"]}
        assert label["critical_expected"] == bool(kinds & CRITICAL)
        shown = {step["gold_step"] for step in label["steps"]}
        assert label["physically_missing_gold_steps"] == [k for k in range(len(SOP)) if k not in shown]
        assert (kinds == set()) == (label["variant"] == "correct")


def test_people_of_golds_are_not_seen_as_trainees(made: Made) -> None:
    people = {
        role: {label["person"] for label in made.labels if label["role"] == role}
        for role in ("gold", "trainee")
    }
    assert len(people["gold"]) >= 3
    assert not people["gold"] & people["trainee"]


@pytest.mark.parametrize("mode", MODES["freeze"])
def test_a_frozen_feed_repeats_one_picture_and_its_noise(mode: str) -> None:
    studio = _Studio(Format(size=(160, 112), fps=10, step_seconds=0.8, pauses=False), 7)
    one = SimulatedRecording("trainee_001", "trainee", 0, PEOPLE["p05"], SITES["site_b"], f"freeze:{mode}")
    plan = studio.plan(one)
    moved = [not np.array_equal(a, b) for a, b in pairwise(studio.frames(one, plan))]
    assert plan.frozen is not None
    start, end = plan.frozen
    assert moved == [not start - 1 <= frame < end - 1 for frame in range(len(moved))]
    assert (end == len(moved) + 1) == (mode == "stays")


def test_a_frozen_feed_is_still_in_the_file(made: Made) -> None:
    for label in made.of("freeze"):
        frames = frames_of(made.folder / label["file"])
        (freeze,) = label["deviations"]
        start, end = round(freeze["start_sec"] * 10), round(freeze["end_sec"] * 10)
        moved = [np.abs(b.astype(int) - a).mean() for a, b in pairwise(frames)]
        assert np.median(moved[start : end - 1]) < 0.2 * np.median(moved[: start - 1])


@pytest.mark.parametrize("mode", MODES["over_time"])
def test_slow_and_repeated_steps_take_twice_as_long(mode: str) -> None:
    lengths = []
    for number in range(30):
        plan = _plan(f"over_time:{mode}", f"trainee_{number}")
        (edit,) = plan.edits
        assert isinstance(edit, OverTime)
        others = [slot.frames for slot in plan.slots if slot.gold_step != edit.gold_step]
        lengths.append(plan.slots[edit.gold_step].frames / np.mean(others))
    assert np.median(lengths) == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize("mode", MODES["order_swap"])
def test_swapped_steps_stand_in_each_others_place(mode: str) -> None:
    for number in range(30):
        plan = _plan(f"order_swap:{mode}", f"trainee_{number}")
        (edit,) = plan.edits
        assert isinstance(edit, OrderSwap)
        assert (edit.second - edit.first == 1) == (mode == "adjacent")
        order = [slot.gold_step for slot in plan.slots]
        assert (order[edit.first], order[edit.second]) == (edit.second, edit.first)
        assert sorted(order) == list(range(len(SOP)))  # type: ignore[type-var]


def test_state_follows_what_was_done() -> None:
    plans = (_plan("missing_step:one", f"trainee_{number}") for number in range(60))
    plan = next(plan for plan in plans if plan.edits == (MissingStep(SOP.index("lift_off_cover")),))
    show = perform(plan, person=PEOPLE["p05"], fps=10, step_seconds=0.8, rng=np.random.default_rng(1))
    assert {state.cover for state in show.before} == {PartPlace.SEAT}
    assert show.before[-1].old_filter is PartPlace.SEAT
    assert show.before[-1].new_filter is PartPlace.SHOULDER


def test_steps_csv_holds_the_golds_steps(made: Made) -> None:
    with (made.folder / "steps.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    golds = [label for label in made.labels if label["role"] == "gold"]
    assert [row["step"] for row in rows] == list(SOP) * len(golds)
    assert rows[0]["video"] == "gold_001.mp4"
    assert float(rows[6]["end_s"]) == golds[0]["duration_sec"]


def test_the_task_file_and_sidecars_are_valid(made: Made) -> None:
    task = load_task(made.folder / "tasks" / "filter_change.yaml")
    assert task.step_ids == SOP
    assert (task.pass_score, task.retrain_score) == (90, 80)
    for label in made.labels:
        sidecar = read_sidecar(made.folder / (label["file"] + ".json"))
        assert (sidecar.person, sidecar.source_video) == (label["person"], None)
    tasks = json.loads((made.folder / "tasks.json").read_text())
    assert [sorted(task) for task in tasks] == [["domain", "gold_files", "steps", "task"]]


def test_the_same_seed_gives_the_same_bytes_and_more_videos_change_none(tmp_path: Path) -> None:
    few = simulate(tmp_path / "few", seed=3, golds=1, trainees=2, **SMALL)
    simulate(tmp_path / "more", seed=3, golds=2, trainees=3, **SMALL)
    first, more = files_below(few.folder), files_below(tmp_path / "more")
    videos = [name for name in first if name.startswith("videos/")]
    assert len(videos) == 6
    assert all(first[name] == more[name] for name in videos)
    simulate(few.folder, seed=3, golds=1, trainees=2, **SMALL)
    assert files_below(few.folder) == first
    other = simulate(tmp_path / "other", seed=4, golds=1, trainees=0, **SMALL)
    assert other.golds[0].read_bytes() != few.golds[0].read_bytes()


def test_progress_is_told_before_each_video(tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    simulate(tmp_path, seed=1, golds=1, trainees=1, on_progress=lambda *now: told.append(now), **SMALL)
    assert told == [(0, 2, "gold_001"), (1, 2, "trainee_001")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variants": ["swapped"]}, "expected one of correct"),
        ({"variants": ["freeze:forever"]}, "expected one of the modes stays, resumes"),
        ({"persons": ["p01", "p02"]}, "expected at least 3 different ones"),
        ({"persons": ["p01", "p02", "nobody"]}, "nobody"),
        ({"sites": ["site_c"]}, "expected some of site_a, site_b"),
        ({"size": (161, 112)}, "expected even sides"),
        ({"golds": 0, "trainees": 0}, "at least one video"),
        ({"step_seconds": float("nan")}, "expected both above 0"),
        ({"step_seconds": float("inf")}, "expected both above 0"),
    ],
)
def test_impossible_requests_are_refused_before_anything_is_written(
    tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        simulate(tmp_path / "out", **{"seed": 1, "golds": 1, "trainees": 1, **SMALL, **options})  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


ALL_MODES = [f"{variant}:{mode}".rstrip(":") for variant, modes in MODES.items() for mode in modes]


def _plan(text: str, name: str, *, pauses: bool = False) -> Plan:
    rng = np.random.default_rng([7, 1, *name.encode()])
    return make_plan(text, person=PEOPLE["p05"], fps=10, step_seconds=0.8, pauses=pauses, rng=rng)


@settings(max_examples=150, deadline=None)
@given(text=st.sampled_from(ALL_MODES), name=st.integers(0, 10_000), pauses=st.booleans())
def test_labels_agree_with_any_plan(text: str, name: int, pauses: bool) -> None:
    plan = _plan(text, f"trainee_{name}", pauses=pauses)
    label = label_fields(plan, fps=10, source="simulated", tempo=1.0)
    steps: list[dict] = label["steps"]  # type: ignore[assignment, type-arg]
    assert [step["start_sec"] for step in steps] == [0, *(step["end_sec"] for step in steps[:-1])]
    assert steps[-1]["end_sec"] == label["duration_sec"]
    known = {*SOP, *WRONG_ACTIONS, "drive_screws", "__idle__", "__frozen__"}
    for step in steps:
        assert step["start_sec"] < step["end_sec"]
        assert step["label"] in known
        assert (step["gold_step"] is not None) == (step["label"] in SOP)
    for deviation in label["deviations"]:  # type: ignore[attr-defined]
        partly = deviation.get("partial_gold_steps", [])
        assert [step["gold_step"] for step in steps if step["truncated"]] == partly or not partly
        assert all(0 < share < 1 for share in deviation.get("visible_fraction", {}).values())
