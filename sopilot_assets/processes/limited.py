"""Work on files that cannot be trusted, in child processes with limits.

A damaged video can hang a decoder, crash it, or make it ask for all memory. So reading happens in a child: it
has a memory limit, a time limit per task, and is killed with everything it started when it exceeds one. Only
its task fails; the next task gets a new child. A child ends by itself when its parent is gone, even when the
parent was killed.

Children are forked from a process that has imported what they need (`processes.posix.forking`): that works
from threads, from daemonic processes and with libraries that must not be forked, and costs little. They are
kept from task to task all the same.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pickle
import queue
import struct
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, TypeVar

from sopilot_assets.errors import ConfigError, SopilotError, WorkerLimit
from sopilot_assets.processes.posix.files import file_in_memory, wait_closed, wait_readable
from sopilot_assets.processes.posix.forking import fork
from sopilot_assets.processes.posix.running import (
    how_it_ended,
    limit_memory,
    limit_processor_time,
    ran_out_of_time,
)

Item = TypeVar("Item")
Result = TypeVar("Result")

MEMORY_LIMIT_BYTES: Final = 4 << 30
"""What a child may use that reads a recording or judges it."""
START_LIMIT_S: Final = 180.0
"""How long a child may take to start and to run its initializer (compiling a model takes a while)."""

_LENGTH = struct.Struct("!Q")
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

    def start(self, function: Callable[..., object]) -> None:
        """Make sure that a child is ready for ``function``; raises the initializer's own ``SopilotError``, or
        ``ConfigError`` when no child can be started.
        """
        if self._child is not None and self._child.alive:
            return
        self.close()
        needed = [one.__module__ for one in (self.initializer, function) if one is not None]
        self._child = _Child(self.memory_limit_bytes, needed)
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
        _require_importable(function)
        self.start(function)
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
            _require_importable(function)
            worker.start(function)
            if self.ended:
                raise WorkerLimit("the batch was ended before this item's turn.")
            try:
                return worker.run(function, (item,), time_limit_s=time_limit_s)
            except SopilotError as error:
                return error
        finally:
            self.idle.put(worker)


class _Child:
    """One child process and the pipes to it: one for requests, one for answers. What it prints is kept."""

    def __init__(self, memory_limit_bytes: int, modules: Sequence[str]) -> None:
        its_requests, self.requests = os.pipe()
        self.answers, its_answers = os.pipe()
        self.said = file_in_memory("said")
        try:
            self.process = fork(
                functools.partial(serve, memory_limit_bytes),
                (its_requests, its_answers, self.said),
                modules=modules,
                environment={**os.environ, **_ONE_THREAD},
            )
        except OSError as error:
            self._let_go()
            raise ConfigError(
                f"a worker process could not be started ({error.strerror}); check the limits on processes "
                "and memory."
            ) from error
        finally:
            os.close(its_requests)
            os.close(its_answers)

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def interrupt(self) -> None:
        """Kill the child and everything it started; whoever waits for its answer finds it dead."""
        self.process.kill()

    def kill(self) -> None:
        """Kill the child and let go of its pipes."""
        self.interrupt()
        self.process.wait()
        self._let_go()

    def _let_go(self) -> None:
        for file in (self.requests, self.answers, self.said):
            os.close(file)

    def run(self, function: Callable[..., object], args: tuple[object, ...], time_limit_s: float) -> object:
        deadline = time.monotonic() + time_limit_s
        request = pickle.dumps((function, args, time_limit_s))
        with contextlib.suppress(BrokenPipeError):
            _write(self.requests, _LENGTH.pack(len(request)) + request)
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size, deadline, time_limit_s))
        answer = pickle.loads(self._read(length, deadline, time_limit_s))  # noqa: S301 - from our own child
        assert isinstance(answer, _Answer)
        if answer.error is not None:
            raise answer.error
        return answer.result

    def _read(self, size: int, deadline: float, time_limit_s: float) -> bytes:
        parts: list[bytes] = []
        while size:
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not wait_readable(self.answers, left_s):
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
        if ran_out_of_time(code):
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
        return WorkerLimit(
            f"the process that did the task died ({how_it_ended(code)}). {last_words}".rstrip(), limit="crash"
        )

    def _last_words(self) -> str:
        size = os.fstat(self.said).st_size
        os.lseek(self.said, max(size - 2000, 0), os.SEEK_SET)
        text = os.read(self.said, 2000).decode("utf-8", "replace")
        return " / ".join(text.strip().splitlines()[-2:])[-300:]


@dataclass(frozen=True, slots=True)
class _Answer:
    result: object = None
    error: SopilotError | None = field(default=None)


def _require_importable(function: Callable[..., object]) -> None:
    if getattr(function, "__module__", None) == "__main__":
        raise ConfigError(
            f"{function!r}: a child process can only import functions from a module, found one in __main__."
        )


def serve(memory_limit_bytes: int, requests: int, answers: int, said: int) -> None:
    """The child's side: read tasks from one pipe and answer them on the other until the first one closes.
    Started by `LimitedWorker` only.
    """
    for stream in (1, 2):
        os.dup2(said, stream)
    limit_memory(memory_limit_bytes)
    threading.Thread(target=_end_with_parent, args=(requests,), daemon=True).start()
    with os.fdopen(requests, "rb") as asked:
        while len(head := asked.read(_LENGTH.size)) == _LENGTH.size:
            answer = _answer(asked.read(*_LENGTH.unpack(head)))
            _write(answers, _LENGTH.pack(len(answer)) + answer)


def _write(file: int, text: bytes) -> None:
    with os.fdopen(file, "wb", closefd=False) as stream:
        stream.write(text)


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
    limit_processor_time(min(os.cpu_count() or 1, 4) * time_limit_s + 5)


def _end_with_parent(requests: int) -> None:
    """End when nobody can ask for anything any more: the pipe has no other end."""
    wait_closed(requests)
    os._exit(1)
