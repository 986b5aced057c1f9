"""The groups of commands: what each is about, who uses it, and the module that holds its commands."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_group

from sopilot_assets.at_first_use import at_first_use
from sopilot_assets.cli.known import checked
from sopilot_assets.cli.output import show_error, show_warning
from sopilot_assets.cli.renamed import gone, new_words
from sopilot_assets.errors import SopilotError

with at_first_use():
    from sopilot_assets.cli import (
        alert,
        backup,
        campaign,
        capture,
        demo,
        desk,
        dossier,
        gold,
        home,
        key,
        label,
        legacy,
        measure,
        model,
        person,
        policy,
        recording,
        report,
        retention,
        sample,
        score,
        service,
        study,
        task,
        upgrade,
        web,
        worker,
    )

_OF_THE_DISK: Final = frozenset((errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT))
"""What the system says of a place that cannot be written or read, which no command can help."""

PEOPLE: Final = "People: recordings, scores, labels"
EVIDENCE: Final = "Evidence: studies and dossiers"
UPKEEP: Final = "Upkeep: the installation"
DEVELOPERS: Final = "Developers: samples and measurements"


@dataclass(frozen=True, slots=True)
class Group:
    """One noun: its panel in the help, what it says of itself, and the module with its verbs. The verb
    ``alone`` is meant where the noun stands alone.
    """

    name: str
    panel: str
    about: str
    module: ModuleType
    alone: str | None = None


GROUPS: Final = (
    Group("demo", PEOPLE, "The whole way on simulated recordings: begin here.", demo),
    Group("desk", PEOPLE, "The web app for people on the floor; alone, it serves.", desk, "serve"),
    Group("task", PEOPLE, "Procedures: how recordings of them are judged, and by which golds.", task),
    Group("capture", PEOPLE, "Recordings in: copied, checked, registered.", capture),
    Group("recording", PEOPLE, "Registered recordings, and refused ones.", recording),
    Group("gold", PEOPLE, "Golds: their steps, and trainee recordings made golds.", gold),
    Group("score", PEOPLE, "Scores of recordings: made, listed.", score),
    Group("label", PEOPLE, "What people say about recordings: sheets, labels, agreement.", label),
    Group("person", PEOPLE, "One person's data: listed, handed over, erased.", person),
    Group("report", PEOPLE, "What a day brought, and what needs a person.", report),
    Group("study", EVIDENCE, "Evaluations, registered before anybody looks.", study),
    Group("dossier", EVIDENCE, "Evidence dossiers: built, listed, verified.", dossier),
    Group("policy", EVIDENCE, "Which policy decides: adopted from a dossier, and taken back.", policy),
    Group("key", EVIDENCE, "Keys that dossiers are signed with.", key),
    Group("legacy", EVIDENCE, "An existing installation of the old system.", legacy),
    Group("home", UPKEEP, "The home folder: made, examined, fetched.", home),
    Group("service", UPKEEP, "The installation as services of systemd.", service),
    Group("web", UPKEEP, "Dagster's web page, also for people who only look.", web),
    Group("campaign", UPKEEP, "Leave the installation alone for some days.", campaign),
    Group("alert", UPKEEP, "What needs attention, and whether people are reached.", alert),
    Group("backup", UPKEEP, "Back the home up, check backups, bring a home back.", backup),
    Group(
        "upgrade",
        UPKEEP,
        "A new version: what it changes in the home, done and taken back.",
        upgrade,
    ),
    Group("retention", UPKEEP, "What is over its time.", retention),
    Group("model", UPKEEP, "The embedding models of a home.", model),
    Group("worker", UPKEEP, "One machine of several that share a home.", worker),
    Group("sample", DEVELOPERS, "Recordings and labels to try the product with.", sample),
    Group("measure", DEVELOPERS, "How good the product's scores are.", measure),
)


_HELP: Final = ("-h", "--help")


def commands_in(commands: Mapping[str, Any], *before: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All commands of a group, those of groups in it too, each by its words."""
    for name, command in commands.items():
        inner = getattr(command, "commands", None)
        if inner is None:
            yield (*before, name), command
        else:
            yield from commands_in(inner, *before, name)


class LazyGroup(TyperGroup):
    """The commands of one noun; its module is loaded when one of them is looked for."""

    def __init__(self, group: Group) -> None:
        self._group = group
        super().__init__(
            name=group.name,
            help=group.about,
            rich_help_panel=group.panel,
            no_args_is_help=group.alone is None,
        )

    @property
    def commands(self) -> dict[str, Any]:
        """The verbs and what they do."""
        found = dict(get_group(self._group.module.app).commands)
        for _, command in commands_in(found):
            command.callback = checked(command.callback) if command.callback else None
        return found

    @commands.setter
    def commands(self, _: object) -> None:
        """Nothing: the module has them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """What is left of the words when the options of the noun itself are read."""
        alone = self._group.alone
        if alone is not None and (not args or (args[0].startswith("-") and args[0] not in _HELP)):
            args = [alone, *args]
        return super().parse_args(ctx, args)


class Commands(TyperGroup):
    """All groups; an error of ours ends a command with its message and exit code 1, without a traceback."""

    def __init__(self, **settings: Any) -> None:  # whatever typer gives
        super().__init__(**settings)
        for group in GROUPS:
            self.add_command(LazyGroup(group))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The group that is meant, also by an old name; exit code 2, and the new names, for an old group."""
        group = self.commands.get(args[0])
        verbs = [*group.commands, *_HELP] if isinstance(group, LazyGroup) else []
        known = any(word in verbs for word in args[1:2])
        if not known:
            new = new_words(args)
            if new is not None:
                show_warning(f"`sopilot {' '.join(args)}` is now `sopilot {' '.join(new)}`.")
                return super().resolve_command(ctx, new)
            said = gone(args, self.commands)
            if said is not None:
                show_error(said)
                raise typer.Exit(2)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """What the command returns."""
        try:
            return super().invoke(ctx)
        except SopilotError as error:
            show_error(str(error))
            raise typer.Exit(1) from error
        except OSError as error:
            if error.errno not in _OF_THE_DISK or error.filename is None:
                raise
            show_error(
                f"{error.filename}: {error.strerror}. Free disk space, or mend the folder's permissions or "
                "how its disk is mounted, then run the same command again."
            )
            raise typer.Exit(1) from error
        except KeyboardInterrupt:
            show_error("Interrupted. What was finished is kept; run the same command again to go on.")
            raise typer.Exit(130) from None
