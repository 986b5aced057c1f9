"""What each detector says of each case, from the numbers of its policy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sopilot_assets.dossier.verifier.figures import scored
from sopilot_assets.dossier.verifier.files import sha256
from sopilot_assets.dossier.verifier.findings import Findings, read_json, same
from sopilot_assets.dossier.verifier.labels import canonical
from sopilot_assets.dossier.verifier.tables import DETECTIONS_FILE, Row

POLICIES: Final = "protocol/policies/"
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


def policies_of(files: Mapping[str, bytes], findings: Findings) -> dict[str, dict[str, Any]]:
    """The policies by detector; each has the id of its content and was fitted on this dossier's split."""
    split = read_json(files.get("protocol/split_manifest.json", b"{}"))
    policies = {}
    for name in sorted(one for one in files if one.startswith(POLICIES)):
        try:
            policy = read_json(files[name])
            body = {field: value for field, value in policy.items() if field != "policy_id"}
            found = f"critical-policy-{sha256(canonical(body))[:12]}"
            findings.add(name, "id of the policy", policy["policy_id"], found)
            findings.add(name, "name of the file", name, f"{POLICIES}{policy['policy_id']}.json")
            if split:
                findings.add(
                    name, "split it was fitted on", policy["fit"]["manifest_id"], split["manifest_id"]
                )
            policies[str(policy["detector"])] = policy
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            findings.bad(name, "a policy", "", f"{type(error).__name__}: {error}")
    return policies


def check_detections(
    rows: Sequence[Row],
    dossier: Mapping[str, Any],
    policies: Mapping[str, Mapping[str, Any]],
    findings: Findings,
) -> None:
    """Recompute what every detector, and the baseline with its usual constants, says of every case."""
    named = [(name, name, policies.get(name)) for name in dossier["detectors"]]
    for name, detector, policy in [*named, (BASELINE, dossier["baseline_detector"], None)]:
        if policy is None and name != BASELINE:
            if dossier["readiness"]["ready"]:
                findings.bad(DETECTIONS_FILE, f"policy of {name}", "a file", "no file")
            findings.not_recomputed.append(f"{DETECTIONS_FILE}.{name}")
            continue
        wrong = []
        for row in rows:
            stated = tuple(row[f"{name}.{part}"] for part in ("score", "detected", "decided"))
            if not all(map(same, stated, _outcome(row, detector, policy))):
                wrong.append(row["case_id"])
        findings.add(
            DETECTIONS_FILE,
            f"cases of which {name} says something else by its policy",
            0,
            f"{len(wrong)}: {', '.join(wrong[:5])}" if wrong else 0,
            ok=not wrong,
        )


def _outcome(row: Row, detector: str, policy: Mapping[str, Any] | None) -> tuple[float | None, bool, bool]:
    """Score, whether detected, whether decided."""
    if detector.startswith("calibrated"):
        return _calibrated(row, policy)
    score = _old_score(row)
    return score, _old_detected(row, detector, policy or {}, score), scored(row)


def _calibrated(row: Row, policy: Mapping[str, Any] | None) -> tuple[float | None, bool, bool]:
    if policy is None:
        raise ValueError("a calibrated detector without a policy")
    speaks = scored(row) and row["decision"] != "not_verifiable"
    probability = _probability(row, policy["model"])
    if not speaks or probability is None:
        return None, False, False
    return probability, probability >= policy["threshold"], True


def _probability(row: Row, model: Mapping[str, Any]) -> float | None:
    z = float(model["intercept"])
    for feature in model["features"]:
        value = row[feature["column"]]
        if value is None:
            if feature["median"] is None:
                return None
            x = float(feature["median"])
            z += feature["missing"]
        else:
            x = float(value)
            if feature["transform"] == "logit":
                p = min(1 - _LEAST, max(_LEAST, x))
                x = math.log(p) - math.log1p(-p)
        z += feature["coefficient"] * (x - feature["centre"]) / feature["scale"]
    p = 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))
    return round(p, 6)


def _old_score(row: Row) -> float | None:
    if row["problem"]:
        return None
    raw = sum(weight * (row[name] or 0.0) for name, weight in _WEIGHTS.items())
    raw += 3.0 * max(0.0, (row["dtw_normalized_cost"] or 0.0) - 0.08)
    raw += 0.8 * max(0.0, (row["over_time_ratio"] or 0.0) - 0.2)
    return min(1.0, max(0.0, 1.0 - math.exp(-raw)))


def _old_detected(row: Row, detector: str, policy: Mapping[str, Any], score: float | None) -> bool:
    if score is None:
        return False
    if detector == "continuous_v1":
        threshold = policy.get("threshold")
        return score >= min(1.0, max(0.0, 0.5 if threshold is None else threshold))
    limits = {"min_dtw": 0.025, "max_distance": 0.11, "max_span": 1.5}
    limits |= {name: value for name, value in (policy.get("guardrails") or {}).items() if value is not None}
    guarded = detector != "legacy_binary"
    found = bool(row["any_critical"])
    if guarded:
        found = found and (row["dtw_normalized_cost"] or 0.0) >= limits["min_dtw"]
    if detector == "guarded_binary_v2" and (row["critical_missing"] or 0.0) > 0:
        far = (row["missing_distance"] or 0.0) > limits["max_distance"]
        found = found and not far and not (row["missing_span"] or 0.0) > limits["max_span"]
    return found
