"""Each system call of a function failed in turn, or the process killed at it, by the kernel's own means.

A seccomp filter with a listener stops a child process at every system call and asks this one what is to
become of it: go on, fail with an error, or kill the child. So nothing is replaced by a stand-in, and calls
that are made by C libraries (Arrow's writer, DuckDB) are met too. Linux on x86_64 and arm64, without root.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import gc
import itertools
import os
import platform
import select
import signal
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NoReturn

from sopilot_assets.errors import SopilotError, StoreError

KILL: Final = "kill -9"
NO_DISK: Final = frozenset(
    {"mmap", "munmap", "brk", "madvise", "mremap", "mprotect", "futex", "rseq", "clone", "clone3"}
    | {
        "set_robust_list",
        "rt_sigaction",
        "rt_sigprocmask",
        "sched_yield",
        "sched_getaffinity",
        "sched_setaffinity",
    }
    | {"gettid", "getpid", "getrandom", "clock_gettime", "prctl", "set_mempolicy", "get_mempolicy", "sysinfo"}
)
"""Calls for memory, threads and time: the process may be killed at them, but no disk makes them fail."""

SUCCEEDED, UNCHANGED, PLACED, REFUSED, BROKE, DIED = (
    "succeeded",
    "said that the old file is unchanged",
    "said that the new file is there",
    "refused",
    "another error",
    "died",
)
_EXITS: Final = (SUCCEEDED, UNCHANGED, PLACED, REFUSED, BROKE)

# https://www.kernel.org/doc/html/latest/userspace-api/seccomp_filter.html, linux/seccomp.h and linux/filter.h
_NOTIFICATION: Final = struct.Struct("=QIIiIQ6Q")
_RESPONSE: Final = struct.Struct("=QqiI")
_RECEIVE: Final = 0xC0502100
_SEND: Final = 0xC0182101
_CONTINUE: Final = 1
_SET_FILTER, _NEW_LISTENER = 1, 8
_NO_NEW_PRIVILEGES, _DIE_WITH_PARENT = 38, 1
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ASK = 0x7FFF0000, 0x7FC00000
_PATIENCE_MS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Machine:
    """The numbers of some system calls: ``mark`` opens and closes the window in which calls are failed."""

    seccomp: int
    mark: int
    untouched: tuple[int, ...]
    names: dict[int, str]


# asm/unistd_64.h: sendmsg, rt_sigreturn, exit and exit_group are not asked about; getppid is the mark
_X86_64: Final = Machine(
    seccomp=317,
    mark=110,
    untouched=(46, 15, 60, 231),
    names={0: "read", 1: "write", 2: "open", 3: "close", 4: "stat", 5: "fstat", 6: "lstat", 8: "lseek"}
    | {9: "mmap", 10: "mprotect", 11: "munmap", 12: "brk", 13: "rt_sigaction", 14: "rt_sigprocmask"}
    | {16: "ioctl", 17: "pread64", 18: "pwrite64", 20: "writev", 25: "mremap", 28: "madvise", 39: "getpid"}
    | {72: "fcntl", 73: "flock", 74: "fsync", 75: "fdatasync", 77: "ftruncate", 79: "getcwd", 82: "rename"}
    | {83: "mkdir", 87: "unlink", 90: "chmod", 91: "fchmod", 202: "futex", 217: "getdents64"}
    | {24: "sched_yield", 56: "clone", 99: "sysinfo", 157: "prctl", 186: "gettid", 203: "sched_setaffinity"}
    | {204: "sched_getaffinity", 238: "set_mempolicy", 239: "get_mempolicy", 273: "set_robust_list"}
    | {334: "rseq", 435: "clone3"}
    | {228: "clock_gettime", 257: "openat", 262: "newfstatat", 318: "getrandom", 332: "statx"},
)
# asm-generic/unistd.h
_ARM64: Final = Machine(
    seccomp=277,
    mark=173,
    untouched=(211, 139, 93, 94),
    names={34: "mkdirat", 35: "unlinkat", 38: "renameat", 46: "ftruncate", 53: "fchmodat", 56: "openat"}
    | {32: "flock", 57: "close", 62: "lseek", 63: "read", 64: "write", 79: "newfstatat", 80: "fstat"}
    | {82: "fsync", 98: "futex", 214: "brk", 215: "munmap", 222: "mmap", 226: "mprotect", 233: "madvise"},
)
_MACHINES: Final = {"x86_64": _X86_64, "aarch64": _ARM64}


@dataclass(frozen=True, slots=True)
class Fault:
    """An error by its name, or `KILL`; ``lasting``: all later calls fail too, as on a disk that is gone."""

    error: str
    lasting: bool = False

    def __str__(self) -> str:
        return f"{self.error} from then on" if self.lasting else self.error

    def hits(self, calls: Sequence[str], at: int) -> bool:
        """Whether the last of ``calls`` meets the fault that comes with the ``at``-th."""
        if self.error != KILL and calls[-1] in NO_DISK:
            return False
        return len(calls) > at if self.lasting else len(calls) == at + 1


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of the function when its ``number``-th call (from 0) met ``fault``."""

    number: int
    call: str
    fault: str
    ending: str


