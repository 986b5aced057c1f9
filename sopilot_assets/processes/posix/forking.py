"""Child processes forked from one that has imported what they need.

A process started with ``exec`` imports everything anew: 0.4 s of processor time to read videos, 2 s to
compare them. To fork this process instead is no way: it may have threads, and libraries that must not be
forked. So there is a *template*: started once with ``exec``, it imports the modules that are asked for, does
nothing else, has one thread, and is what is forked. It ends with this process, or when nothing was asked of
it for a minute; the next child then starts another one.

Python's own ``multiprocessing`` has such a server too. It keeps for ever the modules, the environment and the
folder that it began with, and never ends while this process lives.

Between the template and each child stands a *keeper*, which waits for the child and tells how it ended. The
child has the environment, the folder, the import path and the limits that this process has at its start.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import gc
import importlib
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sopilot_assets.processes.posix.files import wait_readable
from sopilot_assets.processes.posix.lacking import resource
from sopilot_assets.processes.posix.running import end_group, start

IDLE_S: Final = 60.0
"""For how long a template waits for the next child before it ends."""

_SERVE: Final = "from sopilot_assets.processes.posix.forking import serve; serve()"
_LENGTH: Final = struct.Struct("!Q")
_NOTE: Final = struct.Struct("!Bq")
_BEGUN, _ENDED, _REFUSED = range(3)
_MOST_FILES: Final = 16
_LIMITS: Final = tuple(
    number for name, number in sorted(vars(resource).items()) if name.startswith("RLIMIT_")
)


class Forked:
    """A child process: its id, and how it ended."""

    def __init__(self, pid: int, notes: int) -> None:
        self.pid = pid
        self._notes = notes
        self._code: int | None = None

    def poll(self) -> int | None:
        """The exit code, negative for the signal that ended it, or None while the child lives."""
        return self._code if self._code is not None or not wait_readable(self._notes, 0) else self.wait()

    def wait(self) -> int:
        """The exit code, once the child has ended."""
        if self._code is None:
            note = _read(self._notes)
            os.close(self._notes)
            self._code = note[1] if note else -signal.SIGKILL  # somebody has killed the keeper
        return self._code

    def kill(self) -> None:
        """End the child and every process of its group."""
        end_group(self.pid)


def fork(
    main: Callable[..., None],
    files: Sequence[int],
    *,
    modules: Iterable[str] = (),
    environment: Mapping[str, str],
) -> Forked:
    """A child that runs ``main(*files)`` in a session of its own, with duplicates of these open files.

    ``main`` is a function of a module. ``modules`` are imported once for all children; one that cannot be
    imported is left to the child. Raises ``OSError`` where no process can be started.
    """
    order = _Order(
        main=main,
        modules=tuple(modules),
        environment=dict(environment),
        path=tuple(sys.path),
        limits={number: resource.getrlimit(number) for number in _LIMITS},
    )
    folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        return _all.fork(order, [folder, *files])
    finally:
        os.close(folder)


@dataclass(frozen=True, slots=True)
class _Order:
    """What a child shall do, and what it takes over from the process that wants it."""

    main: Callable[..., None]
    modules: tuple[str, ...]
    environment: dict[str, str]
    path: tuple[str, ...]
    limits: dict[int, tuple[int, int]]


class _Templates:
    """The template of this process, if one lives."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None
        self.orders: socket.socket | None = None

    def fork(self, order: _Order, files: Sequence[int]) -> Forked:
        text = pickle.dumps(order)
        with self.lock:
            for _ in range(2):  # the first may be ending just now, having waited long enough
                forked = self._forked(text, order.environment, files)
                if forked is not None:
                    return forked
                self.end()
        raise OSError(errno.ECHILD, "the process to be forked ended at once")

    def _forked(self, text: bytes, environment: Mapping[str, str], files: Sequence[int]) -> Forked | None:
        notes, its_end = os.pipe()
        try:
            orders = self._orders(environment)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                socket.send_fds(orders, [_LENGTH.pack(len(text))], [its_end, *files])
                orders.sendall(text)
        except OSError:
            os.close(notes)
            raise
        finally:
            os.close(its_end)
        kind, value = _read(notes) or (None, 0)
        if kind == _BEGUN:
            return Forked(value, notes)
        os.close(notes)
        if kind == _REFUSED:
            raise OSError(value, os.strerror(value))
        return None

    def _orders(self, environment: Mapping[str, str]) -> socket.socket:
        """The way to a living template."""
        if self.orders is not None and self.process is not None and self.process.poll() is None:
            return self.orders
        self.end()
        ours, its = socket.socketpair()
        with its:
            try:
                self.process = start(
                    [sys.executable, "-c", _SERVE, str(its.fileno())],
                    files=(its.fileno(),),
                    own_group=True,
                    environment={
                        **environment,
                        "PYTHONPATH": os.pathsep.join(part for part in sys.path if part),
                    },
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            except OSError:
                ours.close()
                raise
        self.orders = ours
        return ours

    def end(self) -> None:
        """End the template, if there is one; children go on."""
        if self.orders is not None:
            self.orders.close()
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.orders = self.process = None

    def forget(self) -> None:
        """In a fork of this process: the template is another process's."""
        if self.orders is not None:
            self.orders.close()
        if self.process is not None:
            self.process.returncode = 0  # not ours to wait for
        self.__init__()  # type: ignore[misc]


_all = _Templates()
"""Holds one template at most."""

atexit.register(_all.end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_all.forget)


def serve(idle_s: float = IDLE_S) -> None:
    """The template: import and fork as asked, until the other end closes or asks for nothing any more."""
    signal.signal(signal.SIGCHLD, _take_leave)
    gc.disable()  # what is imported stays
    with socket.socket(fileno=int(sys.argv[1])) as orders:
        orders.settimeout(idle_s)
        with contextlib.suppress(TimeoutError):
            while order := _next(orders):
                _obey(*order, orders)
    os._exit(0)  # nothing to tidy up


def _take_leave(*_: object) -> None:
    """Wait for the keepers that have ended, so that the processor time of the children counts as ours."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _next(orders: socket.socket) -> tuple[_Order, list[int]] | None:
    head, files, *_ = socket.recv_fds(orders, _LENGTH.size, _MOST_FILES)
    if len(head) < _LENGTH.size:
        return None
    (left,) = _LENGTH.unpack(head)
    text = bytearray()
    while left > len(text) and (part := orders.recv(left - len(text))):
        text += part
    return (pickle.loads(text), files) if len(text) == left else None  # noqa: S301 - from our own parent


def _obey(order: _Order, files: list[int], orders: socket.socket) -> None:
    sys.path[:] = order.path
    for module in order.modules:
        with contextlib.suppress(Exception):  # the child finds the same, and can say it
            importlib.import_module(module)
    gc.freeze()
    notes, *others = files
    try:
        keeper = os.fork()
    except OSError as error:
        os.write(notes, _NOTE.pack(_REFUSED, error.errno or 0))
        keeper = -1
    if keeper == 0:
        try:
            orders.close()
            _keep(order, notes, others)
        finally:
            os._exit(1)
    for file in files:
        os.close(file)


def _keep(order: _Order, notes: int, files: Sequence[int]) -> None:
    """The keeper, and in a fork of it the child."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        child = os.fork()
    except OSError as error:
        os.write(notes, _NOTE.pack(_REFUSED, error.errno or 0))
        return
    if child == 0:
        _be_child(order, notes, files)
        os._exit(0)
    for file in files:
        os.close(file)
    _, status = os.waitpid(child, 0)
    os.write(notes, _NOTE.pack(_ENDED, os.waitstatus_to_exitcode(status)))


def _be_child(order: _Order, notes: int, files: Sequence[int]) -> None:
    os.setsid()
    os.write(notes, _NOTE.pack(_BEGUN, os.getpid()))
    os.close(notes)
    folder, *others = files
    os.fchdir(folder)
    os.close(folder)
    os.environ.clear()
    os.environ.update(order.environment)
    for number, limits in order.limits.items():
        resource.setrlimit(number, limits)
    gc.enable()
    try:
        order.main(*others)
    except Exception:  # noqa: BLE001 - whatever it is, it is said
        traceback.print_exc()
        os._exit(1)


def _read(notes: int) -> tuple[int, int] | None:
    """The next note; None where whoever wrote them is gone."""
    found = os.read(notes, _NOTE.size)
    return _NOTE.unpack(found) if found else None
