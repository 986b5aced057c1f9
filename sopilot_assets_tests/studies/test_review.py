"""Evidence that must not count, and names that must not break anything."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sopilot_assets.dossier.verifier.figures import repeatability_of
from sopilot_assets.dossier.verifier.tables import read_csv
from sopilot_assets.studies.cases import case_frame, cases_csv, read_cases
from sopilot_assets.studies.gates import check_gates
from sopilot_assets.studies.profiles import PROFILES, GateProfile, study_profile
from sopilot_assets.studies.repeatability import REPEAT_COLUMNS, repeatability

RESEARCH = [name for name, profile in PROFILES.items() if profile.research]


def perfect(profile: GateProfile) -> dict[str, float | None]:
    return dict(profile.thresholds)


@pytest.mark.parametrize("name", RESEARCH)
@pytest.mark.parametrize(
    ("check", "value"), [("leaking_groups", 1.0), ("decided_share", 0.5), ("blind_label_share", 0.9)]
)
def test_no_research_gate_passes_with_leaks_abstentions_or_guessed_labels(
    name: str, check: str, value: float
) -> None:
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
    found = repeatability(table)["shifted"]
    assert (found["pairs"], found["videos"], found["decision_changes"]) == (2, 2, 1)
    rows = read_csv(table.to_csv(index=False).encode())
    assert repeatability_of(rows)["shifted"]["videos"] == 2


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