def calls_of(action: Callable[[], object]) -> list[str]:
    """The names of the system calls that ``action`` makes, in order."""
    return _watched(action, at=0, fault=None)[0]


def fail_each(action: Callable[[], object], fault: Fault, prepare: Callable[[], object]) -> Iterator[Ending]:
    """Each ending of ``action`` when one of its calls meets the fault; ``prepare`` runs before each.

    It ends with the first number that the action does not reach, since a failed call changes those after it.
    """
    for number in itertools.count():
        prepare()
        made, ending = _watched(action, at=number, fault=fault)
        if number >= len(made):
            return
        yield Ending(number, made[number], str(fault), ending)


def mark() -> None:
    """Closes the window in which the calls of an action are failed, and opens it again the next time."""
    os.getppid()


def is_possible() -> bool:
    """Whether this machine lets a process stop another at its system calls."""
    if platform.system() != "Linux" or platform.machine() not in _MACHINES:
        return False
    try:
        return calls_of(lambda: os.stat("/")) != []  # noqa: PTH116 - one call
    except OSError:
        return False


def _watched(action: Callable[[], object], *, at: int, fault: Fault | None) -> tuple[list[str], str]:
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        _be_watched(action, theirs)
    theirs.close()
    try:
        with ours:
            listener = _received(ours)
        try:
            made = _answer(listener, child, at, fault)
        finally:
            os.close(listener)
    finally:
        os.kill(child, signal.SIGKILL)  # it has ended already, unless something went wrong here
        _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return made, DIED if code < 0 else _EXITS[code]


def _answer(listener: int, child: int, at: int, fault: Fault | None) -> list[str]:
    """Let every call of the child go on but those that the fault hits; returns the names of all."""
    machine, made, inside = _MACHINES[platform.machine()], list[str](), False
    while _is_waiting(listener, child):
        with suppress(FileNotFoundError):  # it died meanwhile
            identity, number = _next_call(listener)
            marked = number == machine.mark
            inside ^= marked
            if inside and not marked:
                made.append(machine.names.get(number, str(number)))
            hit = inside and not marked and fault is not None and fault.hits(made, at)
            if hit and fault.error == KILL:
                os.kill(child, signal.SIGKILL)
                continue
            code = -getattr(errno, fault.error) if hit else 0
            fcntl.ioctl(listener, _SEND, _RESPONSE.pack(identity, 0, code, 0 if code else _CONTINUE))
    return made


def _is_waiting(listener: int, child: int) -> bool:
    """Whether the child waits with a call; False when it has ended."""
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    ready = poll.poll(_PATIENCE_MS)
    if not ready:
        os.kill(child, signal.SIGKILL)
        raise TimeoutError(f"the child made no system call for {_PATIENCE_MS} ms")
    return bool(ready[0][1] & select.POLLIN)


def _next_call(listener: int) -> tuple[int, int]:
    notification = bytearray(_NOTIFICATION.size)
    fcntl.ioctl(listener, _RECEIVE, notification)
    identity, _, _, number, *_ = _NOTIFICATION.unpack(notification)
    return identity, number


def _received(ours: socket.socket) -> int:
    ours.settimeout(_PATIENCE_MS / 1000)
    _, rehearsed, _, _ = socket.recv_fds(ours, 1, 1)
    os.close(rehearsed[0])
    _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
    if not descriptors:
        raise OSError("the child could not set a filter on its system calls")
    return descriptors[0]


def _be_watched(action: Callable[[], object], theirs: socket.socket) -> NoReturn:
    code = _EXITS.index(BROKE)
    gc.disable()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libraries that abort say so at length
    try:
        socket.send_fds(theirs, [b"?"], [0])  # takes the memory now that the next one needs
        socket.send_fds(theirs, [b"!"], [_install_filter()])
        mark()
        code = _EXITS.index(_said(action))
        mark()
    finally:
        os._exit(code)


def _said(action: Callable[[], object]) -> str:
    try:
        action()
    except StoreError as error:
        if "is unchanged" in str(error):
            return UNCHANGED
        return PLACED if "the new file is there" in str(error) else REFUSED
    except SopilotError:
        return REFUSED
    except Exception:  # noqa: BLE001 - which one is not told apart
        return BROKE
    return SUCCEEDED


def _install_filter() -> int:
    """Let the kernel ask about every system call of this process but a few; returns the listener."""
    machine = _MACHINES[platform.machine()]
    lines = [(_LOAD, 0, 0, 0)]
    for number in machine.untouched:
        lines += [(_JUMP_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    lines.append((_RETURN, 0, 0, _ASK))
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in lines))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(lines), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    listener = libc.syscall(machine.seccomp, _SET_FILTER, _NEW_LISTENER, program)
    if listener < 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    return int(listener)
