"""The whole verification, as a table or as JSON."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from sopilot_assets.dossier.verifier.detectors import BASELINE, POLICIES, check_detections, policies_of
from sopilot_assets.dossier.verifier.evidence import (
    REPEATS,
    check_clusters,
    check_errors,
    check_leakage,
    check_readiness,
    check_registration,
    check_splits,
    evidence_values,
    registered_of,
)
from sopilot_assets.dossier.verifier.figures import (
    SPLITS,
    figures_of,
    headline_of,
    repeatability_of,
    rows_of_split,
    shadow_of,
)
from sopilot_assets.dossier.verifier.files import (
    EXPECTED_KEY,
    SIGNATURE,
    SIGNERS,
    check_hashes,
    check_signature,
    dossier_id_of,
    read_files,
)
from sopilot_assets.dossier.verifier.findings import Finding, Findings, read_json
from sopilot_assets.dossier.verifier.gates import (
    GATES_FILE,
    check_gate_report,
    check_gate_rules,
    values_of,
)
from sopilot_assets.dossier.verifier.kappa import AGREEMENT, agreement_of
from sopilot_assets.dossier.verifier.labels import LABELS_FILE, check_chain, check_labels, label_states
from sopilot_assets.dossier.verifier.signature import SignatureFault
from sopilot_assets.dossier.verifier.tables import CASES_FILE, DETECTIONS_FILE, Row, case_rows, read_csv

DOSSIER: Final = "dossier.json"
EVALUATIONS: Final = "results/evaluations.json"
SHADOW: Final = "results/shadow.json"
DRIFT: Final = "results/drift.json"
FILES_NAMED: Final = 12
"""Files that the last line names; every one has a line of its own above."""

_WRONG_CONTENT: Final = (
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    csv.Error,
)
"""What files raise that are not what they have to be; the file is then named as bad."""


@dataclass(frozen=True)
class DossierVerification:
    """The outcome: every comparison, the key's fingerprint ("" without one), what the dossier says."""

    findings: Findings
    signer: str
    signer_compared: bool
    dossier: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        """Whether everything agrees."""
        return not self.findings.failed

    def as_dict(self) -> dict[str, Any]:
        """The same as a JSON object."""
        return {
            "ok": self.ok,
            "dossier_id": self.dossier.get("dossier_id"),
            "readiness": self.dossier.get("readiness"),
            "verdict": self.dossier.get("verdict"),
            "signer": self.signer or None,
            "signer_compared": self.signer_compared,
            "bad_files": self.findings.bad_files,
            "comparisons": len(self.findings.lines),
            "failed": [asdict(line) for line in self.findings.failed],
            "headline": self.dossier.get("headline"),
            "not_recomputed": self.findings.not_recomputed,
        }


def verify_files(
    files: Mapping[str, bytes],
    *,
    signer: str | None = None,
    signature: bool = True,
    use_ssh_keygen: bool = True,
    figures: bool = True,
) -> DossierVerification:
    """Verify the files of a dossier, given by name.

    ``signer`` is the public key or fingerprint that the reader expects. Without ``signature`` a missing or
    wrong signature is passed over; without ``figures`` only hashes and signature are checked.
    """
    findings = Findings()
    _guarded("manifest.json", findings, lambda: check_hashes(files, findings))
    fingerprint = ""
    if signature:
        fingerprint = check_signature(files, findings, signer=signer, use_ssh_keygen=use_ssh_keygen)
    dossier: dict[str, Any] = {}
    if DOSSIER not in files:
        findings.bad(DOSSIER, "part of the dossier", "a file", "no file")
    else:
        _guarded(DOSSIER, findings, lambda: dossier.update(read_json(files[DOSSIER])))
        if not dossier:
            findings.bad(DOSSIER, "JSON", "an object that describes the dossier", "nothing")
    if figures and dossier:
        _guarded(DOSSIER, findings, lambda: _check_content(files, dossier, findings))
    return DossierVerification(findings, fingerprint, signature and signer is not None, dossier)


