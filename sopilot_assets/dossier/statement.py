"""The in-toto statement of a dossier: what is signed."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from sopilot_assets.dossier.summary import DossierSummary
from sopilot_assets.store.canonical import pretty_json
from sopilot_assets.studies.gates import GateReport

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://in-toto.io/attestation/test-result/v0.1"

_CONFIGURATION: Final = ("protocol/study.yaml", "protocol/registration.json", "protocol/split_manifest.json")


def statement(files: Mapping[str, bytes], *, dossier: DossierSummary, gates: GateReport | None) -> bytes:
    """An in-toto Statement v1 about every file, with the outcome of the gates as a test result.

    The result is FAILED unless the dossier is ready and every gate passed.
    """
    checks = [check for check in (gates.checks if gates else ()) if check.enabled]
    policy = f"protocol/policies/{dossier.policy_id}.json"
    return pretty_json(
        {
            "_type": STATEMENT_TYPE,
            "subject": [_resource(files, name) for name in sorted(files)],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "result": "PASSED" if dossier.verdict == "gates_passed" else "FAILED",
                "configuration": [
                    _resource(files, name) for name in (*_CONFIGURATION, policy) if name in files
                ],
                "passedTests": [check.name for check in checks if check.passed],
                "failedTests": [check.name for check in checks if not check.passed],
                "dossier": {
                    name: getattr(dossier, name) for name in ("dossier_id", "study_id", "task_id", "verdict")
                },
            },
        }
    )


def _resource(files: Mapping[str, bytes], name: str) -> dict[str, object]:
    return {"name": name, "digest": {"sha256": sha256(files[name]).hexdigest()}}
