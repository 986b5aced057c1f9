"""kill -9 at random moments while one of many people is erased.

    python -m sopilot_assets_tests.soak.erasures --people 30 --kills 100 --seed 3

A home goes the whole way from a drop to a dossier. In copy after copy of it the same person is erased, killed
at random moments and called again. After each kill chains and dossier have to verify; at the end nothing of
the person's pictures may be left, in the next backup neither, and the scores of all others have to be the
same to the byte. Exit code 1 where anything else is found.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sopilot_assets.capture.erasures import ErasureChange, erasures
from sopilot_assets.capture.registry import Recording, Registry
from sopilot_assets.dossier.verifier.files import read_files
from sopilot_assets.dossier.verifier.verify import verify_files
from sopilot_assets.errors import SopilotError
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import plain_rows
from sopilot_assets.upkeep.backup.routine import back_up
from sopilot_assets.upkeep.chains import event_chains
from sopilot_assets.upkeep.erasing.plan import saved_plans
from sopilot_assets_tests.soak.killing import RECORDINGS_SEED, Runner, killed, say, working_folder
from sopilot_assets_tests.soak.way import Command, commands, prepare
from sopilot_assets_tests.upkeep.erasing.leftovers import Traces, traces_of

EACH: Final = 10
"""Kills at most in one home: each has less left to do."""


@dataclass
class Found:
    """What was done and what was wrong."""

    kills: list[float] = field(default_factory=list)
    homes: int = 0
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Scene:
    """The home before: who is erased, what has to be gone (names of files may stay in tables that a study or
    a signature holds), and the rows that have to stay.
    """

    folder: Path
    person: str
    keys: frozenset[str]
    traces: Traces
    names: Traces
    others: tuple[str, ...]

    @property
    def erase(self) -> Command:
        """The command that is killed."""
        return Command("erase", ("person", "erase", self.person, "--by", "tests", "--reason", "asked"))


def build(folder: Path, runner: Runner, *, people: int) -> Scene:
    """A home with a dossier and two backups, and the person whose pictures the dossier shows, if any."""
    prepare(folder, seed=RECORDINGS_SEED, trainees=people)
    for command in commands(folder):
        runner.finish(folder / "home", command)
    home = Home.at(folder / "home")
    for hour in (1, 2):
        back_up(home, str(folder / "backup"), now=datetime(2026, 3, 2, hour, tzinfo=UTC))
    shown = sorted(path.name for path in (folder / "home" / "dossiers").glob("*/*/stills/*"))
    one = chosen(home, shown)
    own = [other for other in Registry.read(home).recordings.values() if other.person == one.person]
    keys = frozenset(str(other.key) for other in own)
    names = Traces(frozenset(), frozenset(), tuple(other.original_name.encode() for other in own))
    return Scene(folder, str(one.person), keys, traces_of(home, keys, ()), names, rows_but(home, keys))


def chosen(home: Home, shown: list[str]) -> Recording:
    """A trainee that is in the dossier's pictures, or any."""
    trainees = [one for one in Registry.read(home).recordings.values() if one.role == "trainee"]
    return min(trainees, key=lambda one: (str(one.key) not in shown, str(one.person)))


def rows_but(home: Home, keys: frozenset[str]) -> tuple[str, ...]:
    """All rows of others' scores, as text."""
    rows = plain_rows(scores_ledger(home).all_rows())
    return tuple(repr(sorted(row.items())) for row in rows if row["key"] not in keys)


def erased_with_kills(
    scene: Scene, runner: Runner, place: Path, chance: random.Random, usual_s: float, *, wanted: int
) -> Iterator[tuple[float, list[str]]]:
    """Erase the person in a copy of the home, killed up to so many times: the moment of each kill, and what
    was wrong after it.
    """
    shutil.copytree(scene.folder / "home", place / "home")
    for attempt in range(wanted):
        after_s = chance.uniform(0.0, usual_s) * 0.9**attempt
        process = runner.start(place / "home", scene.erase.words)
        if not killed(process, after_s, group=chance.random() < 0.5):
            break
        yield after_s, list(unsound(Home.at(place / "home")))
    if not done(Home.at(place / "home")):
        runner.finish(place / "home", scene.erase)


