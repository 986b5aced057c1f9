"""Names that have to be there already: of homes, tasks, persons, sites, studies, campaigns and keys.

A parameter that takes such a name is marked by what it names, ``Annotated[str, typer.Option(), TASKS]``; the
one check of all is `checked`, through which every command runs.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sopilot_assets.errors import ConfigError
from sopilot_assets.processes.posix.files import owner_but_root
from sopilot_assets.store.home import HOME_VARIABLE
from sopilot_assets.texts.names import nearest, not_among

if TYPE_CHECKING:
    from sopilot_assets.store.home import Home

_FOLDERS: Final = ("tasks", "capture", "ledgers", "studies", "campaigns", "dagster", "keys", "alerts")
_SETTINGS: Final = "settings.yaml"
"""By which a home is told from another folder: one of them is enough."""


@dataclass(frozen=True, slots=True)
class Named:
    """A kind of thing that has a name: what it is called, which names a home knows, what to say where it does
    not know one, and how they are listed or made.
    """

    word: str
    known: Callable[[Home], Iterable[str]]
    missing: str
    action: str


class _Existing:
    """Marks the home of a command that works in one that is there."""


EXISTING: Final = _Existing()


def checked(command: Callable[..., object]) -> Callable[..., object]:
    """The command, which first raises ``ConfigError`` with the nearest name where its home, or what another
    parameter marked by a `Named` names, is not there, and warns root in the home of somebody else.
    """
    marks = {name: _mark(one) for name, one in inspect.signature(command, eval_str=True).parameters.items()}
    named = {name: mark for name, mark in marks.items() if isinstance(mark, Named)}
    existing = any(isinstance(mark, _Existing) for mark in marks.values())

    @functools.wraps(command)
    def run(**given: Any) -> object:  # whatever the command takes
        if existing:
            must_be_home(given["home"])
            _warn_root(Path(str(given["home"].root)))
        for name, kind in named.items():
            if given.get(name) is not None:
                must_be_known(given["home"], kind, given[name])
        return command(**given)

    return run


def _mark(parameter: inspect.Parameter) -> object:
    marks = getattr(parameter.annotation, "__metadata__", ())
    return next((one for one in marks if isinstance(one, Named | _Existing)), None)


def must_be_known(home: Home, kind: Named, name: str) -> None:
    """Nothing; ``ConfigError`` with the nearest name where the home has nothing of this kind and name."""
    if name not in iter(kind.known(home)):  # read no further than to where it is
        known = not_among(name, kind.known(home))
        raise ConfigError(f"{kind.word} {name!r}: {kind.missing}; {known}. {kind.action}")


def must_be_home(home: Home) -> None:
    """Nothing; ``ConfigError`` with the nearest folder where no home lies there."""
    root = Path(str(home.root))
    if _is_home(root):
        return
    near = nearest(root.name, _homes_beside(root))
    meant = f" Did you mean {root.parent / near}?" if near else ""
    found = "another folder" if root.is_dir() else "a file" if root.exists() else "nothing"
    raise ConfigError(
        f"{root}: expected a home folder, found {found}.{meant} Name it with --home or {HOME_VARIABLE}, or "
        f"make one: `sopilot home init --home {root}`."
    )


def _warn_root(root: Path) -> None:
    from sopilot_assets.cli.output import show_warning  # noqa: PLC0415 - the help needs none of it

    owner = owner_but_root(root)
    if owner is not None:
        show_warning(
            f"{root} belongs to {owner}, who cannot change what root writes there. Type commands as {owner}: "
            f"sudo -u {owner} sopilot ..."
        )


def _is_home(folder: Path) -> bool:
    return (folder / _SETTINGS).is_file() or any((folder / name).is_dir() for name in _FOLDERS)


def _homes_beside(root: Path) -> list[str]:
    try:
        return [one.name for one in root.parent.iterdir() if _is_home(one)]
    except OSError:  # what cannot be listed has no names to offer
        return []


def _tasks(home: Home) -> Iterator[str]:
    """Those with a file, then those that recordings, labels or imported jobs are of."""
    from sopilot_assets.capture.registry import Registry  # noqa: PLC0415 - the help needs none of them
    from sopilot_assets.labels.chain import tasks_with_labels  # noqa: PLC0415
    from sopilot_assets.legacy.ledgers import imported_tasks  # noqa: PLC0415
    from sopilot_assets.tasks import task_ids  # noqa: PLC0415

    yield from task_ids(home.root)
    yield from (one.task_id for one in Registry.read(home).recordings.values())
    yield from tasks_with_labels(home)
    yield from imported_tasks(home)


def _of_recordings(field: str) -> Callable[[Home], Iterable[str]]:
    def known(home: Home) -> Iterable[str]:
        from sopilot_assets.capture.registry import Registry  # noqa: PLC0415 - the help does not need it

        return filter(None, (getattr(one, field) for one in Registry.read(home).recordings.values()))

    return known


def _studies(home: Home) -> list[str]:
    from sopilot_assets.studies.spec import study_ids  # noqa: PLC0415 - the help does not need it

    return study_ids(home)


def _campaigns(home: Home) -> list[str]:
    from sopilot_assets.upkeep.campaign.plan import campaign_ids  # noqa: PLC0415 - the help does not need it

    return campaign_ids(home)


def _keys(home: Home) -> list[str]:
    from sopilot_assets.dossier.signing import list_keys  # noqa: PLC0415 - the help does not need it

    return [key.name for key in list_keys(home.keys)]


TASKS: Final = Named(
    "task",
    _tasks,
    "there is no such task file, and no recording or label of such a task",
    "`sopilot task list` shows all; `sopilot task create TASK` makes one.",
)
PERSONS: Final = Named(
    "person",
    _of_recordings("person"),
    "no recording is known to show this person",
    "`sopilot recording list` says who is in which.",
)
SITES: Final = Named(
    "site",
    _of_recordings("site"),
    "no recording is from there",
    "`sopilot recording list` says where each was made.",
)
STUDIES: Final = Named(
    "study",
    _studies,
    "there is no such study",
    "`sopilot study list` shows all; `sopilot study create STUDY --task TASK --title TITLE` makes one.",
)
CAMPAIGNS: Final = Named(
    "campaign", _campaigns, "there was none with this id", "`sopilot campaign list` shows all."
)
KEYS: Final = Named(
    "key",
    _keys,
    "there is no key of this name",
    "`sopilot key list` shows all; `sopilot key create` makes one.",
)