def _check_content(files: Mapping[str, bytes], dossier: Mapping[str, Any], findings: Findings) -> None:
    """Everything that can be recomputed from the files that are there."""
    findings.add(DOSSIER, "id of the dossier", dossier.get("dossier_id"), dossier_id_of(files))
    _guarded(DOSSIER, findings, lambda: check_readiness(files, dossier, findings))
    _guarded("protocol/registration.json", findings, lambda: check_registration(files, dossier, findings))
    events: list[dict[str, Any]] = []
    if LABELS_FILE in files:
        _guarded(
            LABELS_FILE,
            findings,
            lambda: events.extend(check_chain(files[LABELS_FILE], dossier["label_head"], findings)),
        )
    if CASES_FILE not in files or DETECTIONS_FILE not in files:
        return
    rows: list[Row] = []
    _guarded(CASES_FILE, findings, lambda: rows.extend(case_rows(files)))
    if rows:
        _check_rows(files, dossier, rows, events, findings)


def _check_rows(
    files: Mapping[str, bytes],
    dossier: Mapping[str, Any],
    rows: Sequence[Row],
    events: Sequence[Mapping[str, Any]],
    findings: Findings,
) -> None:
    if LABELS_FILE in files:
        states = label_states(events, dossier["label_sources"])
        _guarded(CASES_FILE, findings, lambda: check_labels(rows, states, findings))
        judged = {row["case_id"] for row in rows}
        of_them = [event for event in events if event.get("key") in judged]
        _guarded(AGREEMENT, findings, lambda: _check_agreement(files, dossier, of_them, findings))
    _guarded("protocol/split_manifest.json", findings, lambda: check_splits(files, rows, findings))
    _guarded(DETECTIONS_FILE, findings, lambda: check_clusters(rows, findings))
    policies = policies_of(files, findings)
    _guarded(DETECTIONS_FILE, findings, lambda: check_detections(rows, dossier, policies, findings))
    _guarded(EVALUATIONS, findings, lambda: _check_evaluations(files, dossier, rows, findings))
    _guarded(DOSSIER, findings, lambda: _check_headline(dossier, rows, findings))
    leaking: list[int] = [0]
    _guarded("rows/leakage.csv", findings, lambda: leaking.append(check_leakage(files, rows, findings)))
    detector = dossier["detector"]
    if not detector:
        return
    chosen = [one for one in policies.values() if one["policy_id"] == dossier["policy_id"]]
    findings.add(
        f"{POLICIES}{dossier['policy_id']}.json",
        "detector of the selected policy",
        detector,
        chosen[0]["detector"] if chosen else None,
    )
    _guarded(
        "rows/errors.csv",
        findings,
        lambda: check_errors(files, rows, dossier, findings),
    )
    _guarded(SHADOW, findings, lambda: _check_shadow(files, dossier, rows, findings))
    _guarded(GATES_FILE, findings, lambda: _check_gates(files, dossier, rows, leaking[-1], findings))


def _check_agreement(
    files: Mapping[str, bytes],
    dossier: Mapping[str, Any],
    events: Sequence[Mapping[str, Any]],
    findings: Findings,
) -> None:
    if AGREEMENT in files:
        found = agreement_of(events, dossier["label_sources"])
        findings.compare(AGREEMENT, "agreement", read_json(files[AGREEMENT]), found)