def done(home: Home) -> bool:
    """Whether the tombstones are there and the plan is gone."""
    told = {one.change for one in erasures(home).values()}
    return told == {ErasureChange.ERASED} and not list(saved_plans(home))


def unsound(home: Home) -> Iterator[str]:
    """Chains and dossiers that do not verify."""
    for chain in event_chains(home):
        try:
            for task_id in chain.tasks():
                chain.read(task_id)
        except SopilotError as error:
            yield f"{chain.ledger.name}: {error}"
    for path in sorted(Path(str(home.dossiers)).glob("*/*/dossier.json")):
        found = verify_files(read_files(path.parent), use_ssh_keygen=False)
        if not found.ok:
            yield f"{path.parent.name}: {found.findings.bad_files}"


def wrong(scene: Scene, place: Path) -> Iterator[str]:
    """What is wrong with a home in which the person is erased, and with its next backup."""
    home = Home.at(place / "home")
    yield from unsound(home)
    if not done(home):
        yield "the erasure is not done"
    yield from scene.traces.left_in(place / "home")
    held = (".csv", ".zip: 1 pieces")
    for one in scene.names.left_in(place / "home"):
        if not (one.startswith(("studies/", "dossiers/")) and any(end in one for end in held)):
            yield one
    if rows_but(home, scene.keys) != scene.others:
        yield "scores of others changed"
    for path in sorted(Path(str(home.dossiers)).glob("*/*/dossier.json")):
        found = verify_files(read_files(path.parent), use_ssh_keygen=False)
        if found.erased.recordings != scene.keys or not found.erased.signed:
            yield f"{path.parent.name}: says that {sorted(found.erased.recordings)} were erased"
    shutil.copytree(scene.folder / "backup", place / "backup")
    back_up(home, str(place / "backup"), now=datetime.now(UTC))
    yield from (f"backup: {one}" for one in scene.traces.left_in(place / "backup"))


def kill_erasures(folder: Path, *, people: int, kills: int, seed: int, say: Callable[[str], None]) -> Found:
    """Kill until there were enough; every home that has no fault is removed."""
    runner, chance, found = Runner(), random.Random(seed), Found()
    scene = build(folder / "before", runner, people=people)
    say(f"{people} people; {scene.person} is erased; {len(scene.traces.pieces)} pieces have to be gone")
    if not scene.traces.left_in(scene.folder / "home") or not scene.traces.left_in(scene.folder / "backup"):
        raise RuntimeError("nothing of the person is found before: the search is of no use")
    shutil.copytree(scene.folder / "home", folder / "calm" / "home")
    runner.finish(folder / "calm" / "home", Command("warm", ("person", "list")))
    usual_s = runner.finish(folder / "calm" / "home", scene.erase)
    found.faults += [f"undisturbed: {one}" for one in wrong(scene, folder / "calm")]
    say(f"undisturbed: {usual_s:.1f} s, {len(found.faults)} faults")
    while len(found.kills) < kills:
        place = folder / f"killed_{found.homes}"
        wanted = min(EACH, kills - len(found.kills))
        faults = list[str]()
        for after_s, after_kill in erased_with_kills(scene, runner, place, chance, usual_s, wanted=wanted):
            found.kills.append(after_s)
            faults += [f"killed after {after_s:.2f} s: {one}" for one in after_kill]
        faults += wrong(scene, place)
        found.homes += 1
        found.faults += [f"home {found.homes}: {one}" for one in faults]
        say(f"{len(found.kills)} of {kills} kills, {found.homes} homes, {len(found.faults)} faults")
        if not faults:
            shutil.rmtree(place)
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--people", type=int, default=30, help="trainees, each a person (30)")
    parser.add_argument("--kills", type=int, default=100, help="how many (100)")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="an empty folder to work in (a temporary one)")
    asked = parser.parse_args()
    place = working_folder(asked.folder)
    found = kill_erasures(place, people=asked.people, kills=asked.kills, seed=asked.seed, say=say)
    after = f"{min(found.kills):.2f} to {max(found.kills):.2f} s" if found.kills else "none"
    say(f"{len(found.kills)} kills in {found.homes} homes, after {after}. Faults: {len(found.faults)}")
    for one in found.faults[:40]:
        say(f"  {one}")
    if found.faults:
        sys.exit(f"The homes with faults are kept below {place}.")
    shutil.rmtree(place)


if __name__ == "__main__":
    main()
