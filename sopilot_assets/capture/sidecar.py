"""The optional ``<file>.json`` beside a recording: who, when, and from which video it was made."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    StringConstraints,
    ValidationError,
    field_validator,
)

from sopilot_assets.errors import ConfigError
from sopilot_assets.texts.names import composed, printable

LARGEST_BYTES: Final = 1 << 20

Label = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(lambda said: composed(printable(said))),
]


def _in_utc_too(moment: datetime) -> datetime:
    """The time as it is; ``ValueError`` for one that is in no year of UTC, as clocks that were never set
    say it.
    """
    try:
        (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise ValueError(f"expected when it was recorded, found {moment.isoformat()}") from None
    return moment


class Sidecar(BaseModel):
    """Provenance of one recording; all of it optional. Other fields are ignored: cameras and tools write
    their own.

    ``source_video`` names the recording that this one was made from (its file name or content hash).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    person: Label | None = None
    session: Label | None = None
    recorded_at: Annotated[datetime, AfterValidator(_in_utc_too)] | None = None
    source_video: Label | None = None

    @field_validator("person", "session", "source_video", mode="before")
    @classmethod
    def _number_is_a_label(cls, value: object) -> object:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def read_sidecar(path: Path) -> Sidecar:
    """The sidecar at ``path``; raises ``ConfigError`` naming what is wrong with it."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ConfigError(
                f"{path.name}: expected a few lines of JSON, found more than {LARGEST_BYTES} bytes."
            )
        content: object = json.loads(path.read_bytes())
        return Sidecar.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'file'}: {one['msg']}" for one in error.errors()[:3]
        )
        raise ConfigError(f"{path.name}: {problems}.") from error
    except (ValueError, RecursionError, OSError) as error:
        raise ConfigError(f"{path.name}: expected JSON, found something else ({error}).") from error
