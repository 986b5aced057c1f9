"""What a verification found, as lines to read or as JSON; and the command line of ``verify.py``."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from sopilot_assets.dossier.verifier.claims import BAD_END_ALLOWED, is_carried
from sopilot_assets.dossier.verifier.fields import JsonField, WrongField
from sopilot_assets.dossier.verifier.files import EXPECTED_KEY, SIGNATURE, SIGNERS, read_files
from sopilot_assets.dossier.verifier.findings import Finding
from sopilot_assets.dossier.verifier.signature import SignatureFault
from sopilot_assets.dossier.verifier.verify import DossierVerification, verify_files

FILES_NAMED: Final = 12
"""Files that the last line names; every one has a line of its own above."""


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
    out += _headline_lines(verification.summary)
    for line in findings.failed:
        out.append(f"BAD  {line.file}: {line.what}: stated {line.stated}, found {line.found}")
    out += ["", *_verdict_lines(verification)]
    return out


def _headline_lines(dossier: JsonField) -> list[str]:
    """The rates of the selected detector; a line that cannot be read is among the findings already."""
    out = []
    for line in _items(dossier.get("headline")):
        try:
            if line["detector"].value != dossier.get("detector").value or line["point"].value is None:
                continue
            name = f"{line['split'].text()} {line['figure'].text().replace('_', ' ')}"
            count = f"{line['errors'].number()}/{line['n'].number()}"
            interval = f"{line['clustered_low'].number():.3f} to {line['clustered_high'].number():.3f}"
            out.append(f"{name:<38} {count:>9} {line['point'].number():>8.3f}  {interval}")
        except WrongField:
            continue
    return out


def _people_lines(dossier: JsonField) -> list[str]:
    """Whether enough people stand behind the rates where the gates judge, in dossiers of every version."""
    out = []
    for line in _items(dossier.get("headline")):
        wanted = (dossier.get("gate_split").value, dossier.get("detector").value)
        if (
            not isinstance(line.value, Mapping)
            or (line.get("split").value, line.get("detector").value) != wanted
        ):
            continue
        figure, bad_end = str(line.get("figure").value), line.get("clustered_high").value
        if not is_carried({"bad_end": bad_end, "allowed": BAD_END_ALLOWED.get(figure)}):
            worst = "nothing known"
            if isinstance(bad_end, int | float):
                worst = f"up to {math.ceil(round(100 * bad_end, 4))} % possible"
            counted = (
                f"{line.get('errors').value} of {line.get('n').value}, {line.get('people').value} people"
            )
            out.append(f"TOO FEW PEOPLE for a statement: {figure.replace('_', ' ')} {counted}, {worst}")
    return out


def _blocker_lines(readiness: JsonField) -> list[str]:
    blockers = _items(readiness.get("blockers")) if isinstance(readiness.value, Mapping) else []
    named = [one for one in blockers if isinstance(one.value, Mapping)]
    return [f"NOT READY: {one.get('input').value}: {one.get('reason').value}" for one in named]


def _items(field: JsonField) -> list[JsonField]:
    return field.items() if isinstance(field.value, list) else []


def _erased_lines(verification: DossierVerification) -> list[str]:
    erased = verification.erased
    signed = "signed by the dossier's key" if erased.signed else "NOT SIGNED"
    told = f"{len(erased.recordings)} of {erased.of} recordings erased on request or after their time"
    out = [f"{told}, {len(erased.removed)} pictures with them ({signed}); their rows stay."]
    if erased.page is not None and not erased.signed:
        out.append(
            "index.html is NOT THE PAGE THAT WAS SIGNED, and anybody can have changed it: rely on what is "
            "printed here, not on what it says."
        )
    return out


def _verdict_lines(verification: DossierVerification) -> list[str]:
    findings, dossier = verification.findings, verification.dossier
    out: list[str] = []
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
    out += _blocker_lines(verification.summary.get("readiness"))
    words = {"gates_passed": "all gates passed", "gates_failed": "gates FAILED", "not_ready": "NOT READY"}
    out.append(f"The dossier says: {words.get(str(dossier.get('verdict')), 'nothing')}.")
    out += _people_lines(verification.summary)
    if verification.erased.signed is not None:
        out += _erased_lines(verification)
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
