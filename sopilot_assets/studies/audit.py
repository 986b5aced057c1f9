"""How often recordings that passed are critical all the same, from those that chance picked for blind labels.

Only picked ones count. What people label because they doubt it, or because a plan asks for it, holds other
shares of critical ones, and would tell something else (verification bias: C. Begg, R. Greenes, Biometrics 39,
1983). Intervals are clustered by person (`intervals.clustered`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import pandas as pd

from sopilot_assets.intervals import clustered
from sopilot_assets.labels.audit import drawn
from sopilot_assets.scoring.result import Decision
from sopilot_assets.settings import AuditSettings
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.studies.plan_needs import BLIND
from sopilot_assets.studies.planning import COLUMNS, LABEL, RELABEL_BLIND

EVER: Final = "all"
WEEKS_SHOWN: Final = 8
DECIDED: Final = (Decision.PASS, Decision.FAIL, Decision.RETRAIN)
_DIGITS: Final = 4
_REASON: Final = "picked by chance for the audit, whatever was decided"


def audit_rows(
    passed_at: Mapping[str, str],
    persons: Mapping[str, str | None],
    blind: pd.DataFrame,
    audit: AuditSettings,
) -> list[dict[str, Cell]]:
    """What the audit says of passes, first of all of them, then of the last weeks by ISO week, newest first;
    empty where nothing passed.

    ``passed_at`` (see `first_passes`) and ``persons`` are by key; a recording counts in the week in which it
    passed first, whatever became of its decision. ``blind`` is the state of the task's blind labels
    (`label_state`): what raters disagree on has no answer yet.
    """
    said = dict(zip(blind["key"], blind["expected"], strict=True))
    picked = drawn(passed_at, audit)
    table = pd.DataFrame(
        [
            (key, _week(at), key in picked, said.get(key, float("nan")), persons.get(key) or "")
            for key, at in sorted(passed_at.items())
        ],
        columns=["key", "week", "picked", "expected", "person"],
    )
    if table.empty:
        return []
    weeks = sorted(set(table["week"]), reverse=True)[:WEEKS_SHOWN]
    parts = [(EVER, table), *((week, table[table["week"] == week]) for week in weeks)]
    return [{"week": name, **_rate(rows)} for name, rows in parts]


def _rate(rows: pd.DataFrame) -> dict[str, Cell]:
    audited = rows[rows["picked"] & rows["expected"].notna()]
    found = clustered(audited["expected"] == 1, audited["person"])
    rates = {"miss_rate": found.point, "low": found.low, "high": found.high}
    return {
        "passes": len(rows),
        "picked": int(rows["picked"].sum()),
        "audited": len(audited),
        "people": found.clusters,
        "missed": int((audited["expected"] == 1).sum()),
        **{name: None if value is None else round(value, _DIGITS) for name, value in rates.items()},
    }


def _week(at: str) -> str:
    year, week, _ = datetime.fromisoformat(at).isocalendar()
    return f"{year}-W{week:02d}"


def decided_share(scores: pd.DataFrame) -> float | None:
    """The share of rows of the ledger of scores that are decided without a person, of all that show the task;
    None where there are none. What could not be scored at all, and other work, count in neither.
    """
    shown = scores[scores["problem"].isna() & ~scores["shows_task"].isin([False])]
    if shown.empty:
        return None
    return round(float(shown["decision"].isin([one.value for one in DECIDED]).mean()), _DIGITS)


def plan_with_audit(plan: pd.DataFrame, cases: pd.DataFrame, audit: AuditSettings) -> pd.DataFrame:
    """The rows of a labeling plan (`planning.COLUMNS`) with all cases that chance picked and nobody labeled
    blind: marked where the plan has them, else after its last row.
    """
    picked = drawn(cases["case_id"], audit)
    asked = set(plan["case_id"])
    reasons = [
        f"{reason}; {_REASON}" if case in picked else reason
        for case, reason in zip(plan["case_id"], plan["reason"], strict=True)
    ]
    missing = cases[cases["case_id"].isin(picked - asked) & (cases["label_source"] != BLIND)]
    own = ("case_id", "video_id", "original_name", "person", "site", "label_source")
    more = [
        {
            "rank": len(plan) + place,
            "action": LABEL if pd.isna(case["expected"]) else RELABEL_BLIND,
            **{name: case[name] for name in own},
            "gain": 0.0,
            "unlocks": "",
            "reason": _REASON,
        }
        for place, (_, case) in enumerate(missing.iterrows(), start=1)
    ]
    marked = plan.assign(reason=reasons)
    if not more:
        return marked
    return pd.DataFrame([*marked.to_dict("records"), *more], columns=list(COLUMNS))
