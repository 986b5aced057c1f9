"""What to label next, ordered by what it does for the gate that a study does not pass yet.

What is labeled for a gate must not be chosen by what the detector says: positives that it overlooks would
then be the ones that nobody labels, and its miss rate would come out too low (verification bias: C. Begg,
R. Greenes, Biometrics 39, 1983). So a plan asks for people and classes that lack labels, and where recordings
do as much, their order is arbitrary, but always the same. It tells raters nothing of the findings either.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from sopilot_assets.errors import StudyError
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.studies.gates import CheckResult, GateReport
from sopilot_assets.studies.plan_needs import (
    BLIND,
    BLIND_LABELS,
    SECOND_RATINGS,
    Needs,
    advice_for,
    lacking_for,
    needs_of,
    shortfall,
)

Numbers = npt.NDArray[np.float64]

ADJUDICATE: Final = "adjudicate"
LABEL: Final = "label"
RELABEL_BLIND: Final = "relabel_blind"
SECOND_RATER: Final = "second_rater"
ACTIONS: Final = (ADJUDICATE, LABEL, RELABEL_BLIND, SECOND_RATER)
"""What can be asked of a person, the first one first where all else is equal: where raters disagree, two
people's work is worth nothing until a third decides."""

COLUMNS: Final = (
    "rank",
    "action",
    "case_id",
    "video_id",
    "original_name",
    "person",
    "site",
    "label_source",
    "gain",
    "unlocks",
    "reason",
)
FORECAST_COLUMNS: Final = ("check", "needed", "unit", "expected", "met_at_rank", "advice")
GROUP_COLUMNS: Final = ("dimension", "name", "positives", "negatives", "unlabelled")


@dataclass(frozen=True, slots=True)
class LabelingPlan:
    """What to label next.

    ``rows`` (`COLUMNS`) are in the order to do them. ``gain`` is the share of what the failed checks lack
    that a row is expected to bring, summed over the checks that ``unlocks`` names. ``forecast``
    (`FORECAST_COLUMNS`) says for every failed check how much the plan is expected to bring, by which rank
    that is enough (NaN: never), and what else helps. ``groups`` (`GROUP_COLUMNS`) counts labels by site and
    person, fewest positives first.
    """

    rows: pd.DataFrame
    forecast: pd.DataFrame
    groups: pd.DataFrame


def labeling_plan(
    cases: pd.DataFrame,
    report: GateReport,
    *,
    clusters: npt.ArrayLike,
    raters: Mapping[str, int],
    disputed: Collection[str],
    most: int = 200,
) -> LabelingPlan:
    """The next ``most`` things to label, chosen one by one, each for the largest gain given those before it.

    ``clusters`` (n,) are the groups that belong together (`person_groups`), ``raters`` how many people
    labeled each case id, ``disputed`` the case ids on which they disagree. Every unlabeled case is taken to
    be critical as often as the labeled ones are. The same input gives the same plan. Raises `StudyError`
    when shapes disagree.
    """
    names = np.asarray(clusters, dtype=object)
    if len(names) != len(cases):
        raise StudyError(f"labeling plan: expected clusters for {len(cases)} cases, found {len(names)}.")
    needs = needs_of(report, cases, raters)
    pool = _pool(cases, names, needs, raters=raters, disputed=disputed)
    chosen = _choose(pool, needs, most=most)
    rows = pd.DataFrame.from_records(
        [_row(cases, pool, pick, rank) for rank, pick in enumerate(chosen.picks, start=1)],
        columns=list(COLUMNS),
    )
    forecast = pd.DataFrame.from_records(
        [_forecast(check, needs, chosen) for check in report.failed()], columns=list(FORECAST_COLUMNS)
    )
    return LabelingPlan(rows, forecast, _groups(cases))


@dataclass(frozen=True, slots=True, eq=False)
class _Pool:
    """Everything that could be asked for: a row each for a case and an action."""

    case: npt.NDArray[np.int64]
    action: npt.NDArray[np.int64]
    share: float  # of critical ones among the labeled: how likely a new label is positive
    lot: Numbers  # the lowest comes first where all else is equal
    counts: npt.NDArray[np.bool_]  # whether its label would enter rates
    cluster: npt.NDArray[np.int64]
    no_positive: Numbers  # by cluster: chance that it holds no labeled positive
    no_negative: Numbers
    critical: npt.NDArray[np.bool_]  # its known class


@dataclass(frozen=True, slots=True)
class _Pick:
    place: int
    gain: float
    unlocks: tuple[str, ...]


