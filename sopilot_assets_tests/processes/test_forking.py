"""Children of a template: what they take over, how they end, and what becomes of the template."""

from __future__ import annotations

import functools
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from sopilot_assets.processes.posix import forking
from sopilot_assets.processes.posix.forking import Forked, fork

HEAVY = "wsgiref.simple_server"
"""A module that nothing else here imports."""


@pytest.fixture
def told() -> Iterator[tuple[int, int]]:
    """A pipe for what a child says."""
    pipe = os.pipe()
    yield pipe
    os.close(pipe[0])


def say(what: Callable[[], object], file: int) -> None:
    os.write(file, json.dumps(what()).encode())


def surroundings() -> dict[str, object]:
    return {
        "folder": str(Path.cwd()),
        "given": os.environ.get("GIVEN"),
        "home": os.environ.get("HOME"),
        "path": sys.path[0],
        "files": resource.getrlimit(resource.RLIMIT_NOFILE),
        "leads": os.getpid() == os.getsid(0) == os.getpgrp(),
        "threads": len(list(Path("/proc/self/task").iterdir())),
        "loaded": HEAVY in sys.modules,
    }


def signals() -> list[bool]:
    return [signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL, signal.getsignal(signal.SIGPIPE) == 1]


def leave(code: int) -> None:
    os._exit(code)


def fail() -> None:
    raise KeyError("surprise")


def stay() -> None:
    time.sleep(600)


def asked(what: Callable[[], object], pipe: tuple[int, int], **named: object) -> tuple[Forked, object]:
    """The child that was asked, and its answer."""
    options = {"environment": dict(os.environ), **named}
    child = fork(functools.partial(say, what), [pipe[1]], **options)  # type: ignore[arg-type]
    os.close(pipe[1])
    return child, json.loads(os.read(pipe[0], 1 << 16))


def template() -> psutil.Process:
    """The one of this process."""
    assert forking._all.process is not None
    return psutil.Process(forking._all.process.pid)


def test_a_child_has_the_surroundings_of_its_parent_at_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: tuple[int, int]
) -> None:
    fork(functools.partial(leave, 0), [], environment=dict(os.environ)).wait()  # a template is there
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("/nonexistent/first")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[0] - 1, before[1]))
    try:
        child, found = asked(surroundings, told, environment={**os.environ, "GIVEN": "here"}, modules=[HEAVY])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert child.wait() == 0
    assert found == {
        "folder": str(tmp_path),
        "given": "here",
        "home": os.environ["HOME"],
        "path": "/nonexistent/first",
        "files": [before[0] - 1, before[1]],
        "leads": True,
        "threads": 1,
        "loaded": True,
    }


def test_a_child_can_wait_for_children_of_its_own(told: tuple[int, int]) -> None:
    child, found = asked(signals, told)
    assert (child.wait(), found) == (0, [True, True])


def test_how_a_child_ended_is_told_as_often_as_asked() -> None:
    left = fork(functools.partial(leave, 3), [], environment=dict(os.environ))
    assert [left.wait(), left.poll(), left.wait()] == [3, 3, 3]
    assert fork(fail, [], environment=dict(os.environ)).wait() == 1
    staying = fork(stay, [], environment=dict(os.environ))
    assert staying.poll() is None
    staying.kill()
    assert staying.wait() == -signal.SIGKILL
    staying.kill()


def test_a_module_that_cannot_be_imported_is_left_to_the_child(told: tuple[int, int]) -> None:
    child, found = asked(surroundings, told, modules=["no.such.module", HEAVY])
    assert isinstance(found, dict)
    assert (child.wait(), found["loaded"]) == (0, True)


def test_children_share_a_template_and_outlive_it() -> None:
    first = fork(stay, [], environment=dict(os.environ))
    before = template()
    second = fork(stay, [], environment=dict(os.environ))
    assert template() == before
    before.kill()
    before.wait()
    third = fork(stay, [], environment=dict(os.environ))
    assert template() != before
    assert [one.poll() for one in (first, second, third)] == [None] * 3
    for one in (first, second, third):
        one.kill()
        assert one.wait() == -signal.SIGKILL


def test_a_template_that_waited_in_vain_ends_and_the_next_child_starts_another(
    told: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    forking._all.end()
    monkeypatch.setattr(forking, "_SERVE", forking._SERVE.replace("serve()", "serve(idle_s=0.2)"))
    fork(functools.partial(leave, 0), [], environment=dict(os.environ)).wait()
    first = template()
    assert first.wait(30) == 0
    child, found = asked(signals, told)
    assert (child.wait(), found) == (0, [True, True])
    assert template() != first
    forking._all.end()


def test_a_fork_of_the_parent_has_a_template_of_its_own(tmp_path: Path) -> None:
    fork(functools.partial(leave, 0), [], environment=dict(os.environ)).wait()
    before = template()
    copy = os.fork()
    if copy == 0:
        own = fork(functools.partial(leave, 7), [], environment=dict(os.environ))
        os._exit(own.wait() if template() != before else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1]) == 7
    assert fork(functools.partial(leave, 5), [], environment=dict(os.environ)).wait() == 5
    assert template() == before
