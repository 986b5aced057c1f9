"""A dossier as files: collected, named by content, hashed, signed, verified, published as folder and zip."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd
from upath import UPath

from sopilot_assets.dossier.bundle import verify_script
from sopilot_assets.dossier.headline import SPLITS, headline
from sopilot_assets.dossier.inputs import BASELINE, DossierInputs
from sopilot_assets.dossier.readiness import Blocker, blockers
from sopilot_assets.dossier.render import page, readme
from sopilot_assets.dossier.signing import SigningKey, sign
from sopilot_assets.dossier.statement import statement
from sopilot_assets.dossier.verifier.files import (
    MANIFEST,
    SIGNATURE,
    SIGNERS,
    STATEMENT,
    dossier_id_of,
    sha256,
)
from sopilot_assets.dossier.verifier.verify import verify_files
from sopilot_assets.errors import DossierError
from sopilot_assets.store.canonical import canonical_json, plain, pretty_json
from sopilot_assets.store.publish import local_path, only_writer, publish_bytes
from sopilot_assets.studies.cases import cases_csv
from sopilot_assets.texts.cells import harmless

VERSION: Final = "sopilot_dossier_v1"
_ZIP_DATE: Final = (1980, 1, 1, 0, 0, 0)
_FILE_MODE: Final = 0o100644 << 16


@dataclass(frozen=True, slots=True, eq=False)
class Dossier:
    """A finished dossier: its files by name, and what ``dossier.json`` among them says."""

    files: Mapping[str, bytes]
    summary: Mapping[str, Any]

    @property
    def dossier_id(self) -> str:
        """The first 12 hex digits of the hash of what it is made from."""
        return str(self.summary["dossier_id"])

    @property
    def name(self) -> str:
        """The name of its folder, and of its zip without the suffix."""
        return f"{self.summary['study_id']}-{self.dossier_id}"

    @property
    def ready(self) -> bool:
        """Whether no input is missing."""
        return bool(self.summary["readiness"]["ready"])

    @property
    def verdict(self) -> str:
        """``gates_passed``, ``gates_failed`` or ``not_ready``."""
        return str(self.summary["verdict"])

    @property
    def blockers(self) -> list[Blocker]:
        """Why it is not ready."""
        return [Blocker(**one) for one in self.summary["readiness"]["blockers"]]

    def zip_bytes(self) -> bytes:
        """The zip: one folder, files by name, no dates; the same dossier gives the same bytes."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
            for name in sorted(self.files):
                entry = zipfile.ZipInfo(f"{self.name}/{name}", _ZIP_DATE)
                entry.create_system, entry.external_attr = 3, _FILE_MODE
                archive.writestr(entry, self.files[name])
        return buffer.getvalue()


def build_dossier(inputs: DossierInputs, key: SigningKey) -> Dossier:
    """The signed dossier of these inputs; the same inputs and key give the same bytes.

    Missing inputs make a draft that says so on its first line and is never ready. The finished files are
    verified before they are returned; raises `DossierError` where the rows do not give the stated figures.
    """
    reasons = blockers(inputs)
    files = dict(_content(inputs))
    summary = _summary(inputs, reasons, dossier_id_of(files))
    files["dossier.json"] = pretty_json(summary)
    files["verify.py"] = verify_script().encode()
    files[SIGNERS] = key.allowed_signers
    files["README.txt"] = readme(summary, key).encode()
    files["index.html"] = page(inputs, summary, key).encode()
    files[MANIFEST] = pretty_json(
        {
            "version": VERSION,
            "dossier_id": summary["dossier_id"],
            "files": {name: {"sha256": sha256(data), "bytes": len(data)} for name, data in files.items()},
        }
    )
    files[STATEMENT] = statement(files, dossier=summary, gates=inputs.gate_report)
    files[SIGNATURE] = sign(key, files[STATEMENT])
    _refuse_wrong(inputs.study_id, files, key)
    return Dossier(dict(sorted(files.items())), summary)


def publish_dossier(dossier: Dossier, folder: Path | UPath) -> tuple[Path, Path]:
    """Publish the dossier below ``folder``; returns its own folder and its zip.

    Files that lie in its folder and do not belong to it are removed. The signature comes last, so that an
    interrupted publication does not verify.
    """
    target = local_path(folder) / dossier.name
    archive = target.with_name(f"{dossier.name}.zip")
    with only_writer(target.with_name(".lock")):
        for name in sorted(dossier.files, key=lambda one: (one in (STATEMENT, SIGNATURE), one)):
            publish_bytes(target / name, dossier.files[name])
        for path in target.rglob("*"):
            if path.is_file() and path.relative_to(target).as_posix() not in dossier.files:
                path.unlink()
        publish_bytes(archive, dossier.zip_bytes())
    return target, archive