@dataclass(slots=True)
class _Chosen:
    picks: list[_Pick] = field(default_factory=list)
    brought: dict[str, float] = field(default_factory=dict)
    met_at: dict[str, dict[float, int]] = field(default_factory=dict)
    """By unit, the rank that brought it to each amount."""
    cut: bool = False
    """Whether there was more to choose from."""


def _pool(
    cases: pd.DataFrame,
    names: npt.NDArray[np.object_],
    needs: Needs,
    *,
    raters: Mapping[str, int],
    disputed: Collection[str],
) -> _Pool:
    ids = [str(case_id) for case_id in cases["case_id"]]
    expected = cases["expected"].to_numpy()
    labeled = ~np.isnan(expected)
    in_dispute = np.isin(np.array(ids, dtype=object), list(disputed))
    sound = (cases["problem"] == "").to_numpy(dtype=bool)
    one_rater = np.array([raters.get(case_id, 0) < 2 for case_id in ids], dtype=bool)
    possible = {
        ADJUDICATE: in_dispute,
        LABEL: ~labeled & ~in_dispute,
        RELABEL_BLIND: labeled & ~in_dispute & (cases["label_source"] != BLIND).to_numpy(dtype=bool),
        SECOND_RATER: labeled & ~in_dispute & one_rater,
    }
    wanted = {RELABEL_BLIND: BLIND_LABELS, SECOND_RATER: SECOND_RATINGS}
    pairs = [
        (place, ACTIONS.index(action))
        for action, flags in possible.items()
        if action not in wanted or wanted[action] in needs.lacking
        for place in np.flatnonzero(flags)
    ]
    case = np.array([place for place, _ in pairs], dtype=np.int64)
    _, member = np.unique(names.astype(str), return_inverse=True)
    clusters = int(member.max()) + 1 if len(member) else 0
    known = labeled & sound & ~in_dispute
    positive, negative = expected == 1, expected == 0
    lots = [int.from_bytes(hashlib.sha256(case_id.encode()).digest()[:6]) for case_id in ids]
    return _Pool(
        case=case,
        action=np.array([action for _, action in pairs], dtype=np.int64),
        # one of each class before any is known
        share=(float(positive.sum()) + 1.0) / (float(labeled.sum()) + 2.0),
        lot=np.array(lots, dtype=np.float64)[case],
        counts=sound[case],
        cluster=member[case].astype(np.int64),
        no_positive=_without(member[known & positive], clusters),
        no_negative=_without(member[known & negative], clusters),
        critical=positive[case],
    )


def _without(members: npt.NDArray[np.intp], clusters: int) -> Numbers:
    empty: Numbers = (np.bincount(members, minlength=clusters) == 0).astype(np.float64)
    return empty


def _choose(pool: _Pool, needs: Needs, *, most: int) -> _Chosen:
    chosen = _Chosen(
        brought=dict.fromkeys(needs.lacking, 0.0),
        met_at={unit: {} for unit in needs.lacking},
        cut=most < len(pool.case),
    )
    no_positive, no_negative = pool.no_positive.copy(), pool.no_negative.copy()
    left = np.ones(len(pool.case), dtype=bool)
    new_label = pool.action <= ACTIONS.index(LABEL)
    double = {True: 0, False: 0}
    checks_of = {
        unit: [check for check, one in needs.unit_of.items() if one == unit] for unit in needs.lacking
    }
    for rank in range(1, min(most, len(pool.case)) + 1):
        brings = _brings(pool, new_label, no_positive, no_negative)
        rarer = double[True] <= double[False]
        brings[SECOND_RATINGS] = brings[SECOND_RATINGS] * np.where(pool.critical == rarer, 1.0, 0.5)
        gain = np.zeros(len(pool.case))
        for unit, lacking in needs.lacking.items():
            if chosen.brought[unit] < lacking:
                gain += len(checks_of[unit]) * brings[unit] / lacking
        # ties: the action first asked for, then the lot, then the cases' order
        order = np.lexsort((pool.case, pool.lot, pool.action, -gain.round(9), ~left))
        place = int(order[0])
        unlocked = [
            unit
            for unit, lacking in needs.lacking.items()
            if chosen.brought[unit] < lacking and brings[unit][place] > 0
        ]
        unlocks = [check for unit in unlocked for check in checks_of[unit]]
        chosen.picks.append(_Pick(place, round(float(gain[place]), 6), tuple(sorted(unlocks))))
        left[place] = False
        for unit in needs.lacking:
            amount = 1.0 if unit == SECOND_RATINGS and brings[unit][place] else float(brings[unit][place])
            chosen.brought[unit] += amount
            chosen.met_at[unit].setdefault(chosen.brought[unit], rank)
        if new_label[place] and pool.counts[place]:
            no_positive[pool.cluster[place]] *= 1.0 - pool.share
            no_negative[pool.cluster[place]] *= pool.share
        if ACTIONS[pool.action[place]] == SECOND_RATER:
            double[bool(pool.critical[place])] += 1
    return chosen


