"""What people wrote into files of a home that older versions refuse to read, as they know no such field."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sopilot_assets.documents.reading import DocumentError, read_document
from sopilot_assets.settings import SETTINGS_FILE
from sopilot_assets.store.home import Home
from sopilot_assets.store.home_format import read_format
from sopilot_assets.store.publish import local_path, published_files

_SINCE: Final[Mapping[int, Mapping[str, tuple[str, ...]]]] = {
    2: {
        "tasks/*.yaml": (
            *("accepted_alarm", "accepted_miss", "embedder: lite0_box", "privacy", "takt_s"),
            *("steps.instruction", "steps.instruction_ja"),
        ),
        SETTINGS_FILE: (
            *("audit", "desk", "privacy", "results", "uploads"),
            *("alerts.webhook.sign_env", "freshness.result_sent_hours"),
            *("limits.desk_ports", "limits.token_expires_days", "retention.uploads_days"),
        ),
    }
}
"""The fields, and values of older ones, that came with each format, by the files that have them."""


def unknown_before(home: Home) -> tuple[str, ...]:
    """A sentence for each file with fields that came later than the format that the home is of."""
    root = local_path(home.root)
    said = read_format(root)
    later = {
        (pattern, field)
        for since, fields in _SINCE.items()
        if since > said.number
        for pattern, names in fields.items()
        for field in names
    }
    found: dict[str, list[str]] = {}
    for pattern, field in sorted(later):
        for path in published_files(root, pattern):
            if not path.name.endswith(".lock.yaml") and _has(_content(path), field.split(".")):
                found.setdefault(path.relative_to(root).as_posix(), []).append(field)
    return tuple(
        f"{name} has {', '.join(fields)}, which {said.made_by} does not know and refuses; remove that before "
        "going back to it"
        for name, fields in found.items()
    )


def _has(value: object, field: list[str]) -> bool:
    """Whether a field is there, with its value if one is named, in a mapping or in any entry of a list."""
    if isinstance(value, list):
        return any(_has(one, field) for one in value)
    name, _, wanted = field[0].partition(": ")
    if not isinstance(value, Mapping) or name not in value:
        return False
    return value[name] == wanted if wanted else len(field) == 1 or _has(value[name], field[1:])


def _content(path: Path) -> Any:
    try:
        return read_document(path.read_bytes()).content
    except DocumentError:
        return None
