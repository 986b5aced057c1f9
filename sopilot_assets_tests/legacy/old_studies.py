"""The old system's splits, fits, comparisons and error counts in plain Python, and all its reports as files;
see `old_system`.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from sopilot_assets_tests.legacy.old_system import (
    CREATED_AT,
    GRID,
    MODES,
    PROFILES,
    RATIOS,
    RESEARCH,
    SEED,
    SPLIT_MODES,
    STRATEGIES,
    Job,
    completed_jobs,
    confusion,
    continuous,
    detected,
    evaluation,
    gates,
    label_file,
    missing,
    rate,
    sweep,
    wilson,
)

Split = dict[str, list[int]]


def split(jobs: Sequence[Job], labels: Mapping[int, bool], strategy: str, holdout: str | None) -> Split:
    eligible = [job for job in jobs if job["id"] in labels]
    hard = {}
    for job in eligible:
        score = continuous(job["score"])
        hard[job["id"]] = 1.0 - score if labels[job["id"]] else score
    if strategy == "random_stratified":
        return random_split([job["id"] for job in eligible], labels, hard)
    groups: dict[str, list[int]] = {}
    for job in eligible:
        groups.setdefault(group_name(job, strategy), []).append(job["id"])
    if strategy == "leave_one_site_out":
        challenge = {job["id"] for job in eligible if (job["site"] or "unknown") == holdout}
    else:
        challenge = hardest_groups(groups, labels, hard)
    return dev_and_test(groups, labels, challenge)


def group_name(job: Job, strategy: str) -> str:
    if strategy == "group_gold":
        return f"gold:{job['gold']}"
    if strategy == "group_site":
        return f"site:{job['site'] or 'unknown'}"
    return f"trainee:{job['trainee']}"


def random_split(ids: list[int], labels: Mapping[int, bool], hard: Mapping[int, float]) -> Split:
    left: dict[bool, list[int]] = {}
    challenge: list[int] = []
    for wanted in (True, False):
        members = [job_id for job_id in ids if labels[job_id] is wanted]
        take = min(len(members), max(1, round(len(members) * RATIOS["challenge"])))
        taken = sorted(members, key=lambda job_id: (-hard[job_id], job_id))[:take]
        challenge += taken
        left[wanted] = [job_id for job_id in members if job_id not in taken]
    generator = random.Random(SEED)
    generator.shuffle(left[True])
    generator.shuffle(left[False])
    share = RATIOS["dev"] / (RATIOS["dev"] + RATIOS["test"])
    cut = {wanted: round(len(members) * share) for wanted, members in left.items()}
    return {
        "dev": sorted(left[True][: cut[True]] + left[False][: cut[False]]),
        "test": sorted(left[True][cut[True] :] + left[False][cut[False] :]),
        "challenge": sorted(challenge),
    }


def hardest_groups(
    groups: Mapping[str, list[int]], labels: Mapping[int, bool], hard: Mapping[int, float]
) -> set[int]:
    def mean(ids: list[int]) -> float:
        total = 0.0
        for job_id in ids:
            total += hard[job_id]
        return total / len(ids)

    order = sorted(groups, key=lambda name: (-mean(groups[name]), -len(groups[name]), name))
    every = [job_id for ids in groups.values() for job_id in ids]
    taken: list[str] = []
    for wanted in (True, False):
        total = sum(labels[job_id] is wanted for job_id in every)
        target = min(total, max(1, round(total * RATIOS["challenge"]))) if total else 0
        for name in order:
            have = sum(labels[job_id] is wanted for one in taken for job_id in groups[one])
            if have >= target:
                break
            if name not in taken and any(labels[job_id] is wanted for job_id in groups[name]):
                taken.append(name)
    for name in order:
        if sum(len(groups[one]) for one in taken) >= round(len(every) * RATIOS["challenge"]):
            break
        if name not in taken:
            taken.append(name)
    chosen = {job_id for name in taken for job_id in groups[name]}
    return chosen - set(groups[order[-1]]) if order and len(chosen) == len(every) else chosen


def dev_and_test(groups: Mapping[str, list[int]], labels: Mapping[int, bool], challenge: set[int]) -> Split:
    rows = []
    for name in sorted(groups):
        ids = [job_id for job_id in groups[name] if job_id not in challenge]
        if ids:
            rows.append(ids)
    random.Random(SEED).shuffle(rows)
    left = [job_id for ids in rows for job_id in ids]
    share = RATIOS["dev"] / (RATIOS["dev"] + RATIOS["test"])

    def counts(ids: Sequence[int]) -> tuple[int, int, int]:
        yes = sum(labels[job_id] for job_id in ids)
        return len(ids), yes, len(ids) - yes

    target = [count * share for count in counts(left)]

    def off(ids: Sequence[int]) -> float:
        return sum(abs(have - want) for have, want in zip(counts(ids), target, strict=True))

    dev: list[int] = []
    for ids in rows:
        if off(dev + ids) <= off(dev):
            dev += ids
    test = [job_id for job_id in left if job_id not in dev]
    if rows and not dev:
        dev, test = list(rows[0]), [job_id for job_id in test if job_id not in rows[0]]
    if rows and not test:
        dev, test = [job_id for job_id in dev if job_id not in rows[-1]], list(rows[-1])
    return {"dev": sorted(dev), "test": sorted(test), "challenge": sorted(challenge)}


def manifest(task_id: str | None, strategy: str, holdout: str | None, ids: Split) -> dict[str, Any]:
    return {
        "version": "split_manifest_v1",
        "task_id": task_id,
        "strategy": strategy,
        "holdout_site": holdout,
        "seed": SEED,
        "split_ratios": RATIOS,
        "split_job_ids": ids,
        "artifact_hash_method": "sha256(canonical_json,exclude=artifact_hash_sha256|artifact_hash_method)",
        "artifact_hash_sha256": "0" * 64,
    }


def split_report(
    jobs: Sequence[Job],
    labels: Mapping[int, bool],
    made: Mapping[str, Any],
    modes: Sequence[str],
    policy: Any = None,
    *,
    path: str | None = None,
) -> dict[str, Any]:
    limits = {name: limit for name, limit in RESEARCH.items() if not name.startswith("min_")}
    ids: Split = made["split_job_ids"]
    full = [job["id"] for job in jobs if job["id"] in labels]

    def counts(chosen: list[int]) -> dict[str, int]:
        yes = sum(labels[job_id] for job_id in chosen)
        return {"jobs": len(chosen), "critical_positives": yes, "critical_negatives": len(chosen) - yes}

    results: dict[str, Any] = {}
    for mode in modes:
        results[mode] = {}
        for name, chosen in {"full": full, **ids}.items():
            subset = [job for job in jobs if job["id"] in chosen]
            scope = {"total": len(chosen), "labeled": len(chosen), "unknown": 0}
            report = evaluation(subset, labels, scope, mode, 0.5, policy)
            results[mode][name] = {**report, "split": name, "gates": gates(report, limits)}
    return {
        "task_id": made["task_id"],
        "db_path": "sopilot.db",
        "labels_path": "labels.json",
        "seed": SEED,
        "split_strategy": made["strategy"],
        "holdout_site": made["holdout_site"],
        "split_manifest_path": path,
        "split_ratios": RATIOS,
        "critical_threshold": 0.5,
        "candidate_modes": list(modes),
        "critical_policy_path": "policy.json" if policy else None,
        "gate_profile": "research_v2",
        "gate_profile_locked": False,
        "gate_config_used": limits,
        "strict_evidence_gates": False,
        "eligible_counts": counts(full),
        "split_counts": {name: counts(chosen) for name, chosen in ids.items()},
        "split_job_ids": ids,
        "split_manifest": made,
        "results": results,
    }


def fit(
    jobs: Sequence[Job], labels: Mapping[int, bool], task_id: str | None, dev: Collection[int], *, ci: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The policy file and the report of a fit."""
    dev_jobs = [job for job in jobs if job["id"] in dev]

    def excess(value: float | None, key: str) -> float:
        return 1.0 if value is None else max(0.0, value - RESEARCH[key])

    candidates: list[tuple[Any, dict[str, Any]]] = []
    for floor in GRID["dtw_min"]:
        for distance in GRID["max_critical_missing_mean_distance"]:
            for span in GRID["max_critical_missing_expected_span"]:
                rails = {
                    "min_dtw": floor,
                    "max_critical_missing_mean_distance": distance,
                    "max_critical_missing_expected_span": span,
                }
                policy: dict[str, Any] = {
                    "version": "critical_policy_v1",
                    "scoring_mode": "guarded_binary_v2",
                    "critical_threshold": 0.5,
                    "guardrails": {"guarded_binary_v1": {"min_dtw": floor}, "guarded_binary_v2": rails},
                }
                found = confusion(dev_jobs, labels, "guarded_binary_v2", 0.5, policy)
                yes, no = found["tp"] + found["fn"], found["fp"] + found["tn"]
                miss, alarm = rate(found["fn"], yes), rate(found["fp"], no)
                highs = [(wilson(found[kind], n) or {}).get("high") for kind, n in (("fn", yes), ("fp", no))]
                violation = excess(miss, "max_critical_miss_rate")
                violation += excess(alarm, "max_critical_false_positive_rate")
                if ci:
                    violation += excess(highs[0], "max_critical_miss_rate_ci95_high")
                    violation += excess(highs[1], "max_critical_false_positive_rate_ci95_high")
                metrics = {
                    "critical_miss_rate": miss,
                    "critical_false_positive_rate": alarm,
                    "critical_miss_rate_ci95_high": highs[0],
                    "critical_false_positive_rate_ci95_high": highs[1],
                    "critical_confusion": found,
                    "critical_positives": yes,
                    "critical_negatives": no,
                }
                outcome: dict[str, Any] = {
                    "feasible": violation <= 1e-12,
                    "constraint_violation": round(violation, 8),
                    "params": rails,
                }
                off = abs(floor - 0.025) + abs(distance - 0.11) + abs(span - 1.5)
                rank = (violation > 1e-12, round(violation, 8), alarm or 0.0, miss or 0.0, off)
                candidates.append((rank, {"policy": policy, "metrics": metrics, "fit": outcome}))
    ranked = [candidate for _, candidate in sorted(candidates, key=lambda item: item[0])]
    best = ranked[0]
    fitted = best["policy"] | {
        "fit": {
            "split": "dev",
            "split_manifest_path": "split_manifest.json",
            "db_path": "sopilot.db",
            "labels_path": "labels.json",
            "task_id": task_id,
            "gate_profile": "research_v2",
            "gate_config": RESEARCH,
            "use_ci_constraints": ci,
            "search_grid": GRID,
            "dev_jobs": len(dev_jobs),
            "dev_labeled_jobs": len(dev_jobs),
            "best_metrics": best["metrics"],
            "best_rank": {
                "feasible": best["fit"]["feasible"],
                "constraint_violation": best["fit"]["constraint_violation"],
            },
        },
        "created_at": CREATED_AT,
        "git_commit": "unknown",
        "artifact_hash_method": "sha256(canonical_json)",
        "artifact_hash_sha256": "1" * 64,
        "policy_id": f"critical-policy-{int(ci)}",
    }
    report = {
        "task_id": task_id,
        "db_path": "sopilot.db",
        "labels_path": "labels.json",
        "split_manifest_path": "split_manifest.json",
        "gate_profile": "research_v2",
        "use_ci_constraints": ci,
        "critical_threshold": 0.5,
        "num_candidates": len(candidates),
        "best_candidate": best,
        "policy_id": fitted["policy_id"],
        "policy_hash_sha256": "1" * 64,
        "top_candidates": ranked[:20],
        "output_policy": "policy.json",
    }
    return fitted, report


