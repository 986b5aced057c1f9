"""Try the services on a real systemd: `python -m installer.trial --bundle dist/sopilot-VERSION`, as root.

A Debian of its own (debootstrap) boots in systemd-nspawn, without a network, installs from the folder, and
lets its services take in and score recordings while they are killed, stopped, turned off and removed. Every
step says what it saw and how long it took; the first one that goes wrong ends the trial with exit code 1.

The machine's clock is the clock of the real machine: it is set to what it says, which tells systemd that it
was set and changes it by less than a millisecond.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

HOME: Final = "/var/lib/sopilot/home"
SOPILOT: Final = "/opt/sopilot/bin/sopilot"
SERVICES: Final = ("sopilot-daemon.service", "sopilot-web.service", "sopilot-desk.service")
DROP: Final = f"{HOME}/capture/filter_change/trainee/site_a"
PACKAGES: Final = (
    *("systemd", "systemd-sysv", "dbus", "libpam-systemd", "dbus-user-session"),
    *("python3", "python3-venv", "openssh-client", "procps", "iproute2"),
)
EXPOSED_MAX: Final = 4.0
_POLL_S: Final = 1.0
_PATH: Final = "PATH=/opt/sopilot/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Wrong(Exception):
    """A step did not go as it has to."""


@dataclass
class Machine:
    """A Debian below a folder that boots with the bundle at ``/bundle``."""

    root: Path
    bundle: Path
    _boot: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def make(self, base: Path) -> None:
        """Take a fresh Debian, which is kept at ``base`` for the next time."""
        if not base.exists():
            part = base.with_name(f"{base.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            _must(
                ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", "bookworm", str(part)]
            )
            part.rename(base)
        shutil.rmtree(self.root, ignore_errors=True)
        _must(["cp", "-a", "--reflink=auto", str(base), str(self.root)])

    @contextmanager
    def booted(self) -> Iterator[None]:
        """The machine, running, until the block ends."""
        try:
            self.boot()
            yield
        finally:
            assert self._boot is not None
            self._boot.terminate()
            self._boot.wait(120)

    def boot(self) -> None:
        """Switch it on."""
        options = ["--register=no", "--keep-unit", "--private-network", "--capability=CAP_SYS_TIME"]
        place = [f"--directory={self.root}", f"--bind-ro={self.bundle}:/bundle", "--machine=sopilot-trial"]
        with self.root.with_suffix(".log").open("ab") as log:
            self._boot = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--boot", "--console=read-only", *options, *place],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until("the machine is up", lambda: "running" in self.try_run("systemctl", "is-system-running"), 900)

    def reboot(self) -> None:
        """Have it shut down in order, and switch it on again (systemd-nspawn ends with the machine)."""
        assert self._boot is not None
        self.try_run("systemctl", "reboot")
        self._boot.wait(600)
        self.boot()

    def run(self, *command: str) -> str:
        """What a command prints in the machine, as root; raises `Wrong` where it fails."""
        done = self._in(command)
        if done.returncode:
            raise Wrong(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()[-2000:]}")
        return done.stdout

    def try_run(self, *command: str) -> str:
        """What a command prints, whether it fails or not."""
        done = self._in(command)
        return done.stdout + done.stderr

    def sopilot(self, *words: str) -> str:
        """What `sopilot` prints as the account that the services run as, as `sudo -u` calls it."""
        account = ["setpriv", "--reuid=sopilot", "--regid=sopilot", "--clear-groups", "--reset-env"]
        return self.run(*account, SOPILOT, "--home", HOME, *words)

    def shown(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--property", name, "--value", unit).strip()

    def _in(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        leader = self._leader()
        if not leader:
            return subprocess.CompletedProcess(command, 1, "", "the machine is off")
        inside = ["nsenter", f"--target={leader}", "--all", "env", "-i", _PATH, "HOME=/root", "LANG=C.UTF-8"]
        return subprocess.run([*inside, *command], capture_output=True, text=True, check=False)

    def _leader(self) -> str:
        assert self._boot is not None
        if self._boot.poll() is not None:
            return ""
        found = Path(f"/proc/{self._boot.pid}/task/{self._boot.pid}/children").read_text("ascii").split()
        return found[0] if found else ""


@dataclass
class Trial:
    """The steps, in turn."""

    machine: Machine
    recordings: list[str] = field(default_factory=list)

    def install(self) -> str:
        """The bundle is installed, without a network."""
        links = self.machine.run("ip", "-brief", "link")
        if [line for line in links.splitlines() if not line.startswith("lo")]:
            raise Wrong(f"expected no network, found {links}")
        self.machine.run("/bundle/install.sh")
        return self.machine.run(SOPILOT, "--version").strip()

    def demo(self) -> str:
        """A home with golds and scores, and recordings to be dropped later, made by root."""
        shown = self.machine.run(
            *(SOPILOT, "--home", HOME, "demo", "run"),
            *("--golds", "2", "--trainees", "1", "--size", "320x240"),
        )
        options = ["--golds", "0", "--trainees", "6", "--size", "320x240", "--seed", "11"]
        self.machine.run(SOPILOT, "sample", "simulate", "--out", "/root/more", *options)
        found = self.machine.run("find", "/root/more/videos", "-name", "*.mp4").split()
        self.recordings = sorted(found)
        return next(line for line in shown.splitlines() if "match what" in line)

    def service_install(self) -> str:
        """The services are written and started."""
        self.machine.run(SOPILOT, "--home", HOME, "service", "install")
        self._must_be_well()
        rated = {name: self._exposure(name) for name in SERVICES}
        if max(rated.values()) >= EXPOSED_MAX:
            raise Wrong(f"expected each below {EXPOSED_MAX}, found {rated}")
        again = self.machine.run(SOPILOT, "--home", HOME, "service", "install")
        if "Everything runs as it should." not in again:
            raise Wrong(f"called again: {again}")
        return f"walls {max(rated.values())}; called again, nothing changes"

    def score(self) -> str:
        """A recording that is dropped gets a score."""
        return self._scored_after(lambda: None, 1)

    def killed_daemon(self) -> str:
        """kill -9 of the daemon while a run is at work: the run goes on, another daemon starts."""
        before = self.machine.shown(SERVICES[0], "MainPID")

        def kill() -> None:
            runs = until("a run is at work", self._runs, 120)
            self.machine.run("kill", "-KILL", before)
            until(
                "another daemon", lambda: self.machine.shown(SERVICES[0], "MainPID") not in (before, "0"), 60
            )
            ended = self.machine.try_run("journalctl", "--quiet", "--output=cat", "--grep", "RUN_SUCCESS")
            by_itself = any(f" {run} - RUN_SUCCESS" in ended for run in runs)
            if not (set(runs) & set(self._runs()) or by_itself):
                raise Wrong("expected the run to go on or to end by itself, found it gone")

        told = self._scored_after(kill, 2)
        until("the daemon is up", lambda: self.machine.shown(SERVICES[0], "ActiveState") == "active", 180)
        self._must_be_well()
        return f"another daemon; the run was not ended; {told}"

    def stopped_processes(self) -> str:
        """SIGSTOP of all three: the watchdog ends them, and others start."""
        before = {name: self.machine.shown(name, "MainPID") for name in SERVICES}
        self.machine.run("kill", "-STOP", *before.values())
        until("other processes", lambda: all(self._is_another(*one) for one in before.items()), 600)
        said = self.machine.run("journalctl", "--quiet", "--output=cat", "--grep", "Watchdog timeout")
        ended = [name for name in SERVICES if f"{name}: Watchdog timeout" in said]
        if len(ended) != len(SERVICES):
            raise Wrong(f"expected the watchdog to end all, found {ended}")
        self._must_be_well()
        return "the watchdog ended all three and started others"

    def clock(self) -> str:
        """The clock is set: the daemon begins anew."""
        before = self.machine.shown(SERVICES[0], "MainPID")
        self.machine.run("sh", "-c", 'date --set "$(date --rfc-3339=ns)"')
        until("another daemon", lambda: self._is_another(SERVICES[0], before), 300)
        return "the daemon began anew"

    def stop_and_start(self) -> str:
        """All is stopped while a run is at work, and started again: nothing is left, nothing is lost."""

        def stop() -> None:
            until("a run is at work", self._runs, 120)
            self.machine.run("systemctl", "stop", "sopilot*")
            until("no process is left", lambda: not self._processes(), 120)
            self.machine.run("systemctl", "start", "sopilot.target", *SERVICES)

        return self._scored_after(stop, 1)

    def reboot(self) -> str:
        """The machine is started anew while a run is at work: everything comes back by itself."""

        def restart() -> None:
            until("a run is at work", self._runs, 120)
            self.machine.reboot()
            until("all are ready", lambda: self._are("active"), 600)

        told = self._scored_after(restart, 1)
        self._must_be_well()
        return told

    def update(self) -> str:
        """Another version is made the one that runs, and taken back: a restart is all it needs."""
        version = self.machine.run("cat", "/bundle/VERSION").strip()
        versions = "/opt/sopilot/versions"
        self.machine.run("cp", "-a", f"{versions}/{version}", f"{versions}/later")
        self.machine.run(
            "sh",
            "-c",
            f"grep -lI {versions}/{version} {versions}/later/bin/* | "
            f"xargs sed -i s#{versions}/{version}#{versions}/later#g",
        )
        for one in ("later", version):
            self.machine.run("/bundle/install.sh", "--activate", one)
            self.machine.run("systemctl", "restart", "sopilot.target")
            until("all are ready", lambda: self._are("active"), 600)
            pid = self.machine.shown(SERVICES[2], "MainPID")
            runs = self.machine.run("sh", "-c", f"tr '\\0' ' ' </proc/{pid}/cmdline")
            if f"{versions}/{one}/" not in runs:
                raise Wrong(f"expected {one} to run, found {runs}")
        self._must_be_well()
        return f"later ran, then {version} again"

    def uninstall(self) -> str:
        """The services are removed; the home stays, and is well."""
        before = self.machine.run("sh", "-c", f"cd {HOME} && ls")
        self.machine.run(SOPILOT, "service", "uninstall")
        left = self.machine.run("sh", "-c", "ls -d /etc/systemd/system/*sopilot* /etc/*/sopilot* || true")
        until("no process is left", lambda: not self._processes(), 120)
        if "sopilot" in left:
            raise Wrong(f"expected nothing of it, found {left}")
        if self.machine.run("sh", "-c", f"cd {HOME} && ls") != before:
            raise Wrong("expected the home to be as it was")
        return "nothing is left of it; the home stays"

    def of_a_person(self) -> str:
        """The same for a person's own account, without root: installed, killed, removed."""
        self.machine.run("useradd", "--create-home", "ada")
        self.machine.run("loginctl", "enable-linger", "ada")
        number = self.machine.run("id", "--user", "ada").strip()
        place = ["HOME=/home/ada", f"XDG_RUNTIME_DIR=/run/user/{number}"]
        ada = ["setpriv", "--reuid=ada", "--regid=ada", "--init-groups", "env", *place]
        until("ada's systemd", lambda: self._says([*ada, "systemctl", "--user", "is-system-running"]), 60)
        home = ["--home", "/home/ada/home"]
        self.machine.run(*ada, SOPILOT, *home, "home", "init")
        self.machine.run(*ada, SOPILOT, *home, "service", "install", "--user")
        self.machine.run(*ada, SOPILOT, "service", "status", "--user")
        rated = self._exposure(SERVICES[0], *ada, user=True)
        show = [*ada, "systemctl", "--user", "show", "--property=MainPID", "--value", SERVICES[0]]
        before = self.machine.run(*show).strip()
        self.machine.run("kill", "-KILL", before)
        until("another daemon", lambda: self.machine.run(*show).strip() not in (before, "0"), 120)
        self.machine.run(*ada, SOPILOT, "service", "uninstall", "--user")
        return f"walls {rated}"

    def _says(self, command: Sequence[str]) -> bool:
        return self.machine.try_run(*command).strip() in ("running", "degraded")

    def _scored_after(self, disturb: Callable[[], None], count: int) -> str:
        """Drop some recordings, disturb, and wait until all have a score."""
        wanted = self._scores() + count
        for _ in range(count):
            source = self.recordings.pop()
            self.machine.run("cp", source, DROP)
        began_s = time.monotonic()
        disturb()
        until(f"{wanted} scores", lambda: self._scores() >= wanted, 600)
        if (found := self._scores()) != wanted:
            raise Wrong(f"expected {wanted} scores, found {found}")
        return f"{count} scored {time.monotonic() - began_s:.0f} s after the drop"

    def _scores(self) -> int:
        return len(json.loads(self.machine.sopilot("score", "list", "--json")))

    def _must_be_well(self) -> None:
        shown = json.loads(self.machine.run(SOPILOT, "service", "status", "--json"))
        wrong = [one for one in shown if not one["state"].startswith("active") or one["unit"] != "as written"]
        if wrong:
            raise Wrong(f"sopilot service status: {wrong}")
        for page in ("8000/sign-in", "3000/server_info"):
            asks = f"import urllib.request as u; u.urlopen('http://127.0.0.1:{page}', timeout=60).read()"
            self.machine.run("python3", "-c", asks)

    def _exposure(self, unit: str, *before: str, user: bool = False) -> float:
        whose = ["--user"] if user else []
        told = self.machine.run(*before, "systemd-analyze", *whose, "security", "--no-pager", unit)
        found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", told)
        if not found:
            raise Wrong(told)
        return float(found[1])

    def _is_another(self, unit: str, before: str) -> bool:
        """Whether another process than before is ready."""
        is_new = self.machine.shown(unit, "MainPID") not in (before, "0")
        return is_new and self.machine.shown(unit, "ActiveState") == "active"

    def _are(self, state: str) -> bool:
        return all(self.machine.shown(name, "ActiveState") == state for name in SERVICES)

    def _runs(self) -> list[str]:
        return self.machine.try_run("pgrep", "--full", "run_process").split()

    def _processes(self) -> list[str]:
        return self.machine.try_run("pgrep", "--euid", "sopilot", "--list-full").splitlines()


