"""Commands that are killed on the way from a drop to a dossier, and the home that they leave."""

from __future__ import annotations

import math
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

import psutil

from sopilot_assets_tests.soak.same import differences, doubled_rows, torn_databases, unfinished
from sopilot_assets_tests.soak.way import Command, commands, prepare

PRELOADED: Final = (
    "sopilot_assets.cli",
    "sopilot_assets.local_run",
    "sopilot_assets.capture.drain",
    "sopilot_assets.dossier.package",
    "sopilot_assets_tests.soak.killing",
)
"""Imported once by the server that forks each command, so that a kill does not cost the time of importing."""

ONE_EACH: Final = (("videos", "key"), ("scores", "key"), ("embeddings", "key"))
END_S: Final = 60.0
LIMIT_S: Final = 900.0
RECORDINGS_SEED: Final = 3


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill: which command, after how many seconds, and whether its child processes were killed too."""

    command: str
    after_s: float
    group: bool


@dataclass
class Tally:
    """What was done and what was found."""

    kills: list[Kill] = field(default_factory=list)
    homes: int = 0
    swept: int = 0
    faults: list[str] = field(default_factory=list)


Say = Callable[[str], None]


class Runner:
    """Starts the commands as processes of their own, forked from one that has imported everything."""

    def __init__(self, preloaded: Sequence[str] = PRELOADED) -> None:
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(list(preloaded))

    def start(self, home: Path, words: Sequence[str]) -> BaseProcess:
        """The running command."""
        process = self.context.Process(target=run_command, args=(str(home), tuple(words)))
        process.start()
        return process

    def finish(self, home: Path, command: Command) -> float:
        """Seconds that the command took, undisturbed; RuntimeError where it did not go through."""
        started_s = time.monotonic()
        process = self.start(home, command.words)
        process.join(LIMIT_S)
        if process.exitcode != 0:
            process.kill()
            raise RuntimeError(f"{command.name}: exit code {process.exitcode}; see {home.parent}/said.txt")
        return time.monotonic() - started_s


def run_command(home: str, words: tuple[str, ...]) -> None:
    """One command line of the product in this process, which leads a group of its own."""
    from sopilot_assets.cli import app

    os.setsid()
    said = os.open(str(Path(home).parent / "said.txt"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(said, stream)
    sys.stdin = open(os.devnull)  # noqa: PTH123, SIM115 - it goes with the process
    app(["--home", home, *words], prog_name="sopilot")


def killed(process: BaseProcess, after_s: float, *, group: bool) -> bool:
    """Whether the process was still at work when it was killed; its children are gone when this returns."""
    process.join(after_s)
    if process.exitcode is not None:
        return False
    children = list[psutil.Process]()
    with suppress(ProcessLookupError, psutil.NoSuchProcess):  # it may end at this very moment
        children = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGKILL) if group else process.kill()
    process.join(END_S)
    if process.exitcode == 0:
        return False
    # Dagster copies a run's output by `tail`, which nobody ends where its watcher was not started yet
    for one in children:
        with suppress(psutil.NoSuchProcess):
            if one.name() == "tail" and one.ppid() != process.pid:
                one.terminate()
    _, alive = psutil.wait_procs(children, timeout=END_S)
    if alive:
        raise RuntimeError(f"{alive}: still at work {END_S:g} s after their parent was killed")
    return True


def one_home(
    runner: Runner,
    template: Path,
    folder: Path,
    usual_s: dict[str, float],
    chance: random.Random,
    *,
    wanted: int,
) -> list[Kill]:
    """Take a copy of the template along the way, killed up to ``wanted`` times; returns the kills."""
    home, kills = folder / "home", list[Kill]()
    shutil.copytree(template / "home", home)
    way = commands(template)
    # by the root of its time, so that short commands are met too
    weights = [math.sqrt(usual_s[command.name]) for command in way]
    planned = chance.choices(range(len(way)), weights, k=wanted)
    for number, command in enumerate(way):
        for attempt in range(planned.count(number)):
            # what is done stays done, so that each attempt has less left to do
            after_s = chance.uniform(0.0, usual_s[command.name]) * 0.8**attempt
            group = chance.random() < 0.5
            process = runner.start(home, command.words)
            if not killed(process, after_s, group=group):
                break
            kills.append(Kill(command.name, round(after_s, 3), group))
        runner.finish(home, command)
    return kills


def checked(home: Path, calm: Path) -> list[str]:
    """Everything that is wrong with a home that was killed on its way."""
    faults = differences(calm, home) + doubled_rows(home, ONE_EACH) + torn_databases(home)
    left = [str(path.relative_to(home)) for path in (home / "capture").rglob("*.mp4")]
    return faults + [f"{name}: still in the capture folder" for name in left]


def kill_on_the_way(folder: Path, *, kills: int, each: int, seed: int, say: Say) -> Tally:
    """Kill until there were enough; each home is killed ``each`` times at most.

    ``seed`` draws the moments; the recordings are the same for every seed, since not every six can be split
    for a study.
    """
    runner, chance, tally = Runner(), random.Random(seed), Tally()
    template, calm = folder / "template", folder / "calm"
    template.mkdir()
    prepare(template, seed=RECORDINGS_SEED)
    shutil.copytree(template / "home", calm / "home")
    runner.finish(calm / "home", Command("warm", ("recording", "list")))
    usual_s = {command.name: runner.finish(calm / "home", command) for command in commands(template)}
    say("undisturbed: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in usual_s.items()))
    while len(tally.kills) < kills:
        place = folder / f"killed_{tally.homes}"
        place.mkdir()
        wanted = min(each, kills - len(tally.kills))
        tally.kills += one_home(runner, template, place, usual_s, chance, wanted=wanted)
        tally.homes += 1
        tally.swept += len(unfinished(place / "home"))
        found = checked(place / "home", calm / "home")
        tally.faults += [f"home {tally.homes}: {fault}" for fault in found]
        say(f"{len(tally.kills)} of {kills} kills, {tally.homes} homes, {len(tally.faults)} faults")
        if not found:
            shutil.rmtree(place)
    return tally


def table(tally: Tally) -> str:
    """The kills by command, and what came of them, in Markdown."""
    names = sorted({kill.command for kill in tally.kills})
    lines = ["| killed during | kills | with its children | earliest s | latest s |", "|---|---|---|---|---|"]
    for name in names:
        of = [kill for kill in tally.kills if kill.command == name]
        times = [kill.after_s for kill in of]
        groups = sum(kill.group for kill in of)
        lines.append(f"| {name} | {len(of)} | {groups} | {min(times):.2f} | {max(times):.2f} |")
    sums = (
        f"{len(tally.kills)} kills in {tally.homes} homes. Unfinished files left behind, never read: "
        f"{tally.swept}. Lost, doubled, torn or different: {len(tally.faults)}"
    )
    lines += ["", sums, *tally.faults]
    return "\n".join(lines)


def working_folder(wanted: Path | None) -> Path:
    """The folder to work in: ``wanted``, or a temporary one in memory where there is such a place. kill -9
    leaves what was written, flushed or not, so that a disk would only be slower.
    """
    memory = Path("/dev/shm")
    place = wanted or Path(tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else None))
    place.mkdir(parents=True, exist_ok=True)
    return place


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
