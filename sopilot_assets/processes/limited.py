"""Work on files that cannot be trusted, in child processes with limits.

A damaged video can hang a decoder, crash it, or make it ask for all memory. So reading happens in a child: it
has a memory limit, a time limit per task, and is killed with everything it started when it exceeds one. Only
its task fails; the next task gets a new child. A child ends by itself when its parent is gone, even when the
parent was killed.

Children are started with ``exec``, not forked: that works from threads, from daemonic processes and with
libraries that must not be forked. Starting one costs about a third of a second (mostly imports), so they are
kept from task to task.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import resource
import select
import signal
import struct
import subprocess
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, TypeVar

from sopilot_assets.errors import ConfigError, SopilotError, WorkerLimit

Item = TypeVar("Item")
Result = TypeVar("Result")

START_LIMIT_S: Final = 180.0
"""How long a child may take to start and to run its initializer (compiling a model takes a while)."""

_LENGTH = struct.Struct("!Q")
_WATCH_S = 0.5
_SERVE = "from sopilot_assets.processes.limited import serve; serve()"
_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
}


@dataclass(slots=True)
class LimitedWorker:
    """A child process that runs one task after another within limits; a context manager that ends the child.

    ``memory_limit_bytes`` bounds the child's private memory (RLIMIT_DATA). ``initializer`` runs first in
    every new child. One thread at a time may use it.
    """

    memory_limit_bytes: int
    initializer: Callable[[], None] | None = None
    _child: _Child | None = None

    def __enter__(self) -> LimitedWorker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child, whatever it does."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def interrupt(self) -> None:
        """Kill the child while another thread waits for it; that thread gets ``WorkerLimit``."""
        if self._child is not None:
            self._child.interrupt()

    def start(self) -> None:
        """Make sure that a child is ready; raises the initializer's own ``SopilotError``, or
        ``ConfigError`` when no child can be started.
        """
        if self._child is not None and self._child.alive:
            return
        self.close()
        self._child = _Child(self.memory_limit_bytes)
        if self.initializer is not None:
            try:
                self._child.run(self.initializer, (), START_LIMIT_S)
            except WorkerLimit as limit:
                self.close()
                raise ConfigError(f"a worker process could not be prepared: {limit}") from limit

    def run(
        self, function: Callable[..., Result], args: tuple[object, ...], *, time_limit_s: float
    ) -> Result:
        """``function(*args)``, computed in the child. The function must be importable, arguments and result
        picklable.

        Raises the child's own ``SopilotError``, and ``WorkerLimit`` when the task ran past ``time_limit_s``
        (wall clock), asked for too much memory, or killed the child.
        """
        self.start()
        assert self._child is not None
        try:
            result: Result = self._child.run(function, args, time_limit_s)  # type: ignore[assignment]
        except WorkerLimit:
            self.close()
            raise
        return result


def run_limited(
    function: Callable[..., Result], args: tuple[object, ...], *, time_limit_s: float, memory_limit_bytes: int
) -> Result:
    """``function(*args)``, computed in a child process of its own; raises like `LimitedWorker.run`."""
    with LimitedWorker(memory_limit_bytes) as worker:
        return worker.run(function, args, time_limit_s=time_limit_s)


def map_limited(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    processes: int,
    time_limit_s: float,
    memory_limit_bytes: int,
    initializer: Callable[[], None] | None = None,
) -> Iterator[tuple[Item, Result | SopilotError]]:
    """Each item with its result or the ``SopilotError`` that it ended in, in the order of ``items``.

    ``processes`` children work at a time, each with the limits of `LimitedWorker`; a child that hangs or dies
    is replaced and only its own item fails, with ``WorkerLimit``. The work runs at most a few items ahead of
    the reader. Raises when children cannot be started or their ``initializer`` fails.
    """
    with _Pool([LimitedWorker(memory_limit_bytes, initializer) for _ in range(processes)]) as pool:
        pending: deque[tuple[Item, Future[Result | SopilotError]]] = deque()
        for item in items:
            pending.append((item, pool.submit(function, item, time_limit_s)))
            if len(pending) > 2 * processes:
                first, future = pending.popleft()
                yield first, future.result()
        while pending:
            first, future = pending.popleft()
            yield first, future.result()


class _Pool:
    """Threads that each borrow a worker for one task."""

    def __init__(self, workers: list[LimitedWorker]) -> None:
        self.workers = workers
        self.idle: queue.SimpleQueue[LimitedWorker] = queue.SimpleQueue()
        for worker in workers:
            self.idle.put(worker)
        self.threads = ThreadPoolExecutor(len(workers), thread_name_prefix="limited")
        self.ended = False

    def __enter__(self) -> _Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended = True
        self.threads.shutdown(wait=False, cancel_futures=True)
        for worker in self.workers:
            worker.interrupt()
        self.threads.shutdown(wait=True)
        for worker in self.workers:
            worker.close()

    def submit(
        self, function: Callable[[Item], Result], item: Item, time_limit_s: float
    ) -> Future[Result | SopilotError]:
        return self.threads.submit(self._one, function, item, time_limit_s)

    def _one(
        self, function: Callable[[Item], Result], item: Item, time_limit_s: float
    ) -> Result | SopilotError:
        worker = self.idle.get()
        try:
            worker.start()
            if self.ended:
                raise WorkerLimit("the batch was ended before this item's turn.")
            try:
                return worker.run(function, (item,), time_limit_s=time_limit_s)
            except SopilotError as error:
                return error
        finally:
            self.idle.put(worker)


class _Child:
    """One child process and the pipes to it: requests go to its standard input, answers come from a pipe
    of its own.
    """

    def __init__(self, memory_limit_bytes: int) -> None:
        answers, answers_end = os.pipe()
        self.stderr = os.memfd_create("stderr")
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _SERVE, str(answers_end), str(memory_limit_bytes), str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=self.stderr,
                stderr=self.stderr,
                pass_fds=(answers_end,),
                start_new_session=True,
                env={
                    **os.environ,
                    **_ONE_THREAD,
                    "PYTHONPATH": os.pathsep.join(part for part in sys.path if part),
                },
            )
        except OSError as error:
            os.close(answers)
            os.close(self.stderr)
            raise ConfigError(
                f"a worker process could not be started ({error.strerror}); check the limits on processes "
                "and memory."
            ) from error
        finally:
            os.close(answers_end)
        self.answers = answers

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def interrupt(self) -> None:
        """Kill the child and everything it started; whoever waits for its answer finds it dead."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def kill(self) -> None:
        """Kill the child and let go of its pipes."""
        self.interrupt()
        self.process.wait()
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        os.close(self.stderr)
        os.close(self.answers)

    def run(self, function: Callable[..., object], args: tuple[object, ...], time_limit_s: float) -> object:
        if getattr(function, "__module__", None) == "__main__":
            raise ConfigError(
                f"{function!r}: a child process can only import functions from a module, found one in "
                "__main__."
            )
        deadline = time.monotonic() + time_limit_s
        request = pickle.dumps((function, args, time_limit_s))
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(_LENGTH.pack(len(request)) + request)
            self.process.stdin.flush()
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size, deadline, time_limit_s))
        answer = pickle.loads(self._read(length, deadline, time_limit_s))  # noqa: S301 - from our own child
        assert isinstance(answer, _Answer)
        if answer.error is not None:
            raise answer.error
        return answer.result

    def _read(self, size: int, deadline: float, time_limit_s: float) -> bytes:
        parts: list[bytes] = []
        poller = select.poll()
        poller.register(self.answers, select.POLLIN)
        while size:
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not poller.poll(left_s * 1000):
                raise WorkerLimit(
                    f"the task ran past its limit of {time_limit_s:g} s and was ended.", limit="time"
                )
            part = os.read(self.answers, min(size, 1 << 20))
            if not part:
                raise self._death(time_limit_s)
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _death(self, time_limit_s: float) -> WorkerLimit:
        """Why the child is gone."""
        code = self.process.wait()
        if code == -signal.SIGXCPU:
            return WorkerLimit(
                f"the task used more processor time than its limit of {time_limit_s:g} s allows.",
                limit="time",
            )
        last_words = self._last_words()
        if "bad_alloc" in last_words or "MemoryError" in last_words:
            return WorkerLimit(
                f"the task asked for more memory than allowed and its process ended: {last_words}",
                limit="memory",
            )
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        return WorkerLimit(
            f"the process that did the task died ({how}). {last_words}".rstrip(), limit="crash"
        )

    def _last_words(self) -> str:
        size = os.fstat(self.stderr).st_size
        text = os.pread(self.stderr, 2000, max(size - 2000, 0)).decode("utf-8", "replace")
        return " / ".join(text.strip().splitlines()[-2:])[-300:]