def until(what: str, found: Callable[[], object], limit_s: float) -> list[str]:
    """What ``found`` gives, as soon as it is something; raises `Wrong` after ``limit_s`` seconds."""
    ends_s = time.monotonic() + limit_s
    while True:
        seen = found()
        if seen:
            return seen if isinstance(seen, list) else []
        if time.monotonic() > ends_s:
            raise Wrong(f"waited {limit_s:.0f} s in vain: {what}")
        time.sleep(_POLL_S)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every step went as it has to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", type=Path, required=True, help="the folder that `make bundle` made")
    parser.add_argument("--machine", type=Path, default=Path("/var/tmp/sopilot-trial"), help="where it lies")
    options = parser.parse_args(arguments)
    missing = [name for name in ("debootstrap", "systemd-nspawn") if shutil.which(name) is None]
    if missing:
        parser.error(f"{' and '.join(missing)} is needed: apt-get install debootstrap systemd-container")
    machine = Machine(options.machine / "root", options.bundle.resolve())
    try:
        _timed("a Debian of its own", lambda: machine.make(options.machine / "debian"))
        with machine.booted():
            return _steps(Trial(machine))
    finally:
        shutil.rmtree(machine.root, ignore_errors=True)


def _steps(trial: Trial) -> int:
    steps = (
        trial.install,
        trial.demo,
        trial.service_install,
        trial.score,
        trial.killed_daemon,
        trial.stopped_processes,
        trial.clock,
        trial.stop_and_start,
        trial.reboot,
        trial.update,
        trial.uninstall,
        trial.of_a_person,
    )
    for step in steps:
        try:
            _timed((step.__doc__ or "").strip(), step)
        except Wrong as error:
            print(f"WRONG: {error}", file=sys.stderr)
            print(trial.machine.try_run("journalctl", "--no-pager", "--lines=40"), file=sys.stderr)
            return 1
    return 0


def _timed(what: str, step: Callable[[], str | None]) -> None:
    began_s = time.monotonic()
    print(f"... {what}", flush=True)
    said = step()
    print(f"    {time.monotonic() - began_s:6.1f} s  {said or 'done'}", flush=True)


def _must(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Wrong(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()[-2000:]}")


if __name__ == "__main__":
    sys.exit(main())
