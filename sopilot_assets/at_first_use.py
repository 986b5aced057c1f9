"""Imports that load a module when it is first used, so that a command or a server of Dagster loads no more
than it needs.

Python's own ``importlib.util.LazyLoader``, switched on for the imports of one block::

    with at_first_use():
        from sopilot_assets import local_run  # Dagster is loaded by `local_run.run_scoring(...)`

Import modules in such a block, not names out of them: a name is looked up at once, and so is a package.
Reads and writes nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType
from typing import Final

_OURS: Final = f"{__name__.partition('.')[0]}."


class _LoadsLater(MetaPathFinder):
    """Finds the modules of this package as ever, and puts off running them."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """How to load the module later; None for what is not ours, and for packages."""
        spec = PathFinder.find_spec(fullname, path, target) if fullname.startswith(_OURS) else None
        if spec is None or spec.loader is None or spec.submodule_search_locations is not None:
            return None
        spec.loader = LazyLoader(spec.loader)
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