def _check_evaluations(
    files: Mapping[str, bytes], dossier: Mapping[str, Any], rows: Sequence[Row], findings: Findings
) -> None:
    if EVALUATIONS not in files:
        return
    evaluations = read_json(files[EVALUATIONS])
    if dossier["readiness"]["ready"]:
        shown = sum(dossier["detector"] in evaluations.get(split, {}) for split in SPLITS)
        findings.add(EVALUATIONS, "splits with figures of the selected detector", shown, len(SPLITS))
    if DRIFT in files and dossier["readiness"]["ready"]:
        of_all = evaluations.get("full", {}).get(dossier["detector"], {}).get("right", {}).get("drift")
        findings.add(DRIFT, "drift, as among the figures", read_json(files[DRIFT]), of_all)
    for split, by_detector in evaluations.items():
        chosen = rows_of_split(rows, split)
        for detector, stated in by_detector.items():
            found = figures_of(chosen, detector)
            if REPEATS in files and "repeatability" in stated.get("right", {}):
                keys = {row["case_id"] for row in chosen}
                of_them = [row for row in read_csv(files[REPEATS]) if row["key"] in keys]
                found["right"]["repeatability"] = repeatability_of(of_them)
            findings.compare(EVALUATIONS, f"{split}.{detector}", stated, found)


def _check_headline(dossier: Mapping[str, Any], rows: Sequence[Row], findings: Findings) -> None:
    """Line by line, named as a reader would: ``test miss rate of guarded_binary_v2``."""
    stated = dossier["headline"]
    # without a policy nobody looks at held-out recordings
    splits = ("full", *SPLITS) if dossier["detector"] else SPLITS[:1]
    found = headline_of(rows, splits, [*dossier["detectors"], BASELINE])
    for line, other in zip(stated, found, strict=True):
        name = f"{line['split']} {line['figure'].replace('_', ' ')} of {line['detector']}"
        for field, value in other.items():
            findings.add(DOSSIER, f"{name}: {field}", line[field], value)


def _check_shadow(
    files: Mapping[str, bytes], dossier: Mapping[str, Any], rows: Sequence[Row], findings: Findings
) -> None:
    if SHADOW in files:
        chosen = rows_of_split(rows, dossier["shadow_split"])
        found = shadow_of(chosen, BASELINE, dossier["detector"])
        findings.compare(SHADOW, "shadow", read_json(files[SHADOW]), found)


def _check_gates(
    files: Mapping[str, bytes],
    dossier: Mapping[str, Any],
    rows: Sequence[Row],
    leaking: int,
    findings: Findings,
) -> None:
    if GATES_FILE not in files:
        return
    gates = read_json(files[GATES_FILE])
    figures = figures_of(rows_of_split(rows, dossier["gate_split"]), dossier["detector"])
    found = values_of(figures) | evidence_values(files, rows, leaking)
    if AGREEMENT in files:
        found["rater_kappa_ci95_low"] = read_json(files[AGREEMENT]).get("low")
    check_gate_report(gates["report"], gates["values"], found, findings)
    registered = registered_of(files)
    if registered is not None:
        check_gate_rules(gates["report"], registered, findings)


def _guarded(file: str, findings: Findings, check: Any) -> None:
    """Run one check; a file that is not what it has to be is a finding, never a crash."""
    try:
        check()
    except _WRONG_CONTENT as error:
        findings.bad(file, "content", "as it has to be", f"{type(error).__name__}: {error}")


def report_lines(verification: DossierVerification) -> list[str]:
    """The outcome as text: what was compared, what does not agree, whose signature it is, the headline."""
    findings, dossier = verification.findings, verification.dossier
    by_file: dict[str, list[Finding]] = {}
    for line in findings.lines:
        by_file.setdefault(line.file, []).append(line)
    out = [
        f"Dossier {dossier.get('dossier_id', '?')}: study {dossier.get('study_id', '?')}",
        "",
        f"{'file':<38} {'compared':>8} {'differ':>7}",
    ]
    for file, lines in sorted(by_file.items()):
        wrong = sum(not line.ok for line in lines)
        out.append(f"{file[:38]:<38} {len(lines):>8} {wrong:>7}{'  <-- BAD' if wrong else ''}")
    out += ["", f"{'figure, selected detector':<38} {'errors':>9} {'rate':>8}  95 % interval, by person"]
    for line in dossier.get("headline") or []:
        if line["detector"] == dossier.get("detector") and line["point"] is not None:
            name = f"{line['split']} {line['figure'].replace('_', ' ')}"
            interval = f"{line['clustered_low']:.3f} to {line['clustered_high']:.3f}"
            count = f"{line['errors']}/{line['n']}"
            out.append(f"{name:<38} {count:>9} {line['point']:>8.3f}  {interval}")
    for line in findings.failed:
        out.append(f"BAD  {line.file}: {line.what}: stated {line.stated}, found {line.found}")
    out += ["", *_verdict_lines(verification)]
    return out


