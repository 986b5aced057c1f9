"""kill -9 at random moments of upgrading a home and of taking that back.

    python -m sopilot_assets_tests.soak.upgrade_kills --kills 100 --seed 3

A home of before 0.1.0, whose databases have an older Dagster's tables, is upgraded and taken back again and
again. Every other kill comes at any moment of the command, the others while files are being exchanged. After
each the home must be the old one, the new one, or marked as on its way, which nobody may write into and
everybody may read; its databases, ledgers and chains must be whole and its scores the same. Then the same
command is given again, or the opposite one, until it is the new or the old home to the byte. Exit code 1
where anything else is found.
"""

from __future__ import annotations

import argparse
import math
import random
import shutil
import sys
import tarfile
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, TypeAlias

from sopilot_assets.errors import FormatError
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.store.home_format import FORMAT_FILE, HOME_FORMAT, read_format
from sopilot_assets.store.publish import publish_text, sweep_unfinished
from sopilot_assets.upkeep.conditions.home import ledgers
from sopilot_assets.upkeep.conditions.situation import Situation
from sopilot_assets_tests.soak.killing import PRELOADED, Runner, killed, say
from sopilot_assets_tests.soak.same import torn_databases
from sopilot_assets_tests.soak.way import Command
from sopilot_assets_tests.upkeep.upgrade.conftest import OF_BEFORE
from sopilot_assets_tests.upkeep.upgrade.old_tables import make_older
from sopilot_assets_tests.upkeep.upgrade.tree import content

State: TypeAlias = Literal["old", "new", "on its way", "neither"]
Content: TypeAlias = dict[str, tuple[int, bytes]]

RUN: Final = Command("run", ("upgrade", "run"))
REVERT: Final = Command("revert", ("upgrade", "revert"))
IMPORTED: Final = (
    *PRELOADED,
    "sopilot_assets.cli.upgrade",
    "sopilot_assets.defs.upgrade.migrations",
    "sopilot_assets.upkeep.upgrade.run",
)


@dataclass
class Upgrading:
    """A home that is upgraded and taken back, what it is before and after, and what was found."""

    home: Path
    old: Content
    new: Content
    scores: list[tuple[str, str]]
    runner: Runner
    chance: random.Random
    usual_s: dict[str, float] = field(default_factory=dict)
    kills: Counter[tuple[str, str, State]] = field(default_factory=Counter)
    swept: int = 0
    faults: list[str] = field(default_factory=list)

    @classmethod
    def begin(cls, folder: Path, seed: int) -> Upgrading:
        """The home as it is, upgraded once and taken back without being disturbed."""
        with tarfile.open(OF_BEFORE) as archive:
            archive.extractall(folder, filter="data")
        home, runner = folder / "home", Runner(IMPORTED)
        make_older(home)
        runner.finish(home, Command("warm", ("recording", "list")))
        old, scores = content(home), _scores(home)
        up_s, new = runner.finish(home, RUN), content(home)
        usual_s = {"run": up_s, "revert": runner.finish(home, REVERT)}
        return cls(home, old, new, scores, runner, random.Random(seed), usual_s)

    def turn(self) -> None:
        """Upgrade the home, or take that back, killed once, then until it is the new or the old one."""
        command = RUN if self._state() == "old" else REVERT
        aimed = self.chance.random() < 0.5
        process = self.runner.start(self.home, command.words)
        if aimed:
            self._wait_for_exchange()
        after_s = self.chance.uniform(0, 0.1 if aimed else self.usual_s[command.name])
        if killed(process, after_s, group=self.chance.random() < 0.5):
            state = self._state()
            self.kills[command.name, "while exchanging" if aimed else "at any moment", state] += 1
            self._look(f"{command.name}, {state}", state)
            if state == "on its way" and self.chance.random() < 0.5:
                command = REVERT if command is RUN else RUN
            if not (command is REVERT and state == "old"):
                self.runner.finish(self.home, command)
        wanted: State = "new" if command is RUN else "old"
        self._look(f"after {command.name}", self._state(), wanted)

    def _wait_for_exchange(self) -> None:
        """Until the home says that it is on its way, or long enough that it does not any more."""
        until_s = time.monotonic() + 60
        before = (self.home / FORMAT_FILE).exists()
        while time.monotonic() < until_s:
            if (self.home / FORMAT_FILE).exists() != before or read_format(self.home).towards is not None:
                return

    def _state(self) -> State:
        said, found = read_format(self.home), content(self.home)
        if said.towards is not None:
            known = {name: {self.old.get(name), self.new.get(name)} for name in self.old | self.new}
            known.pop(FORMAT_FILE)
            found.pop(FORMAT_FILE)
            fits = found.keys() == known.keys() and all(found[name] in known[name] for name in known)
            return "on its way" if fits else "neither"
        if said.number == HOME_FORMAT:
            found[FORMAT_FILE] = self.new[FORMAT_FILE]  # which names this upgrade, not that one
            return "new" if found == self.new else "neither"
        return "old" if found == self.old else "neither"

    def _look(self, what: str, state: State, wanted: State | None = None) -> None:
        """Enter what is wrong with the home."""
        copy = self.home.with_name("copy")
        shutil.copytree(self.home, copy)
        self.swept = sweep_unfinished(copy, older_than_s=-math.inf, now_s=0)  # they stay in the home
        told = ledgers(Situation(Home.at(copy), datetime.now(UTC), {})).conditions
        faults = [*torn_databases(copy), *(one.what for one in told)]
        if state == "neither" or (wanted is not None and state != wanted):
            faults.append(f"expected {wanted or 'the old or the new home'}, found {state}")
        if _scores(copy) != self.scores:
            faults.append("other scores")
        if state == "on its way" and not _is_refused(copy):
            faults.append("written into on its way")
        self.faults += [f"{what}: {fault}" for fault in faults]
        shutil.rmtree(copy)

    def table(self) -> str:
        """The kills and what the home was after each, in Markdown."""
        states: tuple[State, ...] = ("old", "on its way", "new", "neither")
        lines = [f"| killed | moment | {' | '.join(states)} |", "|---|---|---|---|---|---|"]
        for command, moment in sorted({(command, moment) for command, moment, _ in self.kills}):
            counts = " | ".join(str(self.kills[command, moment, state]) for state in states)
            lines.append(f"| {command} | {moment} | {counts} |")
        lines += ["", f"Unfinished files left behind, never read: {self.swept}"]
        lines += [f"{self.kills.total()} kills. Faults: {len(self.faults)}", *self.faults]
        return "\n".join(lines)


def _scores(home: Path) -> list[tuple[str, str]]:
    rows = scores_ledger(Home.at(home)).latest()
    return sorted(zip(rows["key"], rows["decision"], strict=True))


def _is_refused(home: Path) -> bool:
    try:
        publish_text(home / "reviews" / "x.html", "x")
    except FormatError:
        return not (home / "reviews" / "x.html").exists()
    return False


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="how many (100)")
    parser.add_argument("--seed", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        upgrading = Upgrading.begin(Path(folder), asked.seed)
        while upgrading.kills.total() < asked.kills and not upgrading.faults:
            upgrading.turn()
            say(f"{upgrading.kills.total()} of {asked.kills} kills")
    say(f"{upgrading.usual_s}\n\n{upgrading.table()}")
    sys.exit(bool(upgrading.faults))


if __name__ == "__main__":
    main()
