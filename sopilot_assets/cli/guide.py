"""The page of all commands, written from the command line itself.

python -m sopilot_assets.cli.guide > docs/commands.md
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator

from sopilot_assets.cli.groups import GROUPS, Group, LazyGroup, commands_in
from sopilot_assets.cli.renamed import NEW_NAMES

_HEAD = """\
# Commands

Every command is `sopilot NOUN VERB`: first what it is about, then what is done; `list` shows many, `show`
one. `sopilot --help` lists the nouns, `sopilot NOUN --help` the verbs of one, `sopilot NOUN VERB --help`
all options, with examples. Commands that show something take `--json`, most of them `--csv` too.

`--home FOLDER` or the variable `SOPILOT_HOME` names the home; without them it is `./sopilot_home`. Exit
codes: 0 done; 1 something is wrong, and the message says what to do; 2 mistyped (of `measure compare` also:
a folder that cannot be used); 3 a person should look at what was found (`measure damage`, `study check`,
`upgrade check`); 130 interrupted.

`sopilot --install-completion` makes the shell complete nouns, verbs and options at the tab key (bash, zsh,
fish, PowerShell); open a new shell afterwards. `sopilot --show-completion` prints what it would install.

This page is made by `make commands`.
"""

_RENAMED = """\
## Old names

What had another name once. An old name goes on working and says the new one on standard error; what followed
the old name follows the new one.

| before | now |
|---|---|
"""


def page() -> str:
    """The page as Markdown: panels, groups and commands with what each does, then the old names."""
    panels = dict.fromkeys(group.panel for group in GROUPS)
    parts = [_HEAD, *(_panel(name) for name in panels), _RENAMED + "".join(_old_names())]
    return "\n".join(parts)


def _panel(name: str) -> str:
    groups = [group for group in GROUPS if group.panel == name]
    return f"## {name}\n\n| command | does |\n|---|---|\n" + "".join(
        line for one in groups for line in _rows(one)
    )


def _rows(group: Group) -> Iterator[str]:
    for words, command in commands_in(LazyGroup(group).commands):
        first = inspect.cleandoc(command.help or "").split("\n\n", 1)[0]
        does = " ".join(first.split()).partition("; exit code")[0].removesuffix(".")
        yield f"| `sopilot {group.name} {' '.join(words)}` | {does} |\n"


def _old_names() -> Iterator[str]:
    for old, new in NEW_NAMES.items():
        yield f"| `sopilot {old}` | `sopilot {new}` |\n"


if __name__ == "__main__":
    sys.stdout.write(page())