def _verdict_lines(verification: DossierVerification) -> list[str]:
    findings, dossier = verification.findings, verification.dossier
    out = []
    if findings.not_recomputed:
        kinds = sorted({name.rsplit(".", 1)[-1] for name in findings.not_recomputed})
        out.append(f"Taken over, not recomputed: {', '.join(kinds)}")
    if not verification.signer:
        out.append("Signature: NOT CHECKED. Hashes alone do not tell who made this dossier.")
    elif wrong := [line.what for line in findings.failed if line.file in (SIGNATURE, SIGNERS)]:
        if wrong == [EXPECTED_KEY]:
            out.append(f"Signature: valid, but BY ANOTHER KEY than you expect: {verification.signer}")
        else:
            out.append(f"Signature: NOT VALID; it names the key {verification.signer}")
    elif verification.signer_compared:
        out.append(f"Signature: by the key that you expect, {verification.signer}")
    else:
        out.append(f"Signature: by the key {verification.signer}")
        out.append(
            "           Compare it with the one you got from the sender by another way, or use --signer."
        )
    readiness = dossier.get("readiness") or {}
    out += [f"NOT READY: {one['input']}: {one['reason']}" for one in readiness.get("blockers", [])]
    words = {"gates_passed": "all gates passed", "gates_failed": "gates FAILED", "not_ready": "NOT READY"}
    out.append(f"The dossier says: {words.get(str(dossier.get('verdict')), 'nothing')}.")
    if verification.ok:
        out.append(f"OK: all {len(findings.lines)} comparisons agree.")
    else:
        named = ", ".join(findings.bad_files[:FILES_NAMED])
        more = len(findings.bad_files) - FILES_NAMED
        out.append(
            f"NOT OK: {len(findings.failed)} of {len(findings.lines)} comparisons differ, "
            f"in {named}{f' and {more} more files' if more > 0 else ''}"
        )
    return out


def main(arguments: Sequence[str]) -> int:
    """Verify a dossier from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Verify a dossier: figures, hashes, chain, signature.")
    parser.add_argument("dossier", nargs="?", type=Path, help="folder or zip (default: this file's folder)")
    parser.add_argument("--signer", help="the signer's public key, its file, or its fingerprint (SHA256:...)")
    parser.add_argument("--no-signature", action="store_true", help="do not ask for a signature")
    parser.add_argument("--hashes-only", action="store_true", help="do not recompute the figures")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    signer = options.signer
    if signer and options.no_signature:
        parser.error("--signer needs the signature, which --no-signature passes over; leave one of them out")
    if signer and Path(signer).is_file():
        signer = Path(signer).read_text(encoding="utf-8", errors="replace")
    try:
        outcome = verify_files(
            read_files(options.dossier or Path(__file__).resolve().parent),
            signer=signer,
            signature=not options.no_signature,
            figures=not options.hashes_only,
        )
    except (OSError, ValueError, SignatureFault) as error:
        sys.stderr.write(f"NOT OK: {error}\n")
        return 1
    text = json.dumps(outcome.as_dict(), indent=1) if options.json else "\n".join(report_lines(outcome))
    sys.stdout.write(text + "\n")
    return 0 if outcome.ok else 1
