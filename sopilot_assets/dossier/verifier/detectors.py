"""What each detector says of each case, from the numbers of its policy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from sopilot_assets.dossier.verifier.fields import JsonField, WrongField, json_field
from sopilot_assets.dossier.verifier.files import sha256
from sopilot_assets.dossier.verifier.findings import Findings, same
from sopilot_assets.dossier.verifier.labels import canonical
from sopilot_assets.dossier.verifier.tables import ANY_CRITICAL, DETECTIONS_FILE, CaseRow

POLICIES: Final = "protocol/policies/"
SPLIT_MANIFEST: Final = "protocol/split_manifest.json"
BASELINE: Final = "baseline"
_WEIGHTS: Final[Mapping[str, float]] = {
    "critical": 2.5,
    "quality": 0.35,
    "efficiency": 0.15,
    "miss_steps": 0.2,
    "swap_steps": 0.1,
    "deviation_steps": 0.15,
}
_LEAST: Final = 1e-6


def policies_of(files: Mapping[str, bytes], findings: Findings) -> dict[str, JsonField]:
    """The policies by detector; each has the id of its content and was fitted on this dossier's split."""
    split = json_field(files, SPLIT_MANIFEST) if SPLIT_MANIFEST in files else None
    policies = {}
    for name in sorted(one for one in files if one.startswith(POLICIES)):
        try:
            policy = json_field(files, name)
            body = {field: value for field, value in policy.object().items() if field != "policy_id"}
            found = f"critical-policy-{sha256(canonical(body))[:12]}"
            policy_id = policy["policy_id"].value
            findings.add(name, "id of the policy", policy_id, found)
            findings.add(name, "name of the file", name, f"{POLICIES}{policy_id}.json")
            if split is not None and split.value:
                fitted = policy["fit"]["manifest_id"].value
                findings.add(name, "split it was fitted on", fitted, split["manifest_id"].value)
            policies[str(policy["detector"].value)] = policy
        except WrongField as error:
            findings.bad(name, "a policy", "", str(error))
    return policies


def check_detections(
    rows: Sequence[CaseRow],
    dossier: JsonField,
    policies: Mapping[str, JsonField],
    findings: Findings,
) -> None:
    """Recompute what every detector, and the baseline with its usual constants, says of every case."""
    named = [(name, name, policies.get(name)) for name in dossier["detectors"].texts()]
    for name, detector, policy in [*named, (BASELINE, dossier["baseline_detector"].text(), None)]:
        if policy is None and name != BASELINE:
            if dossier["readiness"]["ready"].value:
                findings.bad(DETECTIONS_FILE, f"policy of {name}", "a file", "no file")
            findings.not_recomputed.append(f"{DETECTIONS_FILE}.{name}")
            continue
        wrong = [
            row.case_id
            for row in rows
            if not all(map(same, row.stated(name), _outcome(row, detector, policy)))
        ]
        findings.add(
            DETECTIONS_FILE,
            f"cases of which {name} says something else by its policy",
            0,
            f"{len(wrong)}: {', '.join(wrong[:5])}" if wrong else 0,
            ok=not wrong,
        )


def _outcome(row: CaseRow, detector: str, policy: JsonField | None) -> tuple[float | None, bool, bool]:
    """Score, whether detected, whether decided."""
    if detector.startswith("calibrated"):
        return _calibrated(row, policy)
    score = _old_score(row)
    return score, _old_detected(row, detector, policy, score), row.scored


def _calibrated(row: CaseRow, policy: JsonField | None) -> tuple[float | None, bool, bool]:
    if policy is None:
        raise ValueError("a calibrated detector without a policy")
    speaks = row.scored and row.text("decision") != "not_verifiable"
    probability = _probability(row, policy["model"])
    if not speaks or probability is None:
        return None, False, False
    return probability, probability >= policy["threshold"].number(), True


def _probability(row: CaseRow, model: JsonField) -> float | None:
    z = model["intercept"].number()
    for feature in model["features"].items():
        x = row.number(feature["column"].text())
        if x is None:
            x = feature["median"].number_or_none()
            if x is None:
                return None
            z += feature["missing"].number()
        elif feature["transform"].value == "logit":
            p = min(1 - _LEAST, max(_LEAST, x))
            x = math.log(p) - math.log1p(-p)
        z += feature["coefficient"].number() * (x - feature["centre"].number()) / feature["scale"].number()
    p = 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))
    return round(p, 6)


def _old_score(row: CaseRow) -> float | None:
    if row.text("problem"):
        return None
    raw = sum(weight * (row.number(name) or 0.0) for name, weight in _WEIGHTS.items())
    raw += 3.0 * max(0.0, (row.number("dtw_normalized_cost") or 0.0) - 0.08)
    raw += 0.8 * max(0.0, (row.number("over_time_ratio") or 0.0) - 0.2)
    # rounded before it is compared, so that the highest ones tie at 1
    return round(min(1.0, max(0.0, 1.0 - math.exp(-raw))), 6)


def _old_detected(row: CaseRow, detector: str, policy: JsonField | None, score: float | None) -> bool:
    if score is None:
        return False
    if detector == "continuous_v1":
        threshold = None if policy is None else policy.get("threshold").number_or_none()
        return score >= min(1.0, max(0.0, 0.5 if threshold is None else threshold))
    limits = _limits(policy)
    found = bool(row.number(ANY_CRITICAL))
    if detector != "legacy_binary":
        found = found and (row.number("dtw_normalized_cost") or 0.0) >= limits["min_dtw"]
    if detector == "guarded_binary_v2" and (row.number("critical_missing") or 0.0) > 0:
        far = (row.number("missing_distance") or 0.0) > limits["max_distance"]
        found = found and not far and not (row.number("missing_span") or 0.0) > limits["max_span"]
    return found


def _limits(policy: JsonField | None) -> dict[str, float]:
    """The guardrails of a policy, the usual ones where it has none."""
    limits = {"min_dtw": 0.025, "max_distance": 0.11, "max_span": 1.5}
    if policy is not None and policy.get("guardrails").value:
        for name, limit in policy["guardrails"].fields():
            if limit.value is not None:
                limits[name] = limit.number()
    return limits
