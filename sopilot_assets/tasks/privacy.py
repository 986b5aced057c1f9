"""What a task says of the privacy of the people it films, and what holds together with the installation's
settings. Nothing of it judges anybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from sopilot_assets.errors import ConfigError
from sopilot_assets.settings import PrivacySettings, load_settings
from sopilot_assets.store.home import Home
from sopilot_assets.texts.languages import Text

Said = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400, pattern=r"^[^\r\n]*$")
]
RelativePlace = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
RelativeSize = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


PURPOSE: Final = Text("Purpose of filming", "撮影の目的")
LEGAL_BASIS: Final = Text("Legal basis", "法的根拠")
CONTACT: Final = Text("Questions to", "問い合わせ先")
KEPT: Final = Text("Videos of trainees are kept", "受講者の映像の保存期間")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class MaskedRegion(_Section):
    """A rectangle of the picture that is always made unrecognisable in what is shown: its left upper corner
    and its size, as shares of the picture's width and height.
    """

    left: RelativePlace
    top: RelativePlace
    width: RelativeSize
    height: RelativeSize

    @model_validator(mode="after")
    def _inside(self) -> Self:
        if self.left + self.width > 1 + 1e-9 or self.top + self.height > 1 + 1e-9:
            raise ValueError(
                "expected left + width and top + height of at most 1, found "
                f"{self.left + self.width:g} and {self.top + self.height:g}"
            )
        return self


class TaskPrivacy(_Section):
    """The section ``privacy`` of a task. ``purpose`` and ``legal_basis`` take the place of what the settings
    say. ``keep_videos_days``: the videos of trainees go so many days after their last decision; None: never.
    """

    purpose: Said | None = None
    legal_basis: Said | None = None
    keep_videos_days: int | None = Field(default=None, ge=1, le=10_000)
    masked_regions: tuple[MaskedRegion, ...] = Field(default=(), max_length=50)


@dataclass(frozen=True, slots=True)
class PrivacyNotice:
    """What people are told of why they are filmed, in the operator's words; None where nothing is said."""

    purpose: str | None
    legal_basis: str | None
    contact: str | None
    keep_videos_days: int | None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not self.lines

    @property
    def lines(self) -> tuple[tuple[Text, Text], ...]:
        """What is told, each with what it is called; the operator's words are the same in both languages."""
        told = [(PURPOSE, self.purpose), (LEGAL_BASIS, self.legal_basis), (CONTACT, self.contact)]
        lines = [(name, Text(said, said)) for name, said in told if said]
        if days := self.keep_videos_days:
            kept = Text(f"for {days} days after the last decision", f"最後の判定から {days} 日間")
            lines.append((KEPT, kept))
        return tuple(lines)


def privacy_notice(settings: PrivacySettings, task: TaskPrivacy) -> PrivacyNotice:
    """What holds for a task: its own words, or else those of the installation."""
    return PrivacyNotice(
        purpose=task.purpose or settings.purpose,
        legal_basis=task.legal_basis or settings.legal_basis,
        contact=settings.contact,
        keep_videos_days=task.keep_videos_days,
    )


def notice_of(home: Home, task: TaskPrivacy | None = None) -> PrivacyNotice:
    """The same of a home; without a task what the installation says. While its settings cannot be read, which
    doctor and an alert say, only the task's words.
    """
    try:
        settings = load_settings(home).privacy
    except ConfigError:
        settings = PrivacySettings()
    return privacy_notice(settings, task or TaskPrivacy())
