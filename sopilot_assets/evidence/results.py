"""The files that the stations of a study publish, and the ledger that says what they have to be.

Every file of a study's folder has a row: its hash, and the hashes of the files it was made from. Reading
checks both, and that all those are up to date themselves, so that a changed file, or one that goes back to an
older split, stops the chain by name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias, TypeVar

import pyarrow as pa
from pydantic import BaseModel, TypeAdapter, ValidationError
from upath import UPath

from sopilot_assets.errors import StudyError
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell, Ledger
from sopilot_assets.store.publish import only_writer, publish_bytes
from sopilot_assets.studies.claims import Claim, claims_carried, claims_of_values
from sopilot_assets.studies.looks import HELD_OUT
from sopilot_assets.studies.split_manifest import parse_manifest

COLUMNS: Final = {
    "result": pa.string(),
    "study_id": pa.string(),
    "station": pa.string(),
    "file": pa.string(),
    "sha256": pa.string(),
    "made_from": pa.string(),
}

GATES: Final = "gate_report.json"
MANIFEST: Final = "split_manifest.json"

_Rows: TypeAlias = Mapping[str, Mapping[str, str]]
Content = TypeVar("Content")


class _GateDocument(BaseModel):
    """What a gate report says of itself."""

    profile: str
    research: bool
    overall_pass: bool
    checks: list[dict[str, Any]]
    values: dict[str, float | None] = {}  # older reports have none


_GATE_DOCUMENT: Final = TypeAdapter(_GateDocument)


def results_ledger(home: Home) -> Ledger:
    """One row for each version of each file; the newest row of ``<study>/<file>`` counts."""
    return Ledger(home.ledgers, "study_results", COLUMNS, "result")


@dataclass(slots=True)
class Results:
    """The published files of one study, as one station reads and adds to them.

    The ledger is read once. What was read is remembered: it is what a result is made from, and it must still
    be what counts when that result is published.
    """

    home: Home
    study_id: str
    _known: _Rows | None = field(default=None, repr=False)
    _read: dict[str, str] = field(default_factory=dict, repr=False)

    def publish(
        self,
        station: str,
        files: Mapping[str, bytes],
        *,
        made_from: Sequence[str],
        run_id: str,
        written_at: str,
    ) -> None:
        """Publish the files of one station, made from everything that was read here and from ``made_from``.

        Raises `StudyError` where one of those was published anew meanwhile, or is out of date itself.
        """
        with only_writer(self._lock):
            self._known = rows = self._stored()
            sources = {name: self._source(name, station) for name in sorted({*made_from, *self._read})}
            for name, data in files.items():
                publish_bytes(self._path(name), data)
            replaced = [rows[name]["written_at"] for name in files if name in rows]
            results_ledger(self.home).append(
                [
                    {
                        "result": f"{self.study_id}/{name}",
                        "study_id": self.study_id,
                        "station": station,
                        "file": name,
                        "sha256": hashlib.sha256(data).hexdigest(),
                        "made_from": json.dumps(sources, sort_keys=True),
                    }
                    for name, data in files.items()
                ],
                run_id=run_id,
                written_at=_after(written_at, replaced),
            )
            self._known = None

    def read(self, name: str) -> bytes:
        """The bytes of a file, as it was published and from what is current; raises `StudyError` else."""
        try:
            data = self._checked(name)
        except StudyError:
            # a run that is publishing just now has replaced the file and not yet said so
            with only_writer(self._lock):
                self._known = None
                data = self._checked(name)
        self._read[name] = self.sha256(name)
        return data

    def read_json(self, name: str, shape: TypeAdapter[Content]) -> Content:
        """The content of a JSON file, checked like `read`; raises `StudyError` where it has another shape."""
        try:
            return shape.validate_json(self.read(name))
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            place = ".".join(map(str, fault["loc"])) or "the whole file"
            raise StudyError(
                f"{self._path(name)}: {place}: {fault['msg']}, found {str(fault['input'])[:60]}. "
                f"Materialize {self._row(name)['station']} again."
            ) from error

    def has(self, name: str) -> bool:
        """Whether a file was ever published."""
        return name in self._rows()

    def sha256(self, name: str) -> str:
        """The hash that a file has to have."""
        return self._row(name)["sha256"]

    @property
    def _lock(self) -> UPath:
        return self.home.ledgers / "study_results.lock"

    def _path(self, name: str) -> UPath:
        return self.home.study(self.study_id) / name

    def _checked(self, name: str) -> bytes:
        row, path = self._row(name), self._path(name)
        station = row["station"]
        for other in self._read:
            self._refuse_replaced(other)
        if not path.exists():
            raise StudyError(f"{path}: was published by {station} and is gone. Materialize {station} again.")
        data = path.read_bytes()
        found = hashlib.sha256(data).hexdigest()
        if found != row["sha256"]:
            raise StudyError(
                f"{path}: was changed after {station} published it: expected SHA-256 "
                f"{row['sha256'][:12]}…, found {found[:12]}…. Materialize {station} again."
            )
        self._refuse_outdated(name)
        return data

    def _source(self, name: str, station: str) -> str:
        """The hash of the version of a file that ``station`` used, which must be the current one."""
        self._refuse_replaced(name, station)
        self._refuse_outdated(name)
        return self.sha256(name)

    def _refuse_replaced(self, name: str, station: str = "") -> None:
        if name in self._read and self._read[name] != self.sha256(name):
            raise StudyError(
                f"{self._path(name)}: was published anew while {station or 'this step'} worked with the "
                f"version before; another run of study {self.study_id} is at work. Wait until it is done, "
                f"then run {station or 'the same step'} again."
            )

    def _refuse_outdated(self, name: str) -> None:
        """Refuse a file that was made, directly or not, from a version that does not count any more."""
        row = self._row(name)
        for source, sha256 in json.loads(row["made_from"]).items():
            if self.sha256(source) != sha256:
                raise StudyError(
                    f"{self._path(name)}: was made from another version of {source}. "
                    f"Materialize {row['station']} again."
                )
            self._refuse_outdated(source)

    def _row(self, name: str) -> Mapping[str, str]:
        rows = self._rows()
        if name not in rows:
            raise StudyError(
                f"study {self.study_id}: {name} was not made yet. Materialize the assets of the study in "
                f"order: `sopilot study run {self.study_id}`, or the job evidence_chain."
            )
        return rows[name]

    def _rows(self) -> _Rows:
        if self._known is None:
            self._known = self._stored()
        return self._known

    def _stored(self) -> _Rows:
        frame = results_ledger(self.home).latest()
        mine = frame[frame["study_id"] == self.study_id]
        return {str(row["file"]): {str(k): str(v) for k, v in row.items()} for row in mine.to_dict("records")}


def _after(written_at: str, earlier: Sequence[str]) -> str:
    """The time, or the next moment after the newest of ``earlier`` where a clock went back."""
    newest = max(map(datetime.fromisoformat, earlier), default=None)
    if newest is None or datetime.fromisoformat(written_at) > newest:
        return written_at
    return (newest + timedelta(microseconds=1)).isoformat()


def held_out_cases(home: Home) -> dict[str, list[str]]:
    """The studies that hold each case out, in test or challenge, by case id; studies whose manifest is not as
    it was published are left out.
    """
    found: dict[str, list[str]] = {}
    for study_id in sorted(set(results_ledger(home).latest()["study_id"])):
        try:
            manifest = parse_manifest(Results(home, study_id).read(MANIFEST), name=MANIFEST)
        except StudyError:
            continue
        for case in (case for split in HELD_OUT for case in manifest.case_ids[split]):
            found.setdefault(case, []).append(study_id)
    return found


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """What the gates of a study say: ``blocks`` where a research profile failed; ``rows`` are its checks, and
    ``claims`` what the figures behind them allow to say.
    """

    passed: bool
    blocks: bool
    summary: str
    rows: list[dict[str, Cell]]
    claims: list[Claim]

    @property
    def carried(self) -> bool:
        """Whether enough people stand behind the figures, whatever the gates asked for."""
        return claims_carried(self.claims)

    @property
    def sentence(self) -> str:
        """The summary, and both rates with their number of people and their bad end."""
        return ". ".join((self.summary, *(one.text.en for one in self.claims)))


def gate_verdict(home: Home, study_id: str) -> GateVerdict:
    """The gate report of a study as it was published."""
    document = Results(home, study_id).read_json(GATES, _GATE_DOCUMENT)
    failed = [check["name"] for check in document.checks if check["enabled"] and not check["passed"]]
    passed = document.overall_pass
    claims = claims_of_values(document.values)
    said = (
        "every check holds"
        if passed
        else f"{len(failed)} {'check fails' if len(failed) == 1 else 'checks fail'}: {', '.join(failed)}"
    )
    if passed and claims and not claims_carried(claims):
        said += ", but by too few people for a statement"
    return GateVerdict(
        passed,
        blocks=document.research and not passed,
        summary=f"{document.profile}: {said}",
        rows=_enabled(document),
        claims=claims,
    )


def check_rows(document: Mapping[str, object]) -> list[dict[str, Cell]]:
    """The checks of a gate report, as `StudyGates.document` gives it, that count, one a row."""
    return _enabled(_GATE_DOCUMENT.validate_python(document))


def _enabled(document: _GateDocument) -> list[dict[str, Cell]]:
    names = ("name", "passed", "value", "threshold", "direction", "reason", "needed")
    return [{name: check[name] for name in names} for check in document.checks if check["enabled"]]