def shadow(
    jobs: Sequence[Job],
    labels: Mapping[int, bool],
    scope: Mapping[str, int],
    task_id: str | None,
    policy: Any,
) -> dict[str, Any]:
    sides: dict[str, tuple[str, Any, str | None]] = {
        "baseline": ("guarded_binary_v1", None, None),
        "candidate": (policy["scoring_mode"], policy, "policy.json"),
    }
    flags = {
        side: [detected(job["score"], mode, 0.5, rules) for job in jobs]
        for side, (mode, rules, _) in sides.items()
    }
    reports: dict[str, dict[str, Any]] = {
        side: {
            "mode": mode,
            "threshold": 0.5,
            "policy_path": path,
            "report": evaluation(jobs, labels, scope, mode, 0.5, rules),
        }
        for side, (mode, rules, path) in sides.items()
    }
    pairs = Counter(zip(flags["baseline"], flags["candidate"], strict=True))
    shares = {side: sum(found) / max(1, len(jobs)) for side, found in flags.items()}

    def change(name: str) -> float | None:
        before, after = (reports[side]["report"][name] for side in ("baseline", "candidate"))
        return None if before is None or after is None else round(after - before, 6)

    return {
        "task_id": task_id,
        "db_path": "sopilot.db",
        "labels_path": "labels.json",
        **reports,
        "shadow_diff": {
            "total_jobs": len(jobs),
            "both_detected": pairs[True, True],
            "baseline_only": pairs[True, False],
            "candidate_only": pairs[False, True],
            "neither_detected": pairs[False, False],
            "decision_change_rate": round((pairs[True, False] + pairs[False, True]) / max(1, len(jobs)), 6),
            "changed_job_ids": [
                job["id"]
                for job, first, second in zip(jobs, flags["baseline"], flags["candidate"], strict=True)
                if first != second
            ],
        },
        "delta": {
            "critical_detected_rate_baseline": round(shares["baseline"], 6),
            "critical_detected_rate_candidate": round(shares["candidate"], 6),
            "critical_detected_rate_delta": round(shares["candidate"] - shares["baseline"], 6),
            "critical_miss_rate_delta": change("critical_miss_rate"),
            "critical_false_positive_rate_delta": change("critical_false_positive_rate"),
        },
    }


