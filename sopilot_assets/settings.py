"""How an installation is to be looked after: ``settings.yaml`` in the home.

Read here, written by people only. Every field has a default, and without the file all of them hold. Secrets
are not written into it: a field that ends in ``_env`` names the environment variable that holds the secret.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)
from upath import UPath

from sopilot_assets.documents.faults import parse_document
from sopilot_assets.errors import ConfigError
from sopilot_assets.store.home import Home

SETTINGS_FILE: Final = "settings.yaml"

_Hours = Annotated[float, Field(gt=0, le=10_000)]
_Days = Annotated[int, Field(ge=1, le=10_000)]
_Gib = Annotated[float, Field(ge=0)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Count = Annotated[int, Field(ge=1)]
_Minutes = Annotated[float, Field(gt=0)]
_Seconds = Annotated[float, Field(ge=0)]
_Told = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400, pattern=r"^[^\r\n]*$")
]
THIS_MACHINE: Final = ("localhost", "127.0.0.1", "::1")


def _name_of_variable(name: str) -> str:
    if not re.fullmatch(r"[A-Z_][A-Z0-9_]*", name):
        raise ValueError(
            "expected the name of an environment variable (A-Z, 0-9 and _), found something else (not shown, "
            "since it may be the secret itself)"
        )
    return name


_Variable = Annotated[str, AfterValidator(_name_of_variable)]


def _web_address(text: str) -> str:
    if not re.fullmatch(r"https?://([A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(:\d{1,5})?/?", text):
        raise ValueError(f"expected an address such as https://sopilot.example.org, found {text!r}")
    return text.rstrip("/")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WebhookSettings(_Section):
    """JSON by HTTP POST. The address is itself a secret with most services; with ``sign_env`` each message is
    signed by that key.
    """

    url_env: _Variable
    token_env: _Variable | None = None
    sign_env: _Variable | None = None
    timeout_s: float = Field(default=10.0, gt=0, le=20)


class EmailSettings(_Section):
    """Alerts by e-mail over SMTP."""

    host: str = Field(min_length=1)
    port: int = Field(default=587, ge=1, le=65535)
    starttls: bool = True
    sender: str = Field(min_length=3)
    recipients: tuple[str, ...] = Field(min_length=1)
    username_env: _Variable | None = None
    password_env: _Variable | None = None
    timeout_s: float = Field(default=20.0, gt=0, le=20)

    @model_validator(mode="after")
    def _no_password_in_clear(self) -> EmailSettings:
        if (self.username_env is None) != (self.password_env is None):
            raise ValueError("expected username_env and password_env together, or neither")
        if self.password_env and not self.starttls and self.host not in THIS_MACHINE:
            raise ValueError("expected starttls: true, since the password would go over the network in clear")
        return self


class AlertSettings(_Section):
    """Where alerts go beside ``alerts/alerts.jsonl``, which always has them.

    ``installation`` is how messages call this one; without it, by the name of the machine.
    """

    installation: str | None = Field(default=None, min_length=1, max_length=100)
    webhook: WebhookSettings | None = None
    email: EmailSettings | None = None
    repeat_after_hours: _Hours = 24.0
    give_up_after_hours: _Hours = 72.0


class XapiSettings(_Section):
    """Results as xAPI statements to a learning record store, with basic authentication.

    ``site`` is the address by which statements name this installation for ever, whether anything answers
    there or not: activities and accounts begin with it.
    """

    url_env: _Variable
    username_env: _Variable
    password_env: _Variable
    site: Annotated[str, AfterValidator(_web_address)]
    version: Literal["1.0.3", "2.0.0"] = "1.0.3"
    timeout_s: float = Field(default=10.0, gt=0, le=20)


class ResultSettings(_Section):
    """Where results go: to other programs, as they are decided and when they change.

    ``persons`` says whether the person codes of recordings go with them. ``since`` is the time from which on
    results are sent; without it, from when a channel was named here first.
    """

    webhook: WebhookSettings | None = None
    xapi: XapiSettings | None = None
    persons: Literal["none", "codes"] = "none"
    since: AwareDatetime | None = None


class FreshnessLimits(_Section):
    """After how many hours something that should have happened is reported; None: never."""

    capture_tick_hours: _Hours | None = 0.5
    unscored_hours: _Hours | None = 6.0
    backup_hours: _Hours | None = 48.0
    daily_report_hours: _Hours | None = 30.0
    drill_hours: _Hours | None = 24.0 * 9
    result_sent_hours: _Hours | None = 1.0


class DiskLimits(_Section):
    """Intake stops below ``pause_gib`` of free space, and goes on above ``resume_gib``."""

    warn_gib: _Gib = 10.0
    pause_gib: _Gib = 2.0
    resume_gib: _Gib = 4.0

    @model_validator(mode="after")
    def _in_order(self) -> DiskLimits:
        if not self.pause_gib <= self.resume_gib <= self.warn_gib:
            raise ValueError(
                "expected pause_gib <= resume_gib <= warn_gib, found "
                f"{self.pause_gib:g}, {self.resume_gib:g} and {self.warn_gib:g}"
            )
        return self


class RetentionSettings(_Section):
    """Days for which what can be made again, or is only bookkeeping, is kept. Scores, labels, studies,
    dossiers and golds are kept for ever; how long videos of trainees are, their task says.
    """

    # what starts runs looks at those of the last two weeks, so as not to start one twice
    finished_runs_days: Annotated[int, Field(ge=15, le=10_000)] = 90
    event_logs_days: _Days = 90
    proxies_days: _Days = 30
    campaign_logs_days: _Days = 90
    uploads_days: _Days = 7
    compact_ledger_files: int = Field(default=200, ge=2)


class UploadSettings(_Section):
    """What the desk takes: the largest file."""

    largest_gib: float = Field(default=64.0, gt=0)


class Targets(_Section):
    """What the daily report measures progress against, recordings for each task."""

    golds: int = Field(default=20, ge=1)
    trainees: int = Field(default=50, ge=1)


class BackupSettings(_Section):
    """Where backups go; a folder on another disk or an object store's URL. None: no backup by itself."""

    destination: str | None = None
    keep: int = Field(default=30, ge=1)

    @field_validator("destination")
    @classmethod
    def _the_same_from_everywhere(cls, place: str | None) -> str | None:
        if place is not None and "://" not in place and not Path(place).is_absolute():
            raise ValueError(f"expected an absolute path or a URL, found {place!r}")
        return place


