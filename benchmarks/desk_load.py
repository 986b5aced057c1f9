"""Many people at the desk at once: whether anything fails, is lost or doubled, and how long they wait.

A copy of a home with results is served by uvicorn on loopback, with one process and with several. Trainers,
trainees and raters, each with an account and a session, read, say what they think of results, mark steps and
upload recordings, by chance and for so many seconds. Then every mark, comment and upload that the desk said
it has taken is looked for, and the chains are verified:

    python -m benchmarks.desk_load --home HOME
    python -m benchmarks.desk_load --home HOME --workers 1 4 --people 20 --seconds 300 --out desk_load.md

Pictures and videos are made before, as after the first look. Times are those of who asks, on this machine,
which also runs the people. The intake does not run meanwhile: uploads wait in the capture folder.
"""

from __future__ import annotations

import argparse
import math
import os
import secrets
import shutil
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Final

from benchmarks._desk_checks import captured, faults
from benchmarks._desk_people import Asked, Film, Person, Told
from benchmarks._desk_served import served_desk
from sopilot_assets.capture.registry import Recording, Registry
from sopilot_assets.desk.accounts import Account, add_account
from sopilot_assets.desk.log import SHELL, Doer
from sopilot_assets.desk.roles import Role
from sopilot_assets.stations.marking_media import film_of, strip_of
from sopilot_assets.stations.media import make_stills, make_video, thumbnail_ms
from sopilot_assets.stations.review_now import result_now, stills_shown
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path

_ROLES: Final = (Role.TRAINER, Role.TRAINEE, Role.RATER, Role.TRAINER, Role.TRAINEE)
"""Of five people each, in this order."""
_LEFT_OUT: Final = ("desk", "dagster", "demo", "uploads")
"""Folders of a home that the copy does without: accounts of others, runs, and what is under way."""
_SHOWN_FAULTS: Final = 20
_TOLD: Final = (
    "Written by `python -m benchmarks.desk_load --people {people} --seconds {seconds:g} --think {think:g} "
    "--seed {seed}`.\n\n{people} people at once look at each page for up to {think:g} s"
)
_SETTING: Final = (
    " (at least {least:g}): {who}. The desk is on loopback of a machine with {cores} cores, on which the\n"
    "people run, too. Times are in milliseconds, from the request to the last byte of the answer; *1 ×* is\n"
    "one server process. Every mark, comment and upload that the desk said it has taken was looked for\n"
    "afterwards, and the chains were verified. The intake and the daily merging of ledger files did not run."
)


@dataclass(frozen=True, slots=True)
class Load:
    """So many people, for so long, who look at a page for up to ``think_s`` seconds."""

    people: int
    seconds: float
    think_s: float
    seed: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one run: ``wrong`` is what failed, was lost, doubled or damaged."""

    workers: int
    told: tuple[Told, ...]
    wrong: tuple[str, ...]
    server_cpu_s: float
    people_cpu_s: float
    lasted_s: float
    largest_mib: float

    def asked(self, kind: str | None = None) -> list[Asked]:
        """The requests of a kind, or all."""
        return [one for person in self.told for one in person.asked if kind in (None, one.kind)]


def main() -> None:
    """Measure, print, and exit with 1 where anything was wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", type=Path, required=True, help="a home with results; it is copied")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4], help="server processes (1 4)")
    parser.add_argument("--people", type=int, default=20, help="people at once (default 20)")
    parser.add_argument("--seconds", type=float, default=300.0, help="how long each run lasts (300)")
    parser.add_argument("--think", type=float, default=4.0, help="longest look at a page, in s (default 4)")
    parser.add_argument("--seed", type=int, default=1, help="of what people do (default 1)")
    parser.add_argument("--out", type=Path, help="the file that the table is written to")
    options = parser.parse_args()
    load = Load(options.people, options.seconds, options.think, options.seed)
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepared_home(Home.at(options.home), Path(folder) / "prepared")
        outcomes = [measured(prepared, Path(folder) / f"with_{n}", n, load) for n in options.workers]
    text = report(outcomes, load)
    print(text)
    if options.out is not None:
        options.out.write_text(text, encoding="utf-8")
    if any(one.wrong for one in outcomes):
        raise SystemExit(1)


def prepared_home(source: Home, root: Path) -> Home:
    """A copy of a home in which every picture and video that pages show is made."""
    shutil.copytree(
        local_path(source.root),
        root,
        ignore=lambda folder, _: _LEFT_OUT if Path(folder) == local_path(source.root) else (),
    )
    home = Home.at(root)
    for one in Registry.read(home).recordings.values():
        told = result_now(home, one.key)
        shown = [] if told is None else stills_shown(told, one)
        make_stills(home, [(one, thumbnail_ms(one.duration_s)), *shown])
        make_video(home, one)
        if one.role == "gold":
            film_of(home, one)
            strip_of(home, one)
    return home


def measured(prepared: Home, root: Path, workers: int, load: Load) -> Outcome:
    """One run on a copy of the prepared home."""
    home = Home.at(shutil.copytree(local_path(prepared.root), root))
    recordings = [one for one in Registry.read(home).recordings.values() if one.retired is None]
    password = secrets.token_urlsafe(16)
    accounts = list(_accounts(recordings, load.people))
    for account in accounts:
        add_account(home, account, password=password, by=Doer("load", SHELL, datetime.now(UTC)))
    before, log = captured(home), root.parent / f"desk_{workers}.log"
    with served_desk(home, workers, log) as desk:
        film = _film(home, recordings)
        people = [
            Person(desk.address, one, film, seed=f"{load.seed} {one.who}", think_s=load.think_s)
            for one in accounts
        ]
        cpu_s, own_cpu_s, began = desk.cpu_s(), time.process_time(), time.monotonic()
        _all_at_work(people, password, began + load.seconds)
        lasted_s = time.monotonic() - began
        largest_mib = desk.largest_mib()
        server_cpu_s, people_cpu_s = desk.cpu_s() - cpu_s, time.process_time() - own_cpu_s
    told = tuple(one.told for one in people)
    wrong = [f"{one.kind}: {one.wrong}" for one in (a for t in told for a in t.asked) if one.wrong]
    wrong += faults(home, told, captured_before=before)
    wrong += [f"server: {line}" for line in log.read_text("utf-8", errors="replace").splitlines() if line]
    return Outcome(workers, told, tuple(wrong), server_cpu_s, people_cpu_s, lasted_s, largest_mib)