def reason(payload: Mapping[str, Any]) -> str:
    n, distance, span = missing(payload)
    if n == 0:
        return "non_missing_critical"
    if span > 1.5 and distance > 0.11:
        return "severe_alignment_mismatch"
    if span > 1.5:
        return "near_freeze_alignment_span"
    if distance > 0.11:
        return "high_distance_alignment_mismatch"
    critical = [str(one.get("severity", "")).strip().lower() == "critical" for one in payload["deviations"]]
    return "multi_missing_step_pattern" if sum(critical) >= 2 else "single_missing_step_low_distance"


def error_counts(jobs: Sequence[Job], labels: Mapping[int, bool], mode: str, backend: str) -> dict[str, Any]:
    names = ("deviation_type", "site_id", "backend", "gold_id", "fp_reason")
    negatives: dict[str, Counter[str]] = {name: Counter() for name in names}
    alarms: dict[str, Counter[str]] = {name: Counter() for name in names}
    for job in jobs:
        if labels.get(job["id"]) is not False:
            continue
        listed = job["score"].get("deviations") or []
        kinds = {str(one.get("type", "unknown")).strip().lower() for one in listed} - {""}
        keys = {
            "deviation_type": kinds or {"none"},
            "site_id": {job["site"] or "unknown"},
            "backend": {backend},
            "gold_id": {str(job["gold"])},
            "fp_reason": {reason(job["score"])},
        }
        for name in names:
            negatives[name].update(keys[name])
            if detected(job["score"], mode, 0.5, None):
                alarms[name].update(keys[name])
    found = confusion(jobs, labels, mode, 0.5, None)
    yes, no = found["tp"] + found["fn"], found["fp"] + found["tn"]
    return {
        "overall": {
            "labeled_jobs": yes + no,
            "labeled_positive_jobs": yes,
            "labeled_negative_jobs": no,
            "false_positive_jobs": found["fp"],
            "false_negative_jobs": found["fn"],
            "true_positive_jobs": found["tp"],
            "true_negative_jobs": found["tn"],
            "false_positive_rate": rate(found["fp"], no),
            "miss_rate": rate(found["fn"], yes),
            "critical_scoring_mode": mode,
            "critical_threshold": 0.5,
            "backend": backend,
        },
        **{
            f"by_{name}": [
                {
                    name: key,
                    "negative_jobs": count,
                    "false_positive_jobs": alarms[name][key],
                    "false_positive_rate": rate(alarms[name][key], count),
                }
                for key, count in sorted(negatives[name].items(), key=lambda item: (-item[1], item[0]))
            ]
            for name in names
        },
    }


