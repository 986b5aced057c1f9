"""How often the product is right on labelled recordings: a folder in ProcBench's format, or a simulated set.

    python -m benchmarks.accuracy [--root DIR] [--golds N] [--home DIR]

DIR holds labels.jsonl, tasks.json and videos/. Every recording goes through intake, embedding, reference
and scoring as in production; trainee labels are read afterwards. The figures are per task and site; they
have no intervals, and recordings of one performer are not independent.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sopilot_assets.capture.add import capture_add
from sopilot_assets.capture.simulate import simulate
from sopilot_assets.operations.drain import drain_capture
from sopilot_assets.operations.expected import Label, expectation, read_labels, reported
from sopilot_assets.operations.stations import align_videos, embed_videos, refresh_references, score_videos
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.publish import local_path, publish_text
from sopilot_assets.tasks import DeviationType, Step, new_task

WHEN = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
UNKNOWN_WORK = ("other_task", "empty_bench")


@dataclass(frozen=True)
class Judged:
    """A trainee recording's label beside its score."""

    label: Label
    critical_expected: bool
    types: frozenset[str]
    critical: bool
    probability: float
    decision: str

    @property
    def wanted(self) -> frozenset[str]:
        """The deviation types that have to be reported."""
        return frozenset(fault.type for fault in expectation(self.label).needed)

    @property
    def allowed(self) -> frozenset[str]:
        """Those that may be."""
        return self.wanted | {fault.type for fault in expectation(self.label).allowed}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, help="a folder in ProcBench's format (default: simulate one)")
    parser.add_argument("--golds", type=int, help="use only the first N golds of each task")
    parser.add_argument("--home", type=Path, help="keep the home here (default: a temporary one)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = options.root or Path(scratch) / "simulated"
        if options.root is None:
            simulate(root, seed=7, fps=15)
        started_s = time.monotonic()
        judged = judge(root, Home.at(options.home or Path(scratch) / "home"), golds=options.golds)
        show(judged, seconds=time.monotonic() - started_s)


def judge(root: Path, home: Home, *, golds: int | None) -> list[Judged]:
    """Every trainee recording of the folder, scored."""
    labels = read_labels(root / "labels.jsonl")
    for task_id in sorted({label.task for label in labels}):
        _add_task(root, home, [label for label in labels if label.task == task_id], golds=golds)
    drained = drain_capture(
        home, run_id="benchmark", now=lambda: datetime.now(UTC), wait=time.sleep, settle_s=0.1
    )
    refused = [f"{one.relative}: {one.reason}" for one in drained.outcomes if one.reason]
    Console().print(f"{len(drained.new_keys)} recordings taken in, refused: {refused or 'none'}")
    keys = [PartitionKey.parse(key) for key in drained.new_keys]
    embed_videos(home, keys, processes=2, run_id="benchmark", written_at=WHEN)
    refresh_references(home, sorted({key.task_id for key in keys}), run_id="benchmark", written_at=WHEN)
    align_videos(home, keys)
    score_videos(home, keys, run_id="benchmark", written_at=WHEN, processes=2)
    rows = {
        (row["task_id"], row["original_name"]): row for row in scores_ledger(home).latest().to_dict("records")
    }
    critical = {json.loads(line)["file"]: json.loads(line)["critical_expected"] for line in _lines(root)}
    return [
        Judged(
            label=label,
            critical_expected=critical[label.file],
            types=frozenset(fault.type for fault in reported(str(row["deviations"] or "[]"))),
            critical=bool(row["critical_deviations"] > 0),
            probability=float(row["critical_probability"]),
            decision=str(row["decision"]),
        )
        for label in labels
        if label.role == "trainee" and (row := rows.get((label.task, label.name))) is not None
    ]


def _lines(root: Path) -> list[str]:
    return (root / "labels.jsonl").read_text("utf-8").splitlines()


def _add_task(root: Path, home: Home, labels: Sequence[Label], *, golds: int | None) -> None:
    """The task with its golds' steps, and its recordings in the capture folder."""
    task_id = labels[0].task
    new_task(
        home.root, task_id, name=task_id, steps=[Step(id=step, name=step) for step in labels[0].sop_steps]
    )
    kept = [label for label in labels if label.role == "gold"][:golds]
    lines = {json.loads(line)["file"]: json.loads(line) for line in _lines(root)}
    steps = local_path(home.steps_csv(task_id))
    steps.parent.mkdir(parents=True, exist_ok=True)
    with steps.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(("video", "step", "start_s", "end_s"))
        for gold in kept:
            table.writerows(
                (gold.name, s["label"], s["start_sec"], s["end_sec"])
                for s in lines[gold.file]["steps"]
                if s["gold_step"] is not None
            )
    for label in (*kept, *(label for label in labels if label.role != "gold")):
        video = root / label.file
        capture_add(video.parent, home, task_id=task_id, role=label.role, site=label.site, pattern=video.name)
        folder = local_path(home.capture) / task_id / label.role / label.site
        person = lines[label.file]["subject_ids"][0]
        publish_text(folder / f"{video.name}.json", json.dumps({"person": person}))


def show(judged: Sequence[Judged], *, seconds: float) -> None:
    """Print the figures of each task and site."""
    table = Table(
        "task", "site", "n", "critical miss", "critical FP", "AUC", "false alarms", *DeviationType, "passed"
    )
    groups: dict[tuple[str, str], list[Judged]] = defaultdict(list)
    for one in judged:
        groups[one.label.task, "all"].append(one)
        groups[one.label.task, one.label.site].append(one)
    for (task, site), some in sorted(groups.items()):
        table.add_row(task, site, str(len(some)), *_figures(some))
    console = Console(width=200)
    console.print(table)
    console.print(f"{len(judged)} trainee recordings in {seconds:.0f} s. Per type: F1 (found/there, false).")


def _figures(some: Sequence[Judged]) -> list[str]:
    worse = [one for one in some if one.critical_expected]
    fine = [one for one in some if not one.critical_expected]
    correct = [one for one in some if one.label.variant == "correct"]
    strangers = [one for one in some if one.label.variant in UNKNOWN_WORK]
    return [
        _share(not one.critical and one.decision != "not_verifiable" for one in worse),
        _share(one.critical for one in fine),
        _auc(worse, fine),
        _share(bool(one.types) for one in correct),
        *(_f1(some, kind) for kind in DeviationType),
        _share(one.decision == "pass" for one in strangers),
    ]


def _share(hits: Iterable[bool]) -> str:
    found = list(hits)
    return f"{sum(found)}/{len(found)}" if found else "-"


def _auc(worse: Sequence[Judged], fine: Sequence[Judged]) -> str:
    """The probability that a critical recording gets the higher critical probability (Mann-Whitney)."""
    pairs = [(bad.probability, good.probability) for bad in worse for good in fine]
    return f"{sum((b > g) + 0.5 * (b == g) for b, g in pairs) / len(pairs):.3f}" if pairs else "-"


def _f1(some: Sequence[Judged], kind: DeviationType) -> str:
    there = [one for one in some if kind in one.wanted]
    found = sum(kind in one.types for one in there)
    false = sum(kind in one.types and kind not in one.allowed for one in some)
    if not there:
        return f"- ({false} false)"
    return f"{2 * found / (found + len(there) + false):.2f} ({found}/{len(there)}, {false})"


if __name__ == "__main__":
    main()
