"""A made-up study of about a hundred recordings by many people, with everything a dossier needs."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from sopilot_assets.dossier.inputs import (
    BASELINE,
    DossierInputs,
    LabelChain,
    Pictures,
    Protocol,
    StudyResults,
    Tables,
)
from sopilot_assets.labels.agreement import rater_agreement
from sopilot_assets.labels.events import Draft, LabelEvent, Source, place
from sopilot_assets.labels.state import label_state
from sopilot_assets.old_rules.detectors import DetectorOutcome, old_outcome
from sopilot_assets.store.canonical import content_sha256
from sopilot_assets.store.chain import NO_EVENT
from sopilot_assets.studies.cases import case_frame
from sopilot_assets.studies.errors import error_packet
from sopilot_assets.studies.gates import StudyGates, check_gates, gate_counts
from sopilot_assets.studies.groups import person_groups
from sopilot_assets.studies.leakage import leakage_table, leaking_groups
from sopilot_assets.studies.looks import distinct_looks
from sopilot_assets.studies.metrics import figures, gate_values
from sopilot_assets.studies.policies import select
from sopilot_assets.studies.policy_fits import fit_policies
from sopilot_assets.studies.profiles import study_profile
from sopilot_assets.studies.registration import RegisteredVersion, Registration
from sopilot_assets.studies.repeatability import REPEAT_COLUMNS, repeatability
from sopilot_assets.studies.shadow import shadow_report
from sopilot_assets.studies.spec import StudySpec, parse_study
from sopilot_assets.studies.splits import study_split

TASK = "filter_change"
STUDY = f"""\
study_id: pilot
title: Filter change, two lines
task: {TASK}
gate_profile: research_v3
detectors: [guarded_binary_v2, calibrated_v1, calibrated_v2]
miss_rate_target: 0.2
confidence: 0.8
use_intervals: false
"""
TASK_YAML = """\
task_id: filter_change
name: Filter change
name_ja: フィルター交換
version: 1
steps:
  - {id: open_cover, name: Open the cover, name_ja: カバーを開ける}
  - {id: wipe, name: Wipe the seat, name_ja: 座面を拭く, critical: false}
  - {id: put_in, name: Put in the new filter, name_ja: 新しいフィルターを入れる}
