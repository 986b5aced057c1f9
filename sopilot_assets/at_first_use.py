"""Imports that load a module when it is first used, so that a command or a server of Dagster loads no more
than it needs.

The imports of one block put off loading::

    with at_first_use():
        from sopilot_assets import local_run  # Dagster is loaded by `local_run.run_scoring(...)`

Import modules in such a block, not names out of them: a name is looked up at once, and so is a package.
Reads and writes nothing.

Python's own ``importlib.util.LazyLoader`` also loads a module that is only asked where it comes from, which
`inspect` asks of all modules that there are, and before Python 3.12 hands half a module to a second thread.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from threading import RLock
from types import ModuleType
from typing import Any, Final

_OURS: Final = f"{__name__.partition('.')[0]}."
_KNOWN: Final = frozenset(("__class__", "__file__", "__loader__", "__name__", "__package__", "__spec__"))


class _Waiting(ModuleType):
    """A module that is loaded by the first look at what is in it, but not by one at where it comes from."""

    def __getattribute__(self, attr: str) -> Any:
        if attr not in _KNOWN:
            spec = self.__spec__
            assert spec is not None
            assert isinstance(spec.loader, _LaterLoader)
            spec.loader.load(self)
        return object.__getattribute__(self, attr)


class _LaterLoader(Loader):
    """Loads a module by its own ``loader``, later."""

    def __init__(self, loader: Loader) -> None:
        self.loader, self._lock, self._at_work = loader, RLock(), False

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__class__ = _Waiting

    def load(self, module: ModuleType) -> None:
        """Load a waiting module; whoever asks meanwhile waits, but for the module itself."""
        with self._lock:
            if self._at_work or module.__class__ is not _Waiting:
                return
            self._at_work = True
            try:
                self.loader.exec_module(module)
                module.__class__ = ModuleType  # type: ignore[assignment]
            finally:
                self._at_work = False


class _LoadsLater(MetaPathFinder):
    """Finds the modules of this package as ever, and puts off running them."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """How to load the module later; None for what is not ours, and for packages."""
        spec = PathFinder.find_spec(fullname, path, target) if fullname.startswith(_OURS) else None
        if spec is None or spec.loader is None or spec.submodule_search_locations is not None:
            return None
        spec.loader = _LaterLoader(spec.loader)
        return spec


@contextmanager
def at_first_use() -> Iterator[None]:
    """A block whose imports of this package's modules are loaded at their first use."""
    finder = _LoadsLater()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def load_now(module: ModuleType) -> None:
    """Load a module that waits for its first use, so that a bar can say what takes so long."""
    vars(module)