class ConditionLimits(_Section):
    """From when on something else than lateness and little disk counts as wrong.

    ``golds`` by ``gold_persons`` are the fewest of a task that give sane results. ``running_minutes`` is
    longer than Dagster lets a run take.
    """

    golds: _Count = 4
    gold_persons: _Count = 2
    refused_share: _Share = 0.2
    refused_of_last: _Count = 100
    dropped_minutes: _Minutes = 10.0
    daemon_silent_minutes: _Minutes = 5.0
    queued_minutes: _Minutes = 30.0
    starting_minutes: _Minutes = 10.0
    running_minutes: _Minutes = 370.0
    journal_mib: _Count = 256
    ledger_files: Annotated[int, Field(ge=2)] = 400
    clock_ahead_s: _Seconds = 60.0
    leftover_minutes: _Minutes = 60.0
    campaign_unwatched_s: _Seconds = 90.0
    campaign_slack_s: _Seconds = 120.0
    files_read_again: Annotated[int, Field(ge=0)] = 5
    web_ports: tuple[int, ...] = (3000, 3001)
    desk_ports: tuple[int, ...] = (8000,)
    token_expires_days: _Days = 14


class WebSettings(_Section):
    """Where people open the web page: links to pages of the home begin with it. Without it they lead to
    whichever web page shows them.
    """

    address: Annotated[str, AfterValidator(_web_address)] | None = None


class DeskSettings(_Section):
    """Where people open the desk: Dagster's page and the daily reports beside it link there."""

    address: Annotated[str, AfterValidator(_web_address)] = "http://127.0.0.1:8000"


class AuditSettings(_Section):
    """Which share of recordings chance picks to be labeled blind whatever was decided, and by which seed."""

    share: _Share = 0.05
    seed: int = 0


class PrivacySettings(_Section):
    """What people are told of why they are filmed, in the words of whoever runs the installation, and where
    faces are blurred: in dossiers, in everything that is shown or handed over, or nowhere. A task may say
    another purpose and legal basis.
    """

    purpose: _Told | None = None
    legal_basis: _Told | None = None
    contact: _Told | None = None
    blur_faces: Literal["dossiers", "everywhere", "nowhere"] = "dossiers"


class Settings(_Section):
    """All settings of an installation."""

    alerts: AlertSettings = AlertSettings()
    freshness: FreshnessLimits = FreshnessLimits()
    limits: ConditionLimits = ConditionLimits()
    disk: DiskLimits = DiskLimits()
    retention: RetentionSettings = RetentionSettings()
    uploads: UploadSettings = UploadSettings()
    targets: Targets = Targets()
    backup: BackupSettings = BackupSettings()
    web: WebSettings = WebSettings()
    desk: DeskSettings = DeskSettings()
    audit: AuditSettings = AuditSettings()
    results: ResultSettings = ResultSettings()
    privacy: PrivacySettings = PrivacySettings()


def settings_path(home: Home) -> UPath:
    """Where the settings of a home lie."""
    return home.root / SETTINGS_FILE


def load_settings(home: Home) -> Settings:
    """The settings of a home; the defaults where it has no file. `ConfigError` names line and field."""
    path = settings_path(home)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise ConfigError(f"{path}: could not be read ({error.strerror or error}). Mend it.") from error
    advice = "Correct the file, or delete it for the defaults."
    return parse_document(data, Settings, source=path, refuse=ConfigError, advice=advice)
