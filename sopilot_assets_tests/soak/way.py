"""The way from dropped recordings to a dossier, as the commands that a person types."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sopilot_assets.capture.simulate.dataset import SimulatedSet, simulate
from sopilot_assets.dossier.signing import new_key
from sopilot_assets.labels.sheet_files import write_sheet
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.publish import file_sha256
from sopilot_assets.studies.profiles import gate_profile
from sopilot_assets.tasks import lock_task
from sopilot_assets_tests.defs.conftest import add_task, drop, drop_steps

TASK: Final = "filter_change"
STUDY: Final = "spring"
RATERS: Final = ("ann", "bob")
LOCKED_AT: Final = datetime(2026, 3, 2, 8, tzinfo=UTC)
VARIANTS: Final = ("correct", "missing_step:one")


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the way: its name, and the words after ``sopilot``."""

    name: str
    words: tuple[str, ...]


def commands(folder: Path) -> tuple[Command, ...]:
    """From intake to the dossier; ``folder`` holds the sheets that were filled in."""
    return (
        Command("intake", ("capture", "register")),
        Command("score", ("score", "run")),
        *(
            Command(f"labels of {who}", ("label", "import", TASK, str(folder / f"{who}.csv")))
            for who in RATERS
        ),
        Command("register", ("study", "register", STUDY, "--by", "tests")),
        Command("study", ("study", "run", STUDY)),
    )


def prepare(folder: Path, *, seed: int, trainees: int = 6) -> Home:
    """A home with a drop that nobody has taken in yet, a study file and a signing key, and beside it the
    filled-in sheets.
    """
    made = simulate(
        folder / "simulated",
        seed=seed,
        golds=3,
        trainees=trainees,
        variants=VARIANTS,
        sites=("site_a",),
        size=(160, 120),
        fps=6,
        step_seconds=4.0,
    )
    _give_each_a_person(made.trainees)
    home = Home.at(folder / "home")
    add_task(home, made)
    lock_task(home.tasks / f"{TASK}.yaml", locked_at=LOCKED_AT)
    drop_steps(home, made)
    drop(home, made.golds, "gold")
    drop(home, made.trainees, "trainee")
    for who in RATERS:
        _fill_sheet(folder / f"{who}.csv", made, who)
    _write_study(home)
    new_key(home.keys)
    return home


def _give_each_a_person(videos: Sequence[Path]) -> None:
    for number, video in enumerate(videos):
        sidecar = video.with_name(f"{video.name}.json")
        person = {"person": f"person_{number:02d}", "session": f"session_{number:02d}"}
        sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), **person}), encoding="utf-8")


def _fill_sheet(path: Path, made: SimulatedSet, who: str) -> None:
    rows = [
        {
            "key": str(PartitionKey(TASK, "trainee", file_sha256(video)[:12])),
            "who": who,
            "source": "blind_human",
            "critical_expected": "yes" if number % len(VARIANTS) else "no",
        }
        for number, video in enumerate(made.trainees)
    ]
    write_sheet(path, ("key", "who", "source", "critical_expected"), rows)


def _write_study(home: Home) -> None:
    """A study whose gates are all off: it shall come to a dossier, whatever the figures of so few are."""
    profile = gate_profile("legacy_poc")
    study = {
        "study_id": STUDY,
        "title": "From a drop to a dossier",
        "task": TASK,
        "gate_profile": "legacy_poc",
        "gate_overrides": [
            {"check": check, "threshold": None, "reason": "too few recordings for any figure"}
            for check in profile.thresholds
        ],
        "detectors": ["legacy_binary"],
        "use_intervals": False,
    }
    path = Path(str(home.studies)) / f"{STUDY}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(study), encoding="utf-8")  # JSON is YAML