def write_reports(
    db: Path, labels_path: Path, folder: Path, *, task_id: str | None, holdout: str, backend: str = "unknown"
) -> None:
    """Every report of the old scripts that these data allow; without labeled jobs there are no splits."""
    jobs = completed_jobs(db, task_id)
    labels, scope = label_file(labels_path)

    def write(name: str, content: Mapping[str, Any]) -> None:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(content), encoding="utf-8")

    def gate_report(mode: str, profile: str, policy: Any = None) -> dict[str, Any]:
        report = evaluation(jobs, labels, scope, mode, 0.5, policy)
        named = {"gate_profile": profile, "gate_profile_locked": profile == "research_v1"}
        limits = PROFILES[profile]
        swept = mode == "continuous_v1"
        return {
            **report,
            "task_id": task_id,
            **(named if profile != "none" else {}),
            "gate_overrides": {},
            "critical_policy_path": "policy.json" if policy else None,
            "critical_sweep_requested": swept,
            "gate_config": limits,
            "gates": gates(report, limits),
            **({"critical_threshold_sweep": sweep(jobs, labels, limits)} if swept else {}),
        }

    for mode in MODES:
        for profile in PROFILES:
            write(f"gate_{profile}_{mode}.json", gate_report(mode, profile))
        write(f"errors_{mode}/fp_breakdown.json", error_counts(jobs, labels, mode, backend))
    if not any(job["id"] in labels for job in jobs):
        return
    made = {}
    for strategy in STRATEGIES:
        site = holdout if strategy == "leave_one_site_out" else None
        if site and not any((job["site"] or "unknown") == site for job in jobs if job["id"] in labels):
            continue
        made[strategy] = manifest(task_id, strategy, site, split(jobs, labels, strategy, site))
        write(f"split_{strategy}/split_manifest.json", made[strategy])
        write(
            f"split_{strategy}/split_evaluation_report.json",
            split_report(jobs, labels, made[strategy], SPLIT_MODES),
        )
    by_trainee = made["group_trainee"]
    dev = by_trainee["split_job_ids"]["dev"]
    if not dev:
        return
    policy, report = fit(jobs, labels, task_id, dev, ci=False)
    write("policy.json", policy)
    write("policy_report.json", report)
    for name, content in zip(
        ("policy_ci", "policy_ci_report"), fit(jobs, labels, task_id, dev, ci=True), strict=True
    ):
        write(f"{name}.json", content)
    write("gate_policy.json", gate_report(policy["scoring_mode"], "research_v2", policy))
    write("shadow.json", shadow(jobs, labels, scope, task_id, policy))
    write("split_policy_locked/split_manifest.json", by_trainee)
    locked = split_report(
        jobs, labels, by_trainee, [policy["scoring_mode"]], policy, path="split_manifest.json"
    )
    write("split_policy_locked/split_evaluation_report.json", locked)