""".encode()


@cache
def study_inputs(
    people: int = 60, seed: int = 7, *, power: float = 3.0, profile_name: str = "research_v3"
) -> DossierInputs:
    """Everything of a study of ``people``, two recordings each; ``power`` parts the classes."""
    study = STUDY.replace("research_v3", profile_name)
    spec = parse_study(study, source="pilot.yaml")
    truth, unlabeled = _unlabeled(people, seed, power)
    events = _events(truth, unlabeled, seed)
    cases = _labeled(unlabeled, events, spec)
    manifest = study_split(cases, spec)
    places = manifest.split_of(cases["case_id"])
    clusters = person_groups(cases)
    profile = study_profile(spec.gate_profile.value)
    fits = fit_policies(cases, manifest, spec, profile)
    policy = select(fits)
    assert policy is not None, [(one.detector, one.reason) for one in fits]
    baseline = old_outcome(cases, spec.baseline_detector.value)
    usable = [fit for fit in fits if fit.feasible]
    outcomes = {**{fit.detector: fit.outcome(cases) for fit in usable}, BASELINE: baseline}
    repeats = _repeats(cases, seed)

    evaluations = {
        split: {
            name: figures(
                cases.loc[here].reset_index(drop=True),
                one.of(here),
                clusters=clusters[here],
                repeats=repeats[repeats["key"].isin(set(cases["case_id"][here]))],
            )
            for name, one in outcomes.items()
        }
        for split in ("full", "dev", "test", "challenge")
        for here in [places != "" if split == "full" else places == split]
    }
    chosen = evaluations["test"][policy.detector]
    leakage = leakage_table(cases, manifest)
    looks = _looks(manifest.manifest_id)
    agreement = rater_agreement(events)
    repeated = repeatability(repeats)
    exact, shifted = repeated.exact, repeated.shifted
    used = cases.loc[places != ""]
    asked = cases.loc[cases["label_source"] != ""]
    values = {
        **gate_values(chosen),
        "coverage_rate": 1.0,
        "scored_share": 1.0,
        "settled_label_share": float(asked["expected"].notna().mean()),
        "blind_label_share": float((used["label_source"] == "blind_human").mean()),
        "rescore_pairs": exact.videos,
        "rescore_jitter_max_delta": exact.max_delta,
        "shifted_recordings": shifted.videos,
        "shifted_jitter_max_delta": shifted.max_delta,
        "shifted_decision_change_rate": shifted.decision_change_rate,
        "rater_kappa_ci95_low": agreement.as_dict()["low"],
        "test_looks": distinct_looks(looks),
        "leaking_groups": leaking_groups(leakage),
    }
    everywhere = places != ""
    packet = error_packet(
        cases.loc[everywhere].reset_index(drop=True), outcomes[policy.detector].of(everywhere)
    )
    return DossierInputs(
        protocol=Protocol(
            study_id="pilot",
            task_id=TASK,
            title=spec.title,
            baseline_detector=spec.baseline_detector.value,
            label_sources=[source.value for source in spec.label_sources],
            study_yaml=study.encode(),
            registration=_registration(spec, study),
            task_yaml=TASK_YAML,
            task_lock=b"sha256: " + content_sha256(TASK_YAML.decode()).encode() + b"\n",
        ),
        tables=Tables(
            cases=cases,
            detections=_detections(cases, places, clusters, outcomes),
            leakage=leakage,
            errors=packet,
            looks=looks,
            repeats=repeats,
        ),
        results=StudyResults(
            manifest=manifest,
            policies=fits,
            policy_id=policy.policy_id,
            figures=evaluations,
            gates=StudyGates(check_gates(profile, values, counts=gate_counts(chosen)), "test", values),
            shadow=shadow_report(
                cases.loc[everywhere].reset_index(drop=True),
                baseline.of(everywhere),
                outcomes[policy.detector].of(everywhere),
                clusters=clusters[everywhere],
            ),
            drift=evaluations["full"][policy.detector].drift,
        ),
        labels=LabelChain(events, events[-1].event_id, agreement),
        pictures=Pictures(
            {
                f"{case}/{number}_missing_step_{whose}.jpg": _still(f"{case} {whose}", number)
                for case in packet["case_id"]
                for number in (1, 2)
                for whose in ("recording", "gold")
            }
        ),
        versions={"sopilot_assets": "0.4.0", "python": "3.11", "model": "lite0_flow-0f3a9c"},
    )


def changed(inputs: DossierInputs, part: str, **values: object) -> DossierInputs:
    """The same inputs with other values in one part."""
    return replace(inputs, **{part: replace(getattr(inputs, part), **values)})


_FIELDS = {
    **{name: ("protocol", name) for name in ("study_yaml", "registration", "task_yaml", "task_lock")},
    **{name: ("tables", name) for name in ("cases", "detections", "leakage", "errors", "looks", "repeats")},
    **{name: ("results", name) for name in ("policies", "policy_id", "shadow", "drift")},
    "split_manifest": ("results", "manifest"),
    "evaluations": ("results", "figures"),
    "gate_report": ("results", "gates"),
    "stills": ("pictures", "stills"),
    "label_events": ("labels", "events"),
    "label_head": ("labels", "head"),
    "agreement": ("labels", "agreement"),
}


def without(inputs: DossierInputs, name: str) -> DossierInputs:
    """The same inputs without one of them."""
    if name == "versions":
        return replace(inputs, versions={})
    if name == "gate_values":
        assert inputs.results.gates is not None
        return changed(inputs, "results", gates=replace(inputs.results.gates, values={}))
    part, field = _FIELDS[name]
    return changed(inputs, part, **{field: () if name in ("policies", "label_events") else None})


def _unlabeled(people: int, seed: int, power: float) -> tuple[np.ndarray, pd.DataFrame]:
    """Whether each recording has a critical deviation, and its case without a label."""
    rng = np.random.default_rng(seed)
    rows, truth = [], []
    for number in range(2 * people):
        person = number // 2
        bad = person % 3 == 0 and number % 2 == 0
        z = rng.normal(power if bad else -power, 1.6) + 0.5 * np.sin(person)
        probability = round(float(1 / (1 + np.exp(-z))), 6)
        found = probability >= 0.5
        video = f"{seed:02x}{number:010x}"
        unsure = abs(z) < 0.35
        truth.append(bad)
        rows.append(
            {
                "case_id": f"{TASK}-t-{video}",
                "order": number + 1,
                "task_id": TASK,
                "video_id": video,
                "original_name": f"take {number:03d}.mp4",
                "person": f"p{person:02d}",
                "site": ("north", "south")[person % 2],
                "camera": "top",
                "gold_id": "gold0001",
                "backend": "lite0_flow",
                "reference_id": "ref01",
                "algorithm": "decoder_v3",
                "origin": "scored",
                "score": round(100 * (1 - probability) ** 0.5, 3),
                "decision": "not_verifiable" if unsure else "fail" if found else "pass",
                "critical_probability": probability,
                "log_odds": float(z),
                "fit": float(rng.normal(0.9, 0.05)),
                "order_evidence": float(rng.normal(4, 1)),
                "dtw_normalized_cost": abs(float(rng.normal(0.15, 0.05))),
                "over_time_ratio": abs(float(rng.normal(0, 0.1))),
                "critical": float(found),
                "quality": float(rng.integers(0, 2)),
                "efficiency": 0.0,
                "any_critical": bool(found),
                "miss_steps": float(found),
                "swap_steps": 0.0,
                "deviation_steps": 0.0,
                "critical_missing": float(found),
                "missing_distance": 0.0,
                "missing_span": 0.0,
                "deviation_types": "missing_step" if found else "",
            }
        )
    return np.array(truth), case_frame(rows)


def _events(truth: np.ndarray, cases: pd.DataFrame, seed: int) -> list[LabelEvent]:
    """Blind labels: one rater for all, another for every third, who errs now and then."""
    rng = np.random.default_rng(seed + 1)
    events: list[LabelEvent] = []
    for number, (bad, key) in enumerate(zip(truth, cases["case_id"], strict=True)):
        for who in ("rater_a", "rater_b")[: 2 if number % 3 == 0 else 1]:
            wrong = who == "rater_b" and rng.random() < 0.04
            draft = Draft(
                task_id=TASK,
                key=key,
                who=who,
                at=f"2026-02-{1 + number % 28:02d}T09:00:00+00:00",
                source=Source.BLIND_HUMAN,
                critical_expected=bool(bad) != wrong,
            )
            previous = events[-1].event_id if events else NO_EVENT
            events.append(place(draft, seq=len(events) + 1, previous_hash=previous))
    return events


def _labeled(cases: pd.DataFrame, events: list[LabelEvent], spec: StudySpec) -> pd.DataFrame:
    state = label_state(events, [source.value for source in spec.label_sources]).set_index("key")
    found = state.reindex(cases["case_id"].to_numpy())
    return cases.assign(
        expected=found["expected"].to_numpy(dtype="float64"),
        label_source=found["label_source"].fillna("").to_numpy(),
    ).astype({"label_source": "str"})


def _detections(
    cases: pd.DataFrame, places: np.ndarray, clusters: np.ndarray, outcomes: dict[str, DetectorOutcome]
) -> pd.DataFrame:
    table = {"case_id": cases["case_id"], "split": places, "cluster": clusters}
    for name, one in outcomes.items():
        table |= {
            f"{name}.score": one.score,
            f"{name}.detected": one.detected,
            f"{name}.decided": one.decided,
        }
    return pd.DataFrame(table)


def _registration(spec: StudySpec, study: str) -> Registration:
    content = spec.model_dump(mode="json")
    current = RegisteredVersion(
        registered_at=datetime(2026, 1, 15, 9, tzinfo=UTC),
        by="qa",
        spec_sha256=spec.sha256(),
        file_sha256=hashlib.sha256(study.encode()).hexdigest(),
        task=TASK,
        task_version=1,
        task_fingerprint="ab" * 32,
        content=content,
    )
    return Registration(study_id=spec.study_id, current=current)


def _looks(manifest_id: str) -> pd.DataFrame:
    rows = [
        {
            "look_id": f"look-{split}",
            "study_id": "pilot",
            "split": split,
            "station": "split_evaluations",
            "inputs_sha256": content_sha256([manifest_id, split]),
            "looked_at": "2026-02-28T12:00:00+00:00",
            "by": "qa",
        }
        for split in ("test", "challenge")
    ]
    return pd.DataFrame(rows)


def _repeats(cases: pd.DataFrame, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed + 2)
    rows = []
    for place_in_table in range(0, len(cases), 3):
        case = cases.iloc[place_in_table]
        for kind, phase_s in (("exact", 0.0), ("shifted", 0.25)):
            moved = 0.0 if kind == "exact" else float(rng.normal(0, 1.0))
            rows.append(
                {
                    "repeat_id": f"{kind}-{place_in_table}",
                    "key": case["case_id"],
                    "video_id": case["video_id"],
                    "kind": kind,
                    "phase_s": phase_s,
                    "score": round(float(np.clip(case["score"] + moved, 0, 100)), 3),
                    "critical_probability": case["critical_probability"],
                    "decision": case["decision"],
                    "base_score": case["score"],
                    "base_critical_probability": case["critical_probability"],
                    "base_decision": case["decision"],
                }
            )
    return pd.DataFrame(rows, columns=list(REPEAT_COLUMNS))


@cache
def _still(text: str, number: int) -> bytes:
    picture = Image.new("RGB", (320, 180), (60 + 40 * number, 90, 110))
    ImageDraw.Draw(picture).rectangle((90, 60, 230, 130), fill=(200, 170, 60 * number))
    ImageDraw.Draw(picture).text((8, 8), text, fill=(255, 255, 255))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=70)
    return buffer.getvalue()
