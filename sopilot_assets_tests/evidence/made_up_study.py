"""A home with a made-up study: scores, labels and a registered study without a single video."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from sopilot_assets.capture.ledgers import ACTIVE, VIDEO_COLUMNS, videos_ledger
from sopilot_assets.dossier.signing import new_key
from sopilot_assets.evidence.critical_policies import fit_study_policies
from sopilot_assets.evidence.error_packets import collect_study_errors
from sopilot_assets.evidence.evidence_dossiers import build_study_dossier
from sopilot_assets.evidence.gate_reports import check_study_gates
from sopilot_assets.evidence.labeling_plans import plan_study_labeling
from sopilot_assets.evidence.shadow_reports import compare_study_detectors
from sopilot_assets.evidence.split_evaluations import evaluate_study_splits
from sopilot_assets.evidence.split_manifests import split_study_cases
from sopilot_assets.labels.chain import append_events
from sopilot_assets.labels.events import Draft, Source
from sopilot_assets.scoring.ledger import COLUMNS as SCORE_COLUMNS
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.studies.registration import register
from sopilot_assets.tasks import lock_task, parse_task
from sopilot_assets_tests.tasks.task_files import FILTER_CHANGE, write_task

TASK = "filter_change"
GOLD = "a1b2c3d4e5f6"
FINGERPRINT = parse_task(FILTER_CHANGE, source="filter_change.yaml").fingerprint()
START = "2026-03-02T08:00:00+00:00"
STATIONS = {
    "split_manifests": split_study_cases,
    "critical_policies": fit_study_policies,
    "split_evaluations": evaluate_study_splits,
    "gate_reports": check_study_gates,
    "shadow_reports": compare_study_detectors,
    "error_packets": collect_study_errors,
    "labeling_plans": plan_study_labeling,
    "evidence_dossiers": build_study_dossier,
}
CHAIN = tuple(STATIONS)


def made_up_home(root: Path, *, second_rater: bool = True, source: Source = Source.BLIND_HUMAN) -> Home:
    """A home with scores and labels of 24 people, a locked task, a key, and the study ``spring``."""
    home = Home.at(root)
    write_task(Path(str(home.tasks)))
    lock_task(home.tasks / f"{TASK}.yaml", locked_at=datetime.fromisoformat(START))
    videos, scores, truth = made_up_recordings()
    videos_ledger(home).append(videos, run_id="intake", written_at=START)
    scores_ledger(home).append(scores, run_id="scoring", written_at=START)
    append_events(
        home,
        [
            *labels_by("ann", truth, source=source),
            *(labels_by("bob", truth, errs_at=7, source=source) if second_rater else []),
        ],
        run_id="labels",
        written_at=START,
    )
    write_study(home, "spring")
    new_key(home.keys)
    return home


def write_study(home: Home, study_id: str, **settings: object) -> None:
    """Write and register a study that the old detectors can pass; ``settings`` replace its own."""
    wanted: dict[str, object] = {
        "study_id": study_id,
        "title": "A made-up study",
        "task": TASK,
        "gate_profile": "legacy_poc",
        "gate_overrides": [
            {"check": "rescore_jitter_max_delta", "threshold": None, "reason": "nothing was scored again"}
        ],
        "detectors": ["legacy_binary", "continuous_v1"],
        "use_intervals": False,
        **settings,
    }
    path = Path(str(home.studies)) / f"{study_id}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(wanted), encoding="utf-8")  # JSON is YAML
    register(home, study_id, registered_at=datetime.fromisoformat(START), by="tests")


def run_chain(
    home: Home,
    study_id: str = "spring",
    *,
    run_id: str = "run",
    written_at: str = START,
    only: Sequence[str] = CHAIN,
) -> None:
    """Every station of the chain, in order."""
    for name in only:
        STATIONS[name](home, study_id, run_id=run_id, written_at=written_at)


def published(home: Home) -> dict[str, bytes]:
    """Every file of the studies and dossiers, by its path below the home; unfinished ones are not read."""
    folders = (Path(str(home.studies)), Path(str(home.dossiers)))
    paths = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    root = Path(str(home.root))
    return {str(path.relative_to(root)): path.read_bytes() for path in paths if not path.name.startswith(".")}


def made_up_recordings() -> tuple[list[dict[str, Cell]], list[dict[str, Cell]], dict[str, bool]]:
    """Rows of the ledgers of videos and of scores, two for each of 24 people, and by key whether a critical
    step is missing.
    """
    rng = np.random.default_rng(0)
    videos: list[dict[str, Cell]] = []
    scores: list[dict[str, Cell]] = []
    truth: dict[str, bool] = {}
    for take in range(48):
        sha256 = hashlib.sha256(f"0:{take}".encode()).hexdigest()
        key = f"{TASK}-t-{sha256[:12]}"
        truth[key] = bool(rng.random() < 0.4)
        evidence = float(3 * (1 if truth[key] else -1) + rng.normal())
        person = f"p{take // 2:04d}"
        named: dict[str, Cell] = {
            "key": key,
            "video_id": sha256[:12],
            "task_id": TASK,
            "role": "trainee",
            "person": person,
            "site": f"site_{take // 2 % 3}",
            "session": f"{person}-morning",
            "original_name": f"take_{take:05d}.mp4",
        }
        videos.append(
            {
                **dict.fromkeys(VIDEO_COLUMNS),
                **named,
                "sha256": sha256,
                "capture_path": f"{TASK}/trainee/take_{take:05d}.mp4",
                "stored_name": f"{sha256[:12]}.mp4",
                "duration_s": 60.0,
                "status": ACTIVE,
            }
        )
        scores.append(score_of(named, evidence, rng))
    return videos, scores, truth


def score_of(named: dict[str, Cell], evidence: float, rng: np.random.Generator) -> dict[str, Cell]:
    """A row of the ledger of scores that says as much for a missing critical step as ``evidence`` does."""
    missing = {
        "type": "missing_step",
        "severity": "critical",
        "steps": ["open_cover"],
        "trainee_start_s": 4.0,
        "trainee_end_s": 5.0,
        "gold_id": GOLD,
        "gold_start_s": 4.0,
        "gold_end_s": 6.0,
    }
    found = [missing] if evidence > 0 else []
    return {
        **dict.fromkeys(SCORE_COLUMNS),
        **named,
        "score": float(np.clip(85 - 25 * (evidence > 0) + rng.normal(0, 4), 0, 100)),
        "decision": "fail" if found else "pass",
        "deviations": json.dumps(found),
        "deviation_types": "missing_step" if found else "",
        "critical_deviations": len(found),
        "quality_deviations": 0,
        "efficiency_deviations": 0,
        "critical_probability": float(1 / (1 + np.exp(-evidence))),
        "log_odds": evidence,
        "dtw_normalized_cost": float(rng.uniform(0.01, 0.05)),
        "over_time_ratio": float(rng.uniform(0, 0.2)),
        "fit": float(rng.uniform(0.6, 1)),
        "order_evidence": float(rng.normal()),
        "gold_id": GOLD,
        "task_version": 1,
        "task_fingerprint": FINGERPRINT,
        "model_id": "made_up",
        "reference_id": "r1",
        "reference_confirmed": True,
        "algorithm": "made-up-1",
    }


def labels_by(
    who: str,
    truth: dict[str, bool],
    *,
    errs_at: int = 0,
    at: str = START,
    source: Source = Source.BLIND_HUMAN,
) -> list[Draft]:
    """What a person says of every recording: the truth, but of every ``errs_at``-th the opposite."""
    return [
        Draft(
            task_id=TASK,
            key=key,
            who=who,
            at=at,
            source=source,
            critical_expected=said != bool(errs_at and number % errs_at == 0),
        )
        for number, (key, said) in enumerate(truth.items(), start=1)
    ]
