"""All Dagster definitions: what the modules of the subject folders below `defs` define, merged."""

from __future__ import annotations

import warnings
from functools import cache
from importlib import import_module
from pkgutil import iter_modules, walk_packages
from types import ModuleType
from typing import Final

import dagster as dg

from sopilot_assets import defs as folders
from sopilot_assets.defs.resources import RESOURCES

NOT_SUBJECTS: Final = frozenset({"dagster_internals", "scale", "web"})
"""The folders of `defs` that run Dagster and define nothing; `scale` can only be imported with its extra."""


@cache
def subject_modules() -> tuple[ModuleType, ...]:
    """The modules of the subject folders, in the order of their names."""
    names = [one.name for one in iter_modules(folders.__path__) if one.ispkg]
    subjects = [import_module(f"{folders.__name__}.{name}") for name in names if name not in NOT_SUBJECTS]
    return tuple(
        import_module(module.name)
        for subject in subjects
        for module in walk_packages(subject.__path__, f"{subject.__name__}.")
    )


def build_defs(**overrides: object) -> dg.Definitions:
    """The definitions, with resources replaced by name: ``home``, ``limits`` or ``clock``."""
    unknown = sorted(set(overrides) - set(RESOURCES))
    if unknown:
        raise TypeError(f"build_defs: unknown resources {unknown}; expected some of {sorted(RESOURCES)}.")
    with warnings.catch_warnings():
        # Dagster calls its loader a preview; a test holds what it has to find
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.load_definitions_from_modules(
            [_definitions_of(module) for module in subject_modules()],
            resources={**RESOURCES, **overrides},
            executor=dg.in_process_executor,
        )


def _definitions_of(module: ModuleType) -> ModuleType:
    """The module without the modules that it imports: Dagster asks every name whether it is a definition, and
    being asked would load what waits for its first use.
    """
    shown = ModuleType(module.__name__)
    vars(shown).update({name: one for name, one in vars(module).items() if not isinstance(one, ModuleType)})
    return shown


defs = build_defs()
