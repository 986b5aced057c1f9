"""The README's task of one's own can be made as it stands there, with Dagster's daemon at work meanwhile."""

from __future__ import annotations

import csv
import shutil
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from sopilot_assets.capture.simulate.dataset import simulate
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.home import HOME_VARIABLE, Home
from sopilot_assets_tests.cli.following import WITH_DAEMON, commands, daemon, run

pytestmark = pytest.mark.whole

README = Path(__file__).parents[2] / "README.md"
GOLDS = ("take_01.mp4", "take_02.mp4", "take_03.mp4", "take_04.mp4", "take_05.mp4")
TRAINEES = ("IMG_0001.mp4", "IMG_0002.mp4", "take_07.mp4")
FIRST_STEPS = {"lift_off_cover": "drain", "oil_gasket": "filter", "close_housing": "fill"}
"""The last of the simulated steps that each step of the README's task stands for."""
DEADLINE_S = 600.0

EDITOR = f"""#!{sys.executable}
import shutil, sys
from pathlib import Path
file = Path(sys.argv[1])
if file.name == "steps.csv":
    shutil.copy(Path(__file__).with_name("steps.csv"), file)
else:
    file.write_text(file.read_text("utf-8").replace("lite0_box", "color_motion"), "utf-8")
"""
"""Writes down when the golds' steps begin and end, and takes the embedder that costs least."""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home folder of a person with recordings, an editor and an empty working folder, in which we are."""
    person, work = tmp_path / "person", tmp_path / "work"
    work.mkdir()
    made = simulate(
        tmp_path / "made",
        seed=7,
        golds=len(GOLDS),
        trainees=len(TRAINEES),
        size=(320, 240),
        fps=6,
        step_seconds=2.0,
        sites=("site_a",),
    )
    for folder, names, videos in (("golds", GOLDS, made.golds), ("monday", TRAINEES, made.trainees)):
        (person / "recordings" / folder).mkdir(parents=True)
        for name, video in zip(names, videos, strict=True):
            shutil.copy(video, person / "recordings" / folder / name)
    _write_steps(made.steps_csv, person / "steps.csv")
    (person / "editor").write_text(EDITOR, "utf-8")
    (person / "editor").chmod(0o755)
    monkeypatch.setenv("HOME", str(person))
    monkeypatch.setenv("EDITOR", str(person / "editor"))
    monkeypatch.delenv(HOME_VARIABLE, raising=False)
    monkeypatch.chdir(work)
    return work


def _write_steps(simulated: Path, path: Path) -> None:
    """The golds' steps.csv of the README's task, from that of the simulated one."""
    lines = ["video,step,start_s,end_s"]
    begun_s = ""
    with simulated.open(encoding="utf-8") as sheet:
        for row in csv.DictReader(sheet):
            begun_s = begun_s or row["start_s"]
            if row["step"] in FIRST_STEPS:
                name = GOLDS[int(row["video"].removeprefix("gold_").removesuffix(".mp4")) - 1]
                lines.append(f"{name},{FIRST_STEPS[row['step']]},{begun_s},{row['end_s']}")
                begun_s = ""
    path.write_text("\n".join(lines) + "\n", "utf-8")


def section(head: str) -> str:
    """The text of the README below a heading."""
    return README.read_text("utf-8").split(f"## {head}\n")[1].split("\n## ")[0]


def wait_for_scores(home: Home) -> None:
    """Until the daemon has scored every trainee and lists them; fails after `DEADLINE_S`."""
    page, end = home.reviews / "index.html", time.monotonic() + DEADLINE_S
    while not (page.exists() and all(name in page.read_text("utf-8") for name in TRAINEES)):
        assert time.monotonic() < end, f"not scored and listed within {DEADLINE_S:.0f} s"
        time.sleep(1)


@pytest.mark.skipif(not WITH_DAEMON, reason="thorough form: SOPILOT_WITH_DAEMON=1")
def test_a_task_of_ones_own_can_be_made_as_the_readme_says(desk: Path) -> None:
    home = Home.at(desk / "sopilot_home")
    followed = [one for one in commands(section("Your own task")) if not one[0].startswith("source ")]
    with ExitStack() as running:
        for command, expected in followed:
            if command == "sopilot capture register":  # with `make dev`, nothing more to do
                wait_for_scores(home)
            code, output = run(command)
            assert code == expected, f"{command}: exit code {code}, the README says {expected}\n{output}"
            if command == "sopilot home init":
                running.enter_context(daemon(home))
    assert len(followed) > 15
    scored = scores_ledger(home).latest()
    assert {*TRAINEES, *GOLDS[1:]} <= set(scored["original_name"])
    page = (home.reviews / "index.html").read_text("utf-8")
    assert [name for name in TRAINEES if name not in page] == []
    assert run("sopilot score list --stale --json") == (0, "[]\n\nNone")
