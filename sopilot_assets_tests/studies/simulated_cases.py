"""Case tables as a scored task would give them, with a known truth and persons that differ."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sopilot_assets.studies.cases import case_frame


def simulated_cases(
    persons: int, *, each: int = 4, seed: int = 0, signal: float = 2.0, start: int = 0
) -> pd.DataFrame:
    """``each`` recordings of every person, about a third of them critical.

    ``critical_probability`` tells them apart by ``signal`` (standard deviations of its logit), and is badly
    calibrated on purpose.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(start, start + persons):
        habit = rng.normal(0, 0.4)
        for take in range(each):
            critical = bool(rng.random() < 1 / 3)
            evidence = signal * (1 if critical else -1) + habit + rng.normal()
            order = person * each + take
            rows.append(
                {
                    "case_id": f"case-{order:05d}",
                    "order": order,
                    "task_id": "filter_change",
                    "video_id": f"v{order:05d}",
                    "person": f"p{person:03d}",
                    "site": f"s{person % 3}",
                    "gold_id": "g1",
                    "origin": "scored",
                    "score": float(np.clip(85 - 20 * (evidence > 0) + rng.normal(0, 5), 0, 100)),
                    "decision": "pass",
                    "critical_probability": float(1 / (1 + np.exp(-3 * evidence - 1))),
                    "log_odds": float(evidence + rng.normal()),
                    "fit": float(rng.uniform(0.5, 1)),
                    "dtw_normalized_cost": float(rng.uniform(0.01, 0.06)),
                    "over_time_ratio": float(rng.uniform(0, 0.3)),
                    "critical": float(evidence > 0),
                    "quality": float(rng.integers(0, 3)),
                    "efficiency": 0.0,
                    "any_critical": bool(evidence > 0),
                    "miss_steps": float(evidence > 0),
                    "critical_missing": float(evidence > 0.5),
                    "missing_distance": float(rng.uniform(0.05, 0.15)),
                    "missing_span": float(rng.uniform(0.8, 2.2)),
                    "expected": float(critical),
                    "label_source": "blind_human",
                }
            )
    return case_frame(rows)
