"""The image and compose.yaml tried for real: sizes and times, what can be written, and what becomes of a home
whose containers are killed while they score.

    make image && python -m benchmarks.container
    python -m benchmarks.container --engine docker --compose "docker compose" --kills 10

It needs the image and `podman-compose` (PyPI) or another compose, and no network. Home, folders and ports are
its own, and go at the end. Exit code 1 where something is lost, doubled, changed, or can be written.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")
ROOT = Path(__file__).resolve().parents[1]
PROJECT = "sopilot_trial"
SERVICES = ("daemon", "desk", "web")
WRITABLE = {"/data", "/backup", "/var/cache/sopilot", "/tmp", "/var/tmp", "/run"}  # Podman adds the last two
PATIENCE_S = 900.0

PROBE = """
import json, os
told = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
known = {*%r, "/proc", "/sys", "/dev"}
open_to_us = []
for folder, names, files in os.walk("/"):
    names[:] = [name for name in names if os.path.join(folder, name) not in known]
    paths = [folder, *(os.path.join(folder, name) for name in files)]
    open_to_us += [path for path in paths if not os.path.islink(path) and os.access(path, os.W_OK)]
print(json.dumps({
    "uid": os.getuid(), "capabilities": int(told["CapBnd"], 16), "no_new_privileges": int(told["NoNewPrivs"]),
    "read_only": bool(os.statvfs("/").f_flag & os.ST_RDONLY), "open": open_to_us}))
"""


@dataclass(frozen=True)
class Trial:
    """A project of compose: which programs, and the folder that holds what the machine would have."""

    engine: str
    compose_words: tuple[str, ...]
    image: str
    folder: Path

    def compose(self, *words: str, check: bool = True) -> str:
        """What a command of compose prints."""
        files = ("-p", PROJECT, "-f", str(ROOT / "compose.yaml"))
        environment = {
            **os.environ,
            "SOPILOT_IMAGE": self.image,
            "SOPILOT_CAPTURE": str(self.folder / "capture"),
            "SOPILOT_BACKUP": str(self.folder / "backup"),
            "SOPILOT_DESK_PORT": "18000",
            "SOPILOT_WEB_PORT": "13000",
        }
        return _run([*self.compose_words, *files, *words], environment, check=check)

    def inside(self, *words: str, check: bool = True) -> str:
        """What a command inside the daemon's container prints."""
        return self.compose("exec", "-T", "daemon", *words, check=check)

    def container(self, service: str) -> str:
        """The id of a service's container."""
        label = (
            "label=com.docker.compose.service"
            if "docker" in self.engine
            else "label=io.podman.compose.service"
        )
        project = label.replace("service", "project")
        found = _run(
            [self.engine, "ps", "-aq", "--filter", f"{label}={service}", "--filter", f"{project}={PROJECT}"]
        )
        return found.split()[0]

    def scores(self) -> dict[str, str]:
        """Every score by its recording, as text."""
        rows = json.loads(self.inside("sopilot", "score", "list", "--json") or "[]")
        return {str(row["recording"]): json.dumps(row, sort_keys=True) for row in rows}

    def is_well(self, service: str) -> bool:
        """Whether the service's own check of health passes now."""
        if "docker" in self.engine:
            state = _run([self.engine, "inspect", "-f", "{{.State.Health.Status}}", self.container(service)])
            return state.strip() == "healthy"
        asked = [self.engine, "healthcheck", "run", self.container(service)]
        return subprocess.run(asked, check=False, capture_output=True).returncode == 0