def _refuse_wrong(study_id: str, files: Mapping[str, bytes], key: SigningKey) -> None:
    found = verify_files(files, signer=key.public)
    if not found.ok:
        shown = "\n".join(
            f"  {one.file}: {one.what}: stated {one.stated}, found {one.found}"
            for one in found.findings.failed[:8]
        )
        raise DossierError(
            f"dossier of {study_id}: {len(found.findings.failed)} of its figures do not follow from "
            "its rows:\n"
            f"{shown}\nMaterialize the study's assets again, from split_manifests on."
        )


def _summary(inputs: DossierInputs, reasons: Sequence[Blocker], dossier_id: str) -> dict[str, Any]:
    ready = not reasons
    passed = bool(inputs.gate_report and inputs.gate_report["overall_pass"])
    lines: list[dict[str, Any]] = []
    if inputs.cases is not None and inputs.detections is not None:
        # without a policy nobody looks at held-out recordings
        splits = SPLITS if inputs.detector else ("dev",)
        lines = headline(inputs.cases, inputs.detections, [*inputs.detectors, BASELINE], splits=splits)
    return {
        "version": VERSION,
        "dossier_id": dossier_id,
        "study_id": inputs.study_id,
        "task_id": inputs.task_id,
        "title": inputs.title,
        "readiness": {"ready": ready, "blockers": [one.as_dict() for one in reasons]},
        "verdict": ("gates_passed" if passed else "gates_failed") if ready else "not_ready",
        "policy_id": inputs.policy_id,
        "detector": inputs.detector,
        "detectors": list(inputs.detectors),
        "baseline_detector": inputs.baseline_detector,
        "label_sources": list(inputs.label_sources),
        "label_head": inputs.label_head,
        "gate_split": inputs.gate_split,
        "shadow_split": inputs.shadow_split,
        "errors_split": inputs.errors_split,
        "headline": lines,
        "versions": dict(inputs.versions or {}),
    }


def _content(inputs: DossierInputs) -> Iterator[tuple[str, bytes]]:
    """Every file that is made from an input; what is missing has none."""
    yield from _protocol_files(inputs)
    yield from _result_files(inputs)
    yield from _row_files(inputs)
    for name, picture in (inputs.stills or {}).items():
        yield f"stills/{_below(name)}", picture


def _protocol_files(inputs: DossierInputs) -> Iterator[tuple[str, bytes]]:
    for name, data in (
        ("study.yaml", inputs.study_yaml),
        ("task.yaml", inputs.task_yaml),
        ("task.lock.yaml", inputs.task_lock),
    ):
        if data:
            yield f"protocol/{name}", data
    if inputs.registration:
        yield "protocol/registration.json", pretty_json(inputs.registration)
    if inputs.split_manifest:
        yield "protocol/split_manifest.json", pretty_json(inputs.split_manifest)
    for policy in inputs.policies or ():
        # a fit that keeps no limits is reported, and is no policy
        folder = "policies" if policy["feasible"] else "refused_fits"
        yield f"protocol/{folder}/{policy['policy_id']}.json", pretty_json(policy)


def _result_files(inputs: DossierInputs) -> Iterator[tuple[str, bytes]]:
    for name in ("evaluations", "shadow", "agreement", "drift"):
        value = getattr(inputs, name)
        if value:
            yield f"results/{name}.json", pretty_json(value)
    if inputs.gate_report and inputs.gate_values:
        gates = {"report": inputs.gate_report, "values": inputs.gate_values}
        yield "results/gates.json", pretty_json(gates)


def _row_files(inputs: DossierInputs) -> Iterator[tuple[str, bytes]]:
    if inputs.cases is not None and len(inputs.cases):
        yield "rows/cases.csv", cases_csv(inputs.cases)
    if inputs.errors is not None:
        # review pages lie on the machine that made them, and mean nothing elsewhere
        yield "rows/errors.csv", _csv(inputs.errors.drop(columns="review_page", errors="ignore"))
    for name in ("detections", "leakage", "looks", "repeats"):
        table = getattr(inputs, name)
        if table is not None and len(table):
            yield f"rows/{name}.csv", _csv(table)
    if inputs.label_events:
        yield (
            "rows/label_events.jsonl",
            b"".join(canonical_json(dict(one)) + b"\n" for one in inputs.label_events),
        )


def _csv(table: pd.DataFrame) -> bytes:
    """The table as CSV; numbers read back exactly, unknown ones are empty."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(table.columns)
    known = table.astype(object).where(table.notna(), None)
    for row in known.itertuples(index=False, name=None):
        writer.writerow("" if value is None else value for value in map(_cell, row))
    return buffer.getvalue().encode()


def _cell(value: object) -> object:
    # people open these tables in spreadsheets, and names come from elsewhere
    return harmless(value) if isinstance(value, str) else plain(value)


def _below(name: str) -> str:
    """A relative name of two plain parts; raises `DossierError` for anything else."""
    parts = name.split("/")
    if len(parts) != 2 or any(part in ("", ".", "..") or "\\" in part for part in parts):
        raise DossierError(f"still {name!r}: expected <case>/<name>.jpg, found another form.")
    return name
