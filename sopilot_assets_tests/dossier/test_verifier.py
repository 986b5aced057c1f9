"""The verifier's own statistics against those of the studies."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from sopilot_assets.dossier.package import VERSION
from sopilot_assets.dossier.verifier.detectors import check_detections
from sopilot_assets.dossier.verifier.fields import JsonField, WrongField
from sopilot_assets.dossier.verifier.figures import figures_of, shadow_of
from sopilot_assets.dossier.verifier.findings import Findings, same
from sopilot_assets.dossier.verifier.kappa import agreement_of
from sopilot_assets.dossier.verifier.labels import check_chain, label_states, rater_label
from sopilot_assets.dossier.verifier.numbers import (
    auc,
    clustered_bounds,
    mcnemar_p,
    t_quantile,
    wilson_bounds,
)
from sopilot_assets.dossier.verifier.tables import CASE_NUMBERS, CaseRow
from sopilot_assets.dossier.verifier.verify import MIXED_SOURCES
from sopilot_assets.intervals import clustered, wilson
from sopilot_assets.labels.agreement import rater_agreement
from sopilot_assets.labels.events import Draft, LabelEvent, place
from sopilot_assets.labels.state import label_state
from sopilot_assets.old_rules.detectors import DetectorOutcome, old_outcome
from sopilot_assets.store.chain import NO_EVENT
from sopilot_assets.studies.cases import case_frame
from sopilot_assets.studies.metrics import figures
from sopilot_assets.studies.shadow import exact_mcnemar, shadow_report


@pytest.mark.parametrize("df", [1, 2, 3, 7, 30, 119, 5000])
def test_student_quantiles(df: int) -> None:
    assert t_quantile(df) == pytest.approx(stats.t.isf(0.025, df), rel=1e-9)


@given(st.integers(0, 200), st.integers(1, 200))
def test_wilson(k: int, n: int) -> None:
    k = min(k, n)
    assert wilson_bounds(k, n) == pytest.approx(wilson(k, n), abs=1e-12)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abcdefg")), min_size=1, max_size=60))
def test_clustered_interval(cases: list[tuple[bool, str]]) -> None:
    hits, names = [hit for hit, _ in cases], [name for _, name in cases]
    found = clustered_bounds(hits, names)
    stated = clustered(np.array(hits), names)
    for name in ("point", "low", "high", "n", "clusters", "effective_n"):
        assert getattr(found, name) == pytest.approx(getattr(stated, name), abs=1e-9), name


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar(fixed: int, broken: int) -> None:
    assert mcnemar_p(fixed, broken) == pytest.approx(exact_mcnemar(fixed, broken), abs=1e-12)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_auc(pairs: list[tuple[int, bool]]) -> None:
    scores, truth = [score / 5 for score, _ in pairs], [one for _, one in pairs]
    if all(truth) or not any(truth):
        assert auc(scores, truth) is None
    else:
        assert auc(scores, truth) == pytest.approx(roc_auc_score(truth, scores), abs=1e-12)


LABELS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.sampled_from(["v1", "v2", "v3", "v4"]),
        st.sampled_from(["blind_human", "human", "imported", "prefill"]),
        st.sampled_from([True, False, None]),
        st.booleans(),
    ),
    max_size=25,
)


def chain(labels: list[tuple[str, str, str, bool | None, bool]]) -> list[LabelEvent]:
    events: list[LabelEvent] = []
    for who, key, source, expected, adjudicates in labels:
        draft = Draft(
            task_id="t",
            key=key,
            who=who,
            at="2026-02-01T09:00:00+00:00",
            source=source,
            critical_expected=expected,
            adjudicates=adjudicates and source in ("human", "blind_human"),
        )
        before = events[-1].event_id if events else NO_EVENT
        events.append(place(draft, seq=len(events) + 1, previous_hash=before))
    return events


@settings(max_examples=150, deadline=None)
@given(LABELS, st.sets(st.sampled_from(["blind_human", "human", "imported", "prefill"]), min_size=1))
def test_label_states_and_agreement(
    labels: list[tuple[str, str, str, bool | None, bool]], sources: set[str]
) -> None:
    events = chain(labels)
    labels_of_chain = [rater_label(JsonField("", "", event.as_dict())) for event in events]
    state = label_state(events, sources)
    stated = {
        str(row["key"]): (None if math.isnan(row["expected"]) else row["expected"], row["label_source"])
        for row in state.to_dict("records")
    }
    assert label_states(labels_of_chain, sources) == stated
    findings = Findings()
    findings.compare(
        "", "agreement", rater_agreement(events, sources).as_dict(), agreement_of(labels_of_chain, sources)
    )
    assert findings.failed == []


def test_agreement_in_older_dossiers_is_that_of_all_sources_together() -> None:
    said = [(who, f"v{n}", source, n < 2, False) for n in range(4) for who, source in _MAN_AND_NAME]
    labels = [rater_label(JsonField("", "", event.as_dict())) for event in chain(said)]
    sources = [source for _, source in _MAN_AND_NAME]
    assert agreement_of(labels, sources)["kappa"] is None
    assert agreement_of(labels, sources, mixed=True)["kappa"] == 1.0
    assert {"sopilot_dossier_v1", "sopilot_dossier_v2"} == MIXED_SOURCES
    assert VERSION not in MIXED_SOURCES


_MAN_AND_NAME = (("a", "blind_human"), ("prefill", "prefill"))


def test_moments_of_deviations_are_in_the_hash_of_their_label() -> None:
    said: dict[str, Any] = {"task_id": "t", "key": "a", "who": "ann", "at": "2026-02-01T09:00:00+00:00"}
    seen = [{"type": "freeze", "at_s": at_s} for at_s in (0, 12.4, 71.001)]
    draft = Draft.model_validate({**said, "source": "blind_human", "critical_expected": True, "seen": seen})
    event = place(draft, seq=1, previous_hash=NO_EVENT)
    for moved, holds in ((12.4, True), (12.5, False)):
        line = json.dumps(event.as_dict()).replace('"at_s": 12.4', f'"at_s": {moved}')
        findings = Findings()
        check_chain(f"{line}\n".encode(), event.event_id, findings)
        assert (findings.failed == []) is holds


@pytest.mark.parametrize("seed", range(8))
def test_figures_and_shadow_on_random_cases(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 160))
    # few distinct scores, so that ties and values on the edges of bins occur
    score = rng.integers(0, 12, n) * 10.0
    cases = case_frame(
        {
            "case_id": f"c{i:03d}",
            "order": i,
            "video_id": f"v{rng.integers(0, 60)}",
            "gold_id": "g",
            "problem": "unreadable" if rng.random() < 0.05 else "",
            "score": float(score[i]) if rng.random() < 0.97 else math.nan,
            "dtw_normalized_cost": float(rng.integers(0, 5)) / 7,
            "expected": float(rng.choice([0, 1, math.nan], p=[0.6, 0.3, 0.1])),
        }
        for i in range(n)
    )
    clusters = rng.choice(["p1", "p2", "p3", "p4", ""], n)
    outcomes = {
        name: DetectorOutcome(rng.random(n) < 0.4, rng.random(n) < 0.9, rng.integers(0, 9, n) / 8)
        for name in ("a", "b")
    }
    rows = [
        CaseRow(
            texts={
                **{str(name): value for name, value in case.items() if isinstance(value, str)},
                "split": "dev",
                "cluster": clusters[i],
            },
            numbers={
                **{name: None if math.isnan(case[name]) else case[name] for name in CASE_NUMBERS},
                **{f"{name}.score": float(one.score[i]) for name, one in outcomes.items()},
            },
            flags={
                **{f"{name}.detected": bool(one.detected[i]) for name, one in outcomes.items()},
                **{f"{name}.decided": bool(one.decided[i]) for name, one in outcomes.items()},
            },
        )
        for i, case in enumerate(cases.to_dict("records"))
    ]
    findings = Findings()
    findings.compare(
        "", "figures", figures(cases, outcomes["a"], clusters=clusters).document(), figures_of(rows, "a")
    )
    stated = shadow_report(cases, outcomes["a"], outcomes["b"], clusters=np.asarray(clusters, dtype=np.str_))
    findings.compare("", "shadow", stated.document(), shadow_of(rows, "a", "b"))
    assert [(line.what, line.stated, line.found) for line in findings.failed] == []


@pytest.mark.parametrize("threshold", [0.5, 0.95, 1.0])
def test_the_score_of_the_old_detectors_is_rounded_before_it_is_compared(threshold: float) -> None:
    many = [{"case_id": f"c{n}", "order": n, "score": 10.0, "critical": float(n)} for n in range(9)]
    cases = case_frame({**one, "any_critical": one["critical"] > 0} for one in many)
    said = old_outcome(cases, "continuous_v1", threshold=threshold)
    rows = [
        CaseRow(
            texts={"case_id": case["case_id"], "problem": ""},
            numbers={
                **{name: None if math.isnan(case[name]) else case[name] for name in CASE_NUMBERS},
                "any_critical": float(case["any_critical"]),
                "continuous_v1.score": float(said.score[n]),
            },
            flags={
                "continuous_v1.detected": bool(said.detected[n]),
                "continuous_v1.decided": bool(said.decided[n]),
            },
        )
        for n, case in enumerate(cases.to_dict("records"))
    ]
    findings, policy = Findings(), JsonField("policy", "", {"threshold": threshold})
    dossier = {"detectors": ["continuous_v1"], "baseline_detector": "legacy_binary", "readiness": {}}
    with contextlib.suppress(WrongField):  # of the baseline nothing is stated
        check_detections(rows, JsonField("dossier", "", dossier), {"continuous_v1": policy}, findings)
    assert [(line.what, line.found) for line in findings.failed] == []
    assert len(findings.lines) == 1


@pytest.mark.parametrize(
    ("stated", "found", "equal"),
    [
        (1, 1.0, True),
        (0.1234564, 0.123456, True),
        (0.12346, 0.1234, False),
        (None, 0.0, False),
        (True, 1, False),
    ],
)
def test_what_counts_as_equal(stated: object, found: object, equal: bool) -> None:
    assert same(stated, found) is equal