def main() -> None:
    """Try, print, and end with exit code 1 where something is wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", default="podman")
    parser.add_argument("--compose", default="podman-compose", help="default: podman-compose")
    parser.add_argument("--image", default=f"localhost/sopilot:{_version()}")
    parser.add_argument(
        "--kills", type=int, default=3, help="how often all containers are killed (default 3)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    asked = parser.parse_args()
    with _trial(asked.engine, asked.compose, asked.image) as trial:
        wrong = [*_seen(trial), *_killed(trial, asked.kills, random.Random(asked.seed)), *_ended(trial)]
    for one in wrong:
        print(f"WRONG: {one}")
    sys.exit(1 if wrong else 0)


def _seen(trial: Trial) -> Iterator[str]:
    size = int(_run([trial.engine, "image", "inspect", "-f", "{{.Size}}", trial.image]))
    print(f"image: {size / 2**20:.0f} MiB")
    _timed("compose up", lambda: trial.compose("up", "-d"))
    found = json.loads(trial.inside("python", "-c", PROBE % (sorted(WRITABLE),)))
    print(f"inside: {found}")
    expected = {"capabilities": 0, "no_new_privileges": 1, "read_only": True, "open": []}
    yield from (f"{name}: {found[name]}" for name, value in expected.items() if found[name] != value)
    if found["uid"] == 0:
        yield "it is root"
    demo = ("demo", "run", "--golds", "4", "--trainees", "6", "--size", "320x240", "--step-seconds", "3")
    said = _timed("demo of 10 recordings", lambda: trial.inside("sopilot", *demo))
    print(next(line for line in said.splitlines() if "match" in line and " of " in line))
    for service in SERVICES:
        _timed(f"{service} is well after", partial(_wait, service, partial(trial.is_well, service)))


def _killed(trial: Trial, kills: int, moments: random.Random) -> Iterator[str]:
    """A recording is dropped from outside, all is killed at a random moment and started again, so often."""
    trial.inside(
        *("sopilot", "sample", "simulate", "--out", "/backup/new", "--golds", "1", "--trainees", str(kills)),
        *("--persons", "p90-p99", "--size", "320x240", "--step-seconds", "3", "--seed", "99"),
    )
    fresh = sorted((trial.folder / "backup" / "new").rglob("trainee_*.mp4"))
    known = trial.scores()
    for number, path in enumerate(fresh, start=1):
        shutil.copy(
            path, trial.folder / "capture" / "filter_change" / "trainee" / "line1" / f"new_{number}.mp4"
        )
        pause_s = moments.uniform(0, 45)
        time.sleep(pause_s)
        for service in SERVICES:
            _run([trial.engine, "kill", "-s", "KILL", trial.container(service)], check=False)
        _timed(f"kill {number} after {pause_s:.1f} s; up again", lambda: trial.compose("up", "-d"))
        _timed("its score is there after", partial(_wait, "a score", partial(_grew, trial, len(known))))
        now = trial.scores()
        yield from (f"{name} has another score" for name, row in known.items() if now.get(name) != row)
        if len(now) != len(known) + 1:
            yield f"kill {number}: expected {len(known) + 1} scores, found {len(now)}"
        known = now
    trial.inside("sopilot", "home", "doctor", "--sweep", check=False)
    told = json.loads(trial.inside("sopilot", "home", "doctor", "--json", check=False))
    yield from (f"doctor: {row['check']}: {row['what']}" for row in told if row["state"] == "problem")


def _grew(trial: Trial, known: int) -> bool:
    return len(trial.scores()) > known


def _ended(trial: Trial) -> Iterator[str]:
    """Stopped in order and started again: nothing is different."""
    before = trial.scores()
    _timed("compose stop", lambda: trial.compose("stop"))
    for service in SERVICES:
        code = int(_run([trial.engine, "inspect", "-f", "{{.State.ExitCode}}", trial.container(service)]))
        print(f"{service}: exit code {code}")
        if code not in (0, 143):
            yield f"{service} did not end by itself: exit code {code}"
    _timed("compose up", lambda: trial.compose("up", "-d"))
    if trial.scores() != before:
        yield "scores changed over a restart"


@contextmanager
def _trial(engine: str, compose: str, image: str) -> Iterator[Trial]:
    with tempfile.TemporaryDirectory(prefix="sopilot-container-") as name:
        for folder in ("capture", "backup"):
            Path(name, folder).mkdir(mode=0o777)
            Path(name, folder).chmod(0o777)
        Path(name).chmod(0o755)
        trial = Trial(engine, tuple(shlex.split(compose)), image, Path(name))
        try:
            yield trial
        finally:
            trial.compose("down", "-v", "-t", "5", check=False)


def _timed(what: str, do: Callable[[], Result]) -> Result:
    begun_s = time.monotonic()
    found = do()
    print(f"{what}: {time.monotonic() - begun_s:.1f} s", flush=True)
    return found


def _wait(what: str, is_so: Callable[[], bool]) -> None:
    ends_s = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > ends_s:
            raise SystemExit(f"{what}: expected within {PATIENCE_S:.0f} s, found nothing.")
        time.sleep(2)


def _run(words: list[str], environment: dict[str, str] | None = None, *, check: bool = True) -> str:
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise SystemExit(
            f"{shlex.join(words)}\nended with {done.returncode}:\n{done.stderr[-4000:]}{done.stdout[-2000:]}"
        )
    return done.stdout


def _version() -> str:
    line = next(
        line
        for line in (ROOT / "sopilot_assets" / "__init__.py").read_text("utf-8").splitlines()
        if "__version__" in line
    )
    return line.split('"')[1]


if __name__ == "__main__":
    main()
