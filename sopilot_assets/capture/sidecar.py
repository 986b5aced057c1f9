"""The optional ``<file>.json`` beside a recording: who, when, and from which video it was made."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    ValidationError,
    field_validator,
)

from sopilot_assets.errors import ConfigError
from sopilot_assets.texts.names import composed, printable

LARGEST_BYTES: Final = 1 << 20
_NUMBER: Final = re.compile(r"[-+]?[\d.]+")

Label = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(lambda said: composed(printable(said))),
]


def _told_as_time(value: object) -> object:
    """The value, unless it is a number or the digits of one: which time that means, nobody can tell."""
    if isinstance(value, int | float) or (isinstance(value, str) and _NUMBER.fullmatch(value.strip())):
        raise ValueError(f"expected a time such as 2026-03-02T08:15:00+09:00, found {value}")
    return value


def _zoned(moment: datetime) -> datetime:
    """The time, in the zone of this machine where it names none; ``ValueError`` for one that is in no year of
    UTC, as clocks that were never set say it.
    """
    try:
        moment.astimezone(UTC)
        return moment if moment.tzinfo else moment.astimezone()
    except OverflowError:
        raise ValueError(f"expected when it was recorded, found {moment.isoformat()}") from None


class Sidecar(BaseModel):
    """Provenance of one recording; all of it optional. Other fields are ignored: cameras and tools write
    their own.

    ``source_video`` names the recording that this one was made from (its file name or content hash).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    person: Label | None = None
    session: Label | None = None
    recorded_at: Annotated[datetime, BeforeValidator(_told_as_time), AfterValidator(_zoned)] | None = None
    source_video: Label | None = None

    @field_validator("person", "session", "source_video", mode="before")
    @classmethod
    def _number_is_a_label(cls, value: object) -> object:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _said_once(fields: list[tuple[str, object]]) -> dict[str, object]:
    """An object of JSON; ``ValueError`` where it says something of the recording twice."""
    found = dict(fields)
    for name in Sidecar.model_fields.keys() & found.keys():
        if sum(field == name for field, _ in fields) > 1:
            raise ValueError(f"{name} is told twice")
    return found


def read_sidecar(path: Path) -> Sidecar:
    """The sidecar at ``path``; raises ``ConfigError`` naming what is wrong with it."""
    name = printable(path.name)
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ConfigError(f"{name}: expected a few lines of JSON, found more than {LARGEST_BYTES} bytes.")
        content: object = json.loads(path.read_bytes(), object_pairs_hook=_said_once)
        return Sidecar.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'file'}: {one['msg']}" for one in error.errors()[:3]
        )
        raise ConfigError(f"{name}: {problems}.") from error
    except (ValueError, RecursionError, OSError) as error:
        raise ConfigError(f"{name}: expected JSON, found something else ({error}).") from error
