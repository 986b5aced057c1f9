"""kill -9 after each single publication on the way from dropped recordings to a dossier.

    python -m sopilot_assets_tests.soak.after_each
    python -m sopilot_assets_tests.soak.after_each --command score --from 40

Random kills (`kills`) seldom meet the moment between two files that belong together. Here each command dies
once after each file that it publishes, itself and its children, and is called again; then the home is
compared with one in which nobody killed that command. Exit code 1 where anything differs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sopilot_assets.store import publish
from sopilot_assets_tests.soak.killing import (
    LIMIT_S,
    ONE_EACH,
    RECORDINGS_SEED,
    Runner,
    run_command,
    say,
    working_folder,
)
from sopilot_assets_tests.soak.same import differences, doubled_rows, torn_databases
from sopilot_assets_tests.soak.way import Command, commands, prepare


@dataclass(frozen=True, slots=True)
class Stage:
    """A command, the home before it and the home after it, undisturbed, and how many files it published."""

    command: Command
    before: Path
    after: Path
    published: int


def run_until(home: str, words: tuple[str, ...], counted: str, last: int) -> None:
    """One command line of the product, which dies with its children after the file of this number."""
    placed = publish._place

    def place(finished: Path, local: Path) -> None:
        placed(finished, local)
        if _count(counted) == last:
            os.killpg(0, signal.SIGKILL)

    publish._place = place
    run_command(home, words)


def _count(counted: str) -> int:
    """One more, by all processes of the command: the size of a file that each appends to."""
    descriptor = os.open(counted, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(descriptor, b".")
        return os.lseek(descriptor, 0, os.SEEK_CUR)
    finally:
        os.close(descriptor)


def stages(runner: Runner, folder: Path) -> Iterator[Stage]:
    """The whole way, undisturbed, command by command."""
    prepare(folder, seed=RECORDINGS_SEED)
    for number, command in enumerate(commands(folder)):
        before, after = (folder / f"stage_{number + more}" / "home" for more in (0, 1))
        if number == 0:
            shutil.copytree(folder / "home", before)
        shutil.copytree(before, after)
        counted = folder / f"counted_{number}"
        runs(runner, after, command, counted, last=0)
        yield Stage(command, before, after, counted.stat().st_size if counted.exists() else 0)


def runs(runner: Runner, home: Path, command: Command, counted: Path, *, last: int) -> bool:
    """Whether the command ended by itself, and was not killed after file number ``last``."""
    words = (str(home), command.words, str(counted), last)
    process = runner.context.Process(target=run_until, args=words)
    process.start()
    process.join(LIMIT_S)
    if process.exitcode not in (0, -signal.SIGKILL):
        raise RuntimeError(f"{command.name}: exit code {process.exitcode}; see {home.parent}/said.txt")
    return process.exitcode == 0


def faults_after(runner: Runner, stage: Stage, folder: Path, last: int) -> list[str]:
    """What is different where the command was killed after file number ``last`` and called again."""
    home = folder / "home"
    shutil.copytree(stage.before, home)
    if runs(runner, home, stage.command, folder / "counted", last=last):
        return [f"ended before file {last}"]
    runner.finish(home, stage.command)
    return differences(stage.after, home) + doubled_rows(home, ONE_EACH) + torn_databases(home)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--command", help="only this one (all)")
    parser.add_argument("--from", type=int, default=1, dest="first", help="from this file on (1)")
    parser.add_argument("--folder", type=Path, help="an empty folder to work in (a temporary one)")
    asked = parser.parse_args()
    runner, place, wrong = Runner(), working_folder(asked.folder), 0
    for stage in stages(runner, place):
        if asked.command not in (None, stage.command.name):
            continue
        for last in range(asked.first, stage.published + 1):
            killed = place / f"{stage.command.name.replace(' ', '_')}_{last}"
            killed.mkdir()
            faults = faults_after(runner, stage, killed, last)
            told = "; ".join(faults) or "the same"
            say(f"{stage.command.name}, after file {last} of {stage.published}: {told}")
            wrong += bool(faults)
            if not faults:
                shutil.rmtree(killed)
    if wrong:
        sys.exit(f"{wrong} homes with faults are kept below {place}.")
    shutil.rmtree(place)


if __name__ == "__main__":
    main()