@dataclass(frozen=True, slots=True)
class _Answer:
    result: object = None
    error: SopilotError | None = field(default=None)


def serve() -> None:
    """Run the child's side: read tasks from standard input and answer them until it closes. Started by
    `LimitedWorker` only.
    """
    answers, memory_limit_bytes, parent = (int(value) for value in sys.argv[1:4])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (memory_limit_bytes, memory_limit_bytes))
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    requests = sys.stdin.buffer
    while len(head := requests.read(_LENGTH.size)) == _LENGTH.size:
        answer = _answer(requests.read(*_LENGTH.unpack(head)))
        with os.fdopen(answers, "wb", closefd=False) as stream:
            stream.write(_LENGTH.pack(len(answer)) + answer)


def _answer(request: bytes) -> bytes:
    try:
        function, args, time_limit_s = pickle.loads(request)  # noqa: S301 - from our own parent
        _limit_cpu(time_limit_s)
        return pickle.dumps(_Answer(result=function(*args)))
    except SopilotError as error:
        return pickle.dumps(_Answer(error=error))
    except MemoryError:
        return pickle.dumps(
            _Answer(error=WorkerLimit("the task asked for more memory than allowed.", limit="memory"))
        )
    except Exception as error:  # noqa: BLE001 - it must reach the parent, whatever it is
        where = traceback.extract_tb(error.__traceback__)[-1]
        text = f"the task failed with {type(error).__name__}: {error} ({where.name}, line {where.lineno})."
        return pickle.dumps(_Answer(error=WorkerLimit(text, limit="crash")))


def _limit_cpu(time_limit_s: float) -> None:
    """Bound this task's processor time, so that even an orphan in an endless loop ends."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    cores = os.cpu_count() or 1
    seconds = used.ru_utime + used.ru_stime + min(cores, 4) * time_limit_s + 5
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), resource.RLIM_INFINITY))


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH_S)
    os._exit(1)
