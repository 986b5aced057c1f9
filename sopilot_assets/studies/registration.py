"""Registering a study: a copy of what it says, fixed before its results exist.

A registration lies beside the study file as ``<study_id>.registration.json``. Until there is a result, a
changed study can be registered again, and the earlier registration stays listed. Once there is a result, no
change is taken.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from upath import UPath

from sopilot_assets.errors import StudyError
from sopilot_assets.store.canonical import content_sha256, pretty_json
from sopilot_assets.store.home import Home, plain_id
from sopilot_assets.store.publish import only_writer, publish_bytes
from sopilot_assets.studies.gates import check_overrides
from sopilot_assets.studies.spec import ScoreOrigin, StudySpec, read_study
from sopilot_assets.tasks import load_task

REGISTRATION_SUFFIX: Final = ".registration.json"

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_ABSENT: Final = "nothing"


class RegisteredVersion(BaseModel):
    """What was registered at one time: the study's content and the hashes of it, of its file and task.

    ``task_version`` and ``task_fingerprint`` are None for scores of an existing installation, which were not
    judged by a task file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    registered_at: AwareDatetime
    by: str
    spec_sha256: Sha256
    file_sha256: Sha256
    task: str
    task_version: int | None
    task_fingerprint: Sha256 | None
    content: dict[str, object]

    @model_validator(mode="after")
    def _as_written(self) -> Self:
        found = content_sha256(self.content)
        if found != self.spec_sha256:
            raise ValueError(f"expected content with the SHA-256 {self.spec_sha256}, found {found}")
        return self


class GoldsOfStudy(BaseModel):
    """What counted as golds of the task when a study got its first result: the promoted recordings, which are
    none of its cases, and the persons that golds show, who are seen and not held out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    promoted: Annotated[tuple[str, ...], Field(strict=False)] = ()
    persons: Annotated[tuple[str, ...], Field(strict=False)] = ()


class Registration(BaseModel):
    """The registration of one study: what holds, what held before, the results that came of it, and the golds
    of the task as they were at the first one (none where it is older than promotions).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Literal["study_registration_v1"] = "study_registration_v1"
    study_id: str
    current: RegisteredVersion
    previous: tuple[RegisteredVersion, ...] = ()
    results: tuple[Sha256, ...] = ()
    golds: GoldsOfStudy = GoldsOfStudy()

    @property
    def frozen(self) -> bool:
        """Whether a result exists, after which nothing may change."""
        return bool(self.results)


def registration_path(home: Home, study_id: str) -> UPath:
    """Where a study's registration lies."""
    return home.studies / f"{plain_id(study_id, 'study')}{REGISTRATION_SUFFIX}"


def register(home: Home, study_id: str, *, registered_at: datetime, by: str) -> Registration:
    """Register the study as its file has it now; the same content again changes nothing.

    Raises `StudyError` when a result exists and the study says something else by now, naming each field.
    """
    if registered_at.tzinfo is None:
        raise StudyError(
            f"study {study_id}: expected a time of registration with a time zone, found "
            f"{registered_at.isoformat()}."
        )
    spec, data = read_study(home, study_id)
    check_overrides(spec)
    wanted = _registered(home, spec, data, registered_at=registered_at, by=by)
    with only_writer(_lock(home)):
        earlier = read_registration(home, study_id)
        changes = _changes(earlier.current, wanted) if earlier else ()
        if earlier and not changes:
            return earlier
        if earlier and earlier.frozen:
            raise StudyError(_refusal(home, study_id, changes))
        previous = (*earlier.previous, earlier.current) if earlier else ()
        registration = Registration(study_id=study_id, current=wanted, previous=previous)
        _publish(home, registration)
    return registration


def freeze(
    home: Home, study_id: str, result_sha256: str, *, golds: GoldsOfStudy | None = None
) -> Registration:
    """Note that a result exists, by its SHA-256: from now on the study cannot change, nor what counts as
    ``golds`` for it.
    """
    with only_writer(_lock(home)):
        _, registration = registered_study(home, study_id)
        if result_sha256 in registration.results:
            return registration
        frozen = Registration.model_validate(
            {
                **dict(registration),
                "results": (*registration.results, result_sha256),
                "golds": registration.golds if registration.frozen or golds is None else golds,
            }
        )
        _publish(home, frozen)
    return frozen