def _brings(
    pool: _Pool, new_label: npt.NDArray[np.bool_], no_positive: Numbers, no_negative: Numbers
) -> dict[str, Numbers]:
    """How much of each unit every row of the pool is expected to bring, (m,) each."""
    label = new_label.astype(np.float64)
    enters = label * pool.counts
    positives, negatives = enters * pool.share, enters * (1.0 - pool.share)
    return {
        "positives": positives,
        "negatives": negatives,
        "independent positives": positives * no_positive[pool.cluster],
        "independent negatives": negatives * no_negative[pool.cluster],
        "labelled recordings": label,
        "label rows": label,
        BLIND_LABELS: (pool.action == ACTIONS.index(RELABEL_BLIND)).astype(np.float64),
        SECOND_RATINGS: (pool.action == ACTIONS.index(SECOND_RATER)).astype(np.float64),
    }


def _row(cases: pd.DataFrame, pool: _Pool, pick: _Pick, rank: int) -> dict[str, Cell]:
    case = cases.iloc[int(pool.case[pick.place])]
    action = ACTIONS[pool.action[pick.place]]
    new_person = bool(
        pool.no_positive[pool.cluster[pick.place]] and pool.action[pick.place] <= ACTIONS.index(LABEL)
    )
    return {
        "rank": rank,
        "action": action,
        **{name: case[name] for name in ("case_id", "video_id", "original_name", "person", "site")},
        "label_source": case["label_source"],
        "gain": pick.gain,
        "unlocks": ",".join(pick.unlocks),
        "reason": _reason(action, case, new_person=new_person, useful=bool(pick.unlocks)),
    }


def _reason(action: str, case: pd.Series, *, new_person: bool, useful: bool) -> str:
    if action == ADJUDICATE:
        return "raters disagree: nobody's label counts until one person decides"
    if action == RELABEL_BLIND:
        source = case["label_source"] or "an unknown source"
        return f"its label is from {source}: label it again without seeing the findings"
    if action == SECOND_RATER:
        return "one rater so far: a second one shows whether raters agree"
    if case["problem"]:
        return "no label yet; it could not be scored, so its label counts for coverage only"
    if not useful:
        return "no label yet; no failed check needs it"
    return "no label yet; nobody of its group has a labelled positive yet" if new_person else "no label yet"


def _forecast(check: CheckResult, needs: Needs, chosen: _Chosen) -> dict[str, Cell]:
    unit = needs.unit_of.get(check.name)
    if unit is None:
        needed = check.needed
        return {
            "check": check.name,
            "needed": np.nan if needed is None or needed.count is None else float(needed.count),
            "unit": "" if needed is None else needed.unit,
            "expected": np.nan,
            "met_at_rank": np.nan,
            "advice": advice_for(check),
        }
    lacking = lacking_for(check, needs)
    ranks = [rank for amount, rank in chosen.met_at[unit].items() if amount >= lacking - 1e-9]
    expected = chosen.brought[unit]
    advice = "" if ranks else shortfall(unit, lacking - expected, cut=chosen.cut)
    return {
        "check": check.name,
        "needed": lacking,
        "unit": unit,
        "expected": round(expected, 2),
        "met_at_rank": float(min(ranks)) if ranks else np.nan,
        "advice": advice,
    }


def _groups(cases: pd.DataFrame) -> pd.DataFrame:
    """Labels by site and by person, fewest positives first."""
    expected = cases["expected"]
    counts = pd.DataFrame(
        {"positives": expected == 1, "negatives": expected == 0, "unlabelled": expected.isna()}
    )
    tables = []
    for dimension in ("site", "person"):
        name = cases[dimension].where(cases[dimension] != "", "unknown")
        table = counts.assign(name=name).groupby("name", as_index=False).sum()
        tables.append(table.assign(dimension=dimension).sort_values(["positives", "negatives", "name"]))
    return pd.concat(tables, ignore_index=True)[list(GROUP_COLUMNS)]
