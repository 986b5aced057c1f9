"""Every gate has a name in words, and the guide's table of profiles is what the profiles ask for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sopilot_assets.dossier.words import GATE_NAMES
from sopilot_assets.studies.profiles import CHECKS, PROFILES, study_profile

GUIDE = Path(__file__).parents[2] / "docs" / "evidence.md"
ROWS = {
    "miss rate, at most": ("critical_miss_rate",),
    "false-alarm rate, at most": ("critical_false_positive_rate",),
    "upper 95 % bound, recordings as independent: miss, false alarm": (
        "critical_miss_rate_ci95_high",
        "critical_false_positive_rate_ci95_high",
    ),
    "upper 95 % bound, by person: miss, false alarm": (
        "clustered_miss_rate_ci95_high",
        "clustered_false_positive_rate_ci95_high",
    ),
    "people with a critical recording, with another one, at least": (
        "independent_positives",
        "independent_negatives",
    ),
    "critical recordings, others, at least": ("critical_positives", "critical_negatives"),
    "scored recordings, labels, labeled, at least": (
        "num_completed_jobs",
        "labels_total_jobs",
        "labels_labeled_jobs",
    ),
    "share of labels that are blind, at least": ("blind_label_share",),
    "lower 95 % bound of raters' kappa, at least": ("rater_kappa_ci95_low",),
    "share of labeled recordings that were scored, at least": ("coverage_rate scored_share",),
    "share that the detector decides, at least": ("decided_share",),
    "the same of critical recordings, at least": ("decided_positive_share",),
    "share of recordings with labels on which raters came to an answer, at least": ("settled_label_share",),
    "largest difference of repeated scores, at most (points)": ("rescore_jitter_max_delta",),
    "pairs with repeated scores, at least": ("rescore_pairs",),
    "recordings repeated with shifted sampling, at least": ("shifted_recordings",),
    "largest change by shifted sampling, at most (points)": ("shifted_jitter_max_delta",),
    "share of decisions changed by shifted sampling, at most": ("shifted_decision_change_rate",),
    "90 % quantile of the alignment cost, at most": ("dtw_normalized_cost_p90",),
    "drift (PSI) of three figures, shift of the alarm rate, at most": (
        "drift_critical_score_psi drift_score_psi drift_dtw_psi",
        "critical_detected_rate_shift_abs",
    ),
    "looks at test, at most": ("test_looks",),
    "groups on two sides of the split, at most": ("leaking_groups",),
}
"""The checks behind the values of each row; several that one value stands for are separated by spaces."""


def table() -> tuple[list[str], dict[str, list[str]]]:
    """The profiles of each column of the guide's table, and its rows: the cells by what they are of."""
    lines = [line for line in GUIDE.read_text("utf-8").splitlines() if line.startswith("|")]
    first = next(number for number, line in enumerate(lines) if "`legacy_poc`" in line)
    head, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[first:]]
    return head[1:], {row[0]: row[1:] for row in rows[1 : 1 + len(ROWS)]}


def test_every_gate_has_a_name_in_both_languages() -> None:
    assert set(GATE_NAMES) == set(CHECKS)
    for name, text in GATE_NAMES.items():
        assert name not in (text.en, text.ja)
        assert re.search(r"[぀-ヿ一-鿿]", text.ja)


@pytest.mark.parametrize("column", range(4))
def test_the_guide_says_what_each_profile_asks_for(column: int) -> None:
    head, rows = table()
    assert rows.keys() == ROWS.keys()
    for profile in re.findall(r"`(\w+)`", head[column]):
        asked = study_profile(profile).thresholds
        told = {}
        for what, checks in ROWS.items():
            cells = [part.strip() for part in rows[what][column].removesuffix("*").split(",")]
            for group, cell in zip(checks, cells if any(cells) else ["–"] * len(checks), strict=True):
                if cell != "–":
                    known = [check for check in group.split() if check in asked]
                    told |= dict.fromkeys(known or group.split(), float(cell))
        assert told == asked


def test_the_guide_names_every_profile() -> None:
    assert {name for cell in table()[0] for name in re.findall(r"`(\w+)`", cell)} == set(PROFILES)
