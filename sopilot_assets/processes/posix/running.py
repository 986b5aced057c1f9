"""How processes are started, limited and ended, alone or with all that they have started."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Final

from sopilot_assets.processes.posix.lacking import resource

_PR_SET_PDEATHSIG: Final = 1


def start(
    command: Sequence[str],
    *,
    files: Sequence[int] = (),
    own_group: bool,
    environment: Mapping[str, str] | None = None,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
) -> subprocess.Popen[bytes]:
    """A process that reads nothing and keeps these open files; with ``own_group`` in a session and a group of
    its own, which Ctrl-C does not reach. ``environment``, ``stdout`` and ``stderr`` are those of this process
    unless they are given.
    """
    return subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        env=environment,
        pass_fds=files,
        start_new_session=own_group,
    )


def end_group(leader: int) -> None:
    """End a process that leads a group, and the whole group, at once; nothing where they are gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def interrupt_group(leader: int) -> None:
    """Interrupt a group as Ctrl-C does; nothing where it is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGINT)


def end_at_once() -> None:
    """End this process: it does nothing more."""
    os.kill(os.getpid(), signal.SIGKILL)


def end_with_starter() -> None:
    """Have this process asked to end (SIGTERM) when the thread that started it has ended, whatever ends that;
    also after it has become another program (prctl(2), ``PR_SET_PDEATHSIG``).
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # whoever started this may ignore it
    prctl = of_libc("prctl")
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def on_hangup(called: Callable[..., None]) -> None:
    """Have a function called when this process gets SIGHUP."""
    signal.signal(signal.SIGHUP, called)


def send_to(address: str, text: str, *, patience_s: float) -> bool:
    """Send a text to a local socket, by its path or, after NUL, its name; False where nobody listens, or
    takes it within so many seconds.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as end:
        end.settimeout(patience_s)
        try:
            end.sendto(text.encode(), address)
        except OSError:
            return False
    return True


def how_it_ended(code: int) -> str:
    """An exit code in words."""
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"


def ran_out_of_time(code: int) -> bool:
    """Whether a process that ended so was ended by its limit of processor time."""
    return code == -signal.SIGXCPU


def limit_memory(size_bytes: int) -> None:
    """Bound the private memory of this process (``RLIMIT_DATA``); it leaves no core file either."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (size_bytes, size_bytes))


def limit_processor_time(seconds: float) -> None:
    """Let this process use so many more seconds of processor time; then it is ended (``RLIMIT_CPU``)."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    whole = used.ru_utime + used.ru_stime + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (int(whole), resource.RLIM_INFINITY))


def of_libc(name: str) -> Callable[..., int] | None:
    """A function of the C library; None where that has none of this name."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
    except (OSError, TypeError):
        return None
    function: Callable[..., int] | None = getattr(library, name, None)
    return function
