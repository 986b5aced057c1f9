"""Evidence that must not count, and names that must not break anything."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sopilot_assets.dossier.verifier.figures import repeatability_of
from sopilot_assets.dossier.verifier.numbers import clustered_bounds
from sopilot_assets.dossier.verifier.tables import read_csv
from sopilot_assets.intervals import clustered
from sopilot_assets.old_rules.detectors import DetectorOutcome
from sopilot_assets.old_rules.profiles import GateProfile
from sopilot_assets.studies.cases import case_frame, cases_csv, read_cases
from sopilot_assets.studies.gates import check_gates, gate_counts
from sopilot_assets.studies.metrics import figures
from sopilot_assets.studies.profiles import PROFILES, study_profile
from sopilot_assets.studies.repeatability import REPEAT_COLUMNS, repeatability

RESEARCH = [name for name, profile in PROFILES.items() if profile.research]


def perfect(profile: GateProfile) -> dict[str, float | None]:
    return dict(profile.thresholds)


@pytest.mark.parametrize("name", RESEARCH)
@pytest.mark.parametrize(("check", "value"), [("leaking_groups", 1.0), ("decided_share", 0.5)])
def test_no_research_gate_passes_with_leaks_or_abstentions(name: str, check: str, value: float) -> None:
    profile = study_profile(name)
    assert check_gates(profile, perfect(profile)).overall_pass
    report = check_gates(profile, perfect(profile) | {check: value})
    assert [one.name for one in report.failed()] == [check]


def repeats(rows: list[dict[str, object]]) -> pd.DataFrame:
    usual = {"repeat_id": "r", "key": "k", "video_id": "v", "kind": "shifted", "phase_s": 0.25}
    scores = {"score": 80.0, "base_score": 80.0, "decision": "pass", "base_decision": "pass"}
    return pd.DataFrame(
        [{**dict.fromkeys(REPEAT_COLUMNS, np.nan), **usual, **scores, **row} for row in rows],
        columns=list(REPEAT_COLUMNS),
    )


def test_repeats_that_measured_nothing_do_not_count() -> None:
    nothing: dict[str, object] = {"score": np.nan, "base_score": np.nan}
    table = repeats(
        [
            {"video_id": "v1"},
            {"video_id": "v2", "score": np.nan, "decision": "not_verifiable"},
            *({"video_id": f"u{number}", **nothing} for number in range(40)),
        ]
    )
    found = repeatability(table).shifted
    assert (found.pairs, found.videos, found.decision_changes) == (2, 2, 1)
    rows = read_csv(table.to_csv(index=False).encode())
    assert repeatability_of(rows)["shifted"].videos == 2


@pytest.mark.parametrize(
    "name",
    ["a\rb", "a\r\nb", "a\nb", 'say "x", then y', "\u2028", "NA", "作業 🛠️", " x ", "'=1+1", "x" * 5000],
)
def test_any_name_survives_the_table_of_cases(name: str) -> None:
    cases = case_frame(
        [
            {"case_id": f"c{number}", "order": number, "original_name": name, "person": name, "site": name}
            for number in (1, 2)
        ]
    )
    data = cases_csv(cases)
    pd.testing.assert_frame_equal(read_cases(data, name="cases.csv"), cases)
    assert [row["original_name"] for row in read_csv(data)] == list(cases["original_name"])
    assert cases["original_name"][0] == name.replace("\r", "\ufffd")


def test_many_recordings_of_one_person_do_not_dilute_what_others_do() -> None:
    # forty people of whom every one is a false alarm, and a thousand recordings of one of whom none is
    people = [*(f"p{number}" for number in range(40)), *["always_right"] * 1000]
    wrong = np.array([True] * 40 + [False] * 1000)
    found = clustered(wrong, people)
    assert found.clusters == 41
    assert found.effective_clusters < 1.1
    limit = PROFILES["research_v3"].thresholds["clustered_false_positive_rate_ci95_high"]
    assert found.high > 3 * limit
    assert clustered(wrong, ["" if name == "always_right" else name for name in people]).high > 3 * limit
    assert clustered_bounds(wrong.tolist(), people).high == pytest.approx(found.high)


@pytest.mark.parametrize("sizes", [[100, *[1] * 39], [50, 50, *[2] * 38], [30] * 5 + [1] * 35])
def test_intervals_hold_where_people_have_unequal_numbers_of_recordings(sizes: list[int]) -> None:
    rng = np.random.default_rng(11)
    people, share = len(sizes), 0.15
    names = np.repeat([f"p{number:02d}" for number in range(people)], sizes)
    held = 0
    for _ in range(300):
        of_person = rng.beta(share, 1 - share, people)
        found = clustered(rng.random(len(names)) < np.repeat(of_person, sizes), names)
        held += found.low <= share <= found.high
    assert held / 300 >= 0.925


def test_what_a_failed_bound_needs_counts_people_and_not_their_recordings() -> None:
    cases = case_frame(
        {"case_id": f"{order:04d}", "order": order, "score": 80.0, "expected": 0.0} for order in range(1040)
    )
    silent = DetectorOutcome(np.zeros(1040, dtype=bool), np.ones(1040, dtype=bool), np.zeros(1040))
    people = np.array([*map(str, range(40)), *["one"] * 1000], dtype=object)
    found = figures(cases, silent, clusters=people)
    profile = PROFILES["research_v3"]
    values = perfect(profile) | {"clustered_false_positive_rate_ci95_high": 0.78}
    (failed,) = check_gates(profile, values, counts=gate_counts(found)).failed()
    assert failed.needed is not None
    assert failed.needed.count is not None
    assert failed.needed.count > 0
