"""Agreement between raters: the figures of textbooks, intervals that cover, disagreements by name."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.inter_rater import fleiss_kappa

from sopilot_assets.labels.agreement import (
    RaterAgreement,
    agreement,
    disagreements,
    only_settles,
    rater_agreement,
)
from sopilot_assets_tests.labels.made_up import draft
from sopilot_assets_tests.labels.test_state import events


def of_two(yes_yes: int, yes_no: int, no_yes: int, no_no: int) -> RaterAgreement:
    """The agreement of two raters with this table of answers."""
    pairs = [(True, True)] * yes_yes + [(True, False)] * yes_no
    pairs += [(False, True)] * no_yes + [(False, False)] * no_no
    return agreement({str(n): {"a": one, "b": other} for n, (one, other) in enumerate(pairs)})


def test_cohens_kappa_of_a_known_table() -> None:
    # observed .7, expected by chance .5 x .6 + .5 x .4 = .5
    found = of_two(20, 5, 10, 15)
    assert found.statistic == "cohen"
    assert found.observed == pytest.approx(0.7)
    assert found.kappa == pytest.approx(0.4)
    assert found.low == pytest.approx(0.121, abs=0.03)


def test_fleiss_kappa_equals_statsmodels_where_all_rate_all() -> None:
    answers = np.random.default_rng(4).random((40, 4)) < 0.4
    found = agreement(
        {str(n): {str(r): bool(one) for r, one in enumerate(row)} for n, row in enumerate(answers)}
    )
    yes = answers.sum(axis=1)
    assert found.statistic == "fleiss"
    assert found.kappa == pytest.approx(fleiss_kappa(np.stack([yes, 4 - yes], axis=1)))


@pytest.mark.parametrize("raters", [2, 3])
@pytest.mark.parametrize(("n", "share", "error"), [(20, 0.3, 0.02), (60, 0.3, 0.1), (60, 0.1, 0.05)])
def test_the_interval_covers(raters: int, n: int, share: float, error: float) -> None:
    rng = np.random.default_rng(5)
    called = share * (1 - error) + (1 - share) * error
    agree, chance = (1 - error) ** 2 + error**2, called**2 + (1 - called) ** 2
    true = (agree - chance) / (1 - chance)
    covered = []
    for _ in range(100):
        truth = rng.random(n) < share
        said = [np.where(rng.random(n) < error, ~truth, truth) for _ in range(raters)]
        found = agreement({str(i): {str(r): bool(said[r][i]) for r in range(raters)} for i in range(n)})
        if found.low is not None and found.high is not None:
            covered.append(found.low <= true <= found.high)
    assert np.mean(covered) > 0.92


def test_perfect_agreement_on_few_recordings_is_not_certain() -> None:
    few, many = of_two(3, 0, 0, 5), of_two(60, 0, 0, 100)
    assert few.kappa == many.kappa == 1
    assert few.low is not None
    assert many.low is not None
    assert few.low < 0.5
    assert many.low > 0.9


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ({}, "0 recordings"),
        ({"1": {"a": True, "b": None}, "2": {"a": True}}, "0 recordings"),
        ({"1": {"a": True, "b": False}}, "1 recordings"),
        ({str(n): {"a": True, "b": True} for n in range(9)}, "all answers are the same"),
    ],
)
def test_where_nothing_can_be_said_the_reason_is_given(
    answers: dict[str, dict[str, bool | None]], says: str
) -> None:
    found = agreement(answers)
    assert (found.kappa, found.low, found.high) == (None, None, None)
    assert says in found.reason
    assert found.as_dict()["kappa"] is None


def test_labels_that_were_changed_later_do_not_raise_agreement() -> None:
    said = [
        draft(f"job-{n}", who, critical=(n < 5) != (who == "bob" and n % 5 == 0))
        for n in range(10)
        for who in ("ann", "bob")
    ]
    chain = events(*said)
    changed = events(*said, *(draft(f"job-{n}", "bob", critical=n < 5) for n in (0, 5)))
    assert rater_agreement(changed) == rater_agreement(chain)
    assert rater_agreement(chain).observed == pytest.approx(0.8)
    assert disagreements(changed).empty


def test_only_blind_labels_speak_for_agreement_unless_asked() -> None:
    said = [
        draft(f"job-{n}", who, critical=n < 3, source="human") for n in range(6) for who in ("ann", "bob")
    ]
    assert rater_agreement(events(*said)).kappa is None
    assert rater_agreement(events(*said), ["human"]).kappa == 1


def test_disagreements_name_who_says_what_and_how_it_was_settled() -> None:
    said = [
        draft("job-1", "ann", True, note="cup missing"),
        draft("job-1", "bob", False),
        draft("job-1", "cyd", None),
        draft("job-2", "ann", True),
        draft("job-2", "bob", True),
        draft("job-3", "ann", False),
        draft("job-3", "bob", True),
        draft("job-3", "chief", True, adjudicates=True),
    ]
    first, second = disagreements(events(*said)).to_dict("records")
    assert first == {
        "key": "job-1",
        "source": "blind_human",
        "yes": "ann",
        "no": "bob",
        "unsure": "cyd",
        "notes": "ann: cup missing",
        "settled": "",
    }
    assert (second["key"], second["settled"]) == ("job-3", "yes")
    assert disagreements(events()).empty


def test_only_others_answers_to_what_is_open_can_be_meant_to_settle() -> None:
    chain = events(*(draft(key, who, who == "ann") for key in ("job-1", "job-2") for who in ("ann", "bob")))
    both = [draft("job-1", "chief", True), draft("job-2", "chief", False)]
    assert only_settles(both, chain)
    assert not only_settles([*both, draft("job-3", "chief", True)], chain)
    assert not only_settles([draft("job-1", "ann", False)], chain)  # changes her mind
    assert not only_settles([], chain)
    settled = draft("job-1", "chief", True, adjudicates=True)
    said = [draft("job-1", "ann", True), draft("job-1", "bob", False), settled]
    assert not only_settles([draft("job-1", "dee", True)], events(*said))