def registered_study(home: Home, study_id: str) -> tuple[StudySpec, Registration]:
    """A study and its registration; `StudyError` where it is not registered, or where the file or the task
    says something else than what was registered.
    """
    spec, data = read_study(home, study_id)
    registration = read_registration(home, study_id)
    if registration is None:
        raise StudyError(
            f"study {study_id}: it is not registered, and nothing is computed before that. Read it with "
            f"`sopilot study show {study_id}`, then run `sopilot study register {study_id}`."
        )
    current = registration.current
    now = _registered(home, spec, data, registered_at=current.registered_at, by=current.by)
    changes = _changes(current, now)
    if changes and registration.frozen:
        raise StudyError(_refusal(home, study_id, changes))
    if changes:
        raise StudyError(
            f"study {study_id}: it is not what was registered at {current.registered_at:%Y-%m-%d %H:%M}: "
            f"{'; '.join(changes)}. Undo that, or run `sopilot study register {study_id}` again; there is no "
            "result yet."
        )
    return spec, registration


def read_registration(home: Home, study_id: str) -> Registration | None:
    """A study's registration, None where there is none; `StudyError` when the file is not as written."""
    path = registration_path(home, study_id)
    if not path.exists():
        return None
    try:
        registration = Registration.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise StudyError(
            f"{path}: expected a registration, found: {_first_line(error)}. It was altered after it was "
            "written; restore it from a backup."
        ) from error
    if registration.study_id != study_id:
        raise StudyError(
            f"{path}: study_id: expected {study_id!r}, the file's name, found {registration.study_id!r}. "
            "Restore the file from a backup."
        )
    return registration


def _registered(
    home: Home, spec: StudySpec, data: bytes, *, registered_at: datetime, by: str
) -> RegisteredVersion:
    task = load_task(home.tasks / f"{spec.task}.yaml") if spec.scores is ScoreOrigin.CURRENT else None
    return RegisteredVersion(
        registered_at=registered_at,
        by=by,
        spec_sha256=spec.sha256(),
        file_sha256=hashlib.sha256(data).hexdigest(),
        task=spec.task,
        task_version=task.version if task else None,
        task_fingerprint=task.fingerprint() if task else None,
        content=spec.model_dump(mode="json"),
    )


def _changes(before: RegisteredVersion, after: RegisteredVersion) -> tuple[str, ...]:
    """Each field that is not what it was, in words; comments and layout of the file are free."""
    old, new = dict(_flat(before.content)), dict(_flat(after.content))
    fields = [
        f"{field} changed {_shown(old.get(field))} -> {_shown(new.get(field))}"
        for field in dict.fromkeys([*old, *new])
        if old.get(field) != new.get(field)
    ]
    if before.task_fingerprint != after.task_fingerprint:
        fields.append(f"task {after.task}: what it judges by changed (version {after.task_version})")
    return tuple(fields)


def _flat(content: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _shown(value: object) -> str:
    if value is None:
        return _ABSENT
    return ", ".join(map(str, value)) or "[]" if isinstance(value, list) else str(value)


def _refusal(home: Home, study_id: str, changes: tuple[str, ...]) -> str:
    return (
        f"{registration_path(home, study_id)}: study {study_id} has results and is frozen; "
        f"{'; '.join(changes)}. Undo that, or make a new study with `sopilot study create`."
    )


def _lock(home: Home) -> UPath:
    """Nobody registers a study anew while a result of it is being noted."""
    return home.ledgers / "registrations.lock"


def _publish(home: Home, registration: Registration) -> None:
    publish_bytes(registration_path(home, registration.study_id), pretty_json(registration))


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        fault = error.errors(include_url=False)[0]
        place = ".".join(map(str, fault["loc"]))
        return f"{place}: {fault['msg'].removeprefix('Value error, ')}" if place else fault["msg"]
    return str(error).splitlines()[0]