def _all_at_work(people: Sequence[Person], password: str, until: float) -> None:
    all_there = threading.Barrier(len(people))
    threads = [threading.Thread(target=one.work, args=(password, until, all_there)) for one in people]
    for one in threads:
        one.start()
    for one in threads:
        one.join()


def _accounts(recordings: Sequence[Recording], people: int) -> Iterator[Account]:
    persons = cycle(sorted({str(one.person) for one in recordings if one.role == "trainee" and one.person}))
    for number, role in zip(range(people), cycle(_ROLES), strict=False):
        person = next(persons) if role is Role.TRAINEE else None
        yield Account(f"load{number:02d}", role, person)


def _film(home: Home, recordings: Sequence[Recording]) -> Film:
    """What people upload: the smallest recording of the home, as it is stored."""
    paths = {path: path.stat().st_size for path in local_path(home.videos).glob("*.mp4")}
    trainee = next(one for one in recordings if one.role == "trainee")
    smallest = min(paths, key=lambda path: paths[path])
    return Film(smallest.read_bytes(), trainee.task_id, str(trainee.site))


def report(outcomes: Sequence[Outcome], load: Load) -> str:
    """The table, in Markdown."""
    kinds = sorted({one.kind for each in outcomes for one in each.asked()})
    heads = [f"{each.workers} × requests | median | p95 | max" for each in outcomes]
    lines = [
        "# The desk with many people at once",
        "",
        _TOLD.format(people=load.people, seconds=load.seconds, think=load.think_s, seed=load.seed)
        + _SETTING.format(who=_who_they_are(load.people), least=load.think_s / 4, cores=os.cpu_count()),
        "",
        f"| request | {' | '.join(heads)} |",
        f"| --- |{' ---: | ---: | ---: | ---: |' * len(outcomes)}",
    ]
    lines += [f"| {kind} | {' | '.join(_figures(each.asked(kind)) for each in outcomes)} |" for kind in kinds]
    lines += [f"| **all** | {' | '.join(_figures(each.asked()) for each in outcomes)} |", ""]
    lines += [f"| | {' | '.join(f'{each.workers} ×' for each in outcomes)} |"]
    lines += [f"| --- |{' ---: |' * len(outcomes)}"]
    lines += [f"| {name} | {' | '.join(values)} |" for name, values in _totals(outcomes)]
    for each in outcomes:
        if each.wrong:
            lines += ["", f"Wrong with {each.workers} ×:", ""]
            lines += [f"- {one}" for one in each.wrong[:_SHOWN_FAULTS]]
    return "\n".join(lines) + "\n"


def _totals(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, list[str]]]:
    def row(name: str, values: Iterator[object]) -> tuple[str, list[str]]:
        return name, [str(one) for one in values]

    yield row("errors, and whatever was lost, doubled or damaged", (len(one.wrong) for one in outcomes))
    yield row("marks taken, each there once", (_sum(one, "marks") for one in outcomes))
    yield row("comments and answers taken, each there once", (_sum(one, "comments") for one in outcomes))
    yield row("uploads landed, each there once", (_sum(one, "uploads") for one in outcomes))
    again = [sum((Counter(person.again) for person in one.told), Counter()) for one in outcomes]
    for what in sorted({name for one in again for name in one}):
        yield row(what, (one[what] for one in again))
    yield row("requests a second", (f"{len(one.asked()) / one.lasted_s:.1f}" for one in outcomes))
    yield row("CPU of the servers, s", (f"{one.server_cpu_s:.0f}" for one in outcomes))
    yield row("CPU of the servers a request, ms", (f"{_cpu_ms(one):.0f}" for one in outcomes))
    yield row(
        "memory of the largest server process at the end, MiB", (f"{one.largest_mib:.0f}" for one in outcomes)
    )
    yield row("CPU of the people, s", (f"{one.people_cpu_s:.0f}" for one in outcomes))
    yield row("seconds", (f"{one.lasted_s:.0f}" for one in outcomes))


def _sum(outcome: Outcome, what: str) -> int:
    return sum(len(getattr(person, what)) for person in outcome.told)


def _cpu_ms(outcome: Outcome) -> float:
    return outcome.server_cpu_s * 1000 / max(len(outcome.asked()), 1)


def _figures(asked: Sequence[Asked]) -> str:
    times = sorted(one.seconds * 1000 for one in asked if one.seconds)
    if not times:
        return "0 | | | "
    p95 = times[math.ceil(0.95 * len(times)) - 1]
    return f"{len(times)} | {statistics.median(times):.0f} | {p95:.0f} | {times[-1]:.0f}"


def _who_they_are(people: int) -> str:
    counted = Counter(role for _, role in zip(range(people), cycle(_ROLES), strict=False))
    return ", ".join(f"{n} {role.value}{'s' if n > 1 else ''}" for role, n in counted.items())


if __name__ == "__main__":
    main()
