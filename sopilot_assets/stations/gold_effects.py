"""What promoting recordings, or taking them back, did to the decisions of a task: the same recordings before
and after, from the rows of scores that were kept.

Only recordings that were judged as trainees' both times are compared, so that neither the new golds nor what
came in later moves a figure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from sopilot_assets.capture.promotions import PromotionChange, PromotionEvent
from sopilot_assets.intervals import ClusteredInterval, clustered
from sopilot_assets.labels.audit import drawn
from sopilot_assets.labels.events import LabelEvent, Source
from sopilot_assets.labels.state import label_state
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.scoring.limits import GOLDS
from sopilot_assets.scoring.result import Decision
from sopilot_assets.settings import AuditSettings
from sopilot_assets.stations.gold_history import ReferenceMade
from sopilot_assets.store.home import Home
from sopilot_assets.studies.audit import DECIDED

FEW_PEOPLE: Final = 20
"""With fewer people a difference is a hint: an interval over them is wide, whatever they did."""


@dataclass(frozen=True, slots=True)
class DecisionShares:
    """The recordings compared as they were decided at one time.

    ``decided`` is the share decided without a person. Of the ``passes``, ``missed`` is the share that raters
    call critical among those that chance picked for the audit and that have a blind answer.
    """

    decided: ClusteredInterval
    decided_count: int
    passes: int
    missed: ClusteredInterval
    missed_count: int

    @property
    def left(self) -> int:
        """How many are left to a person."""
        return self.decided.n - self.decided_count


@dataclass(frozen=True, slots=True)
class GoldEffect:
    """Promotions and demotions after which one reference was made, and the recordings judged by it.

    ``newly_decided`` are those left to a person before and decided now, ``newly_left`` the other way round.
    ``waiting`` are recordings that this reference has not judged yet. ``also`` names what else changed
    between the two times: ``algorithm``, ``task_fingerprint``, ``decided_by``.
    """

    changes: tuple[PromotionEvent, ...]
    reference: ReferenceMade
    before: DecisionShares
    after: DecisionShares
    newly_decided: int
    newly_left: int
    waiting: int
    also: tuple[str, ...]

    @property
    def people(self) -> int:
        """How many people are seen in the recordings compared."""
        return self.after.decided.clusters

    @property
    def few(self) -> bool:
        """Whether so few people say little."""
        return self.people < FEW_PEOPLE


@dataclass(frozen=True, slots=True)
class GoldRound:
    """Changes of golds that went into one reference; None as long as none was made of them."""

    changes: tuple[PromotionEvent, ...]
    reference: ReferenceMade | None


def gold_rounds(
    promotions: Sequence[PromotionEvent], references: Sequence[ReferenceMade]
) -> tuple[GoldRound, ...]:
    """The changes of a task's golds by the reference that was made of them, the newest first.

    Of changes that nothing was made of yet, those that take each other back are left out.
    """
    by_reference: dict[ReferenceMade | None, list[PromotionEvent]] = {}
    for event in promotions:
        by_reference.setdefault(_made_of(event, references), []).append(event)
    waiting = by_reference.pop(None, [])
    rounds = [GoldRound(tuple(events), made) for made, events in by_reference.items()]
    if left := _not_taken_back(waiting):
        rounds.append(GoldRound(left, None))
    return tuple(reversed(rounds))


def _made_of(event: PromotionEvent, references: Sequence[ReferenceMade]) -> ReferenceMade | None:
    """The first reference after an event that shows it; without one, the first after it."""
    later = [one for one in references if one.at >= event.at]
    wanted = event.change is PromotionChange.PROMOTE
    shows = (one for one in later if (event.key in one.promoted) is wanted)
    return next(shows, later[0] if later else None)


def _not_taken_back(events: Sequence[PromotionEvent]) -> tuple[PromotionEvent, ...]:
    changes: dict[str, set[PromotionChange]] = {}
    for event in events:
        changes.setdefault(event.key, set()).add(event.change)
    return tuple(event for event in events if len(changes[event.key]) == 1)


def gold_effect(
    home: Home,
    one: GoldRound,
    labels: Sequence[LabelEvent],
    audit: AuditSettings,
    *,
    active: Collection[str],
) -> GoldEffect | None:
    """What a round of changes did to the recordings of its task; None as long as no reference was made.

    ``labels`` are the events of the task's chain, ``active`` the keys of its recordings that count.
    """
    if one.reference is None:
        return None
    rows = _rows(home, one, one.reference)
    rows = rows[rows["key"].isin(list(active))]
    there = rows[rows["decision_after"].notna()]
    shown = ~(there["off_before"] | there["off_after"])
    pairs = there[shown & (there["role_after"] == "trainee")]
    blind = label_state(labels, [Source.BLIND_HUMAN])
    said = dict(zip(blind["key"], blind["expected"], strict=True))
    known = pairs["key"].map(said).notna()
    picked = drawn(pairs["key"][known], audit)
    decided = {when: pairs[f"decision_{when}"].isin(_DECIDED) for when in ("before", "after")}
    return GoldEffect(
        one.changes,
        one.reference,
        before=_shares(pairs, "before", picked, said),
        after=_shares(pairs, "after", picked, said),
        newly_decided=int((decided["after"] & ~decided["before"]).sum()),
        newly_left=int((decided["before"] & ~decided["after"]).sum()),
        waiting=int(rows["decision_after"].isna().sum()),
        also=tuple(_also(pairs)),
    )


_DECIDED: Final = [one.value for one in DECIDED]
_TWICE: Final = ("decision", "role", "algorithm", "task_fingerprint", "decided_by")
_OFF: Final = "problem is not null or shows_task is not distinct from false as off"
_PAIRS: Final = f"""
with before as (
    select key, coalesce(person, '') as person, {", ".join(_TWICE)}, {_OFF} from written, cut
    where task_id = cut.its_task and written_at < cut.began
    qualify row_number() over (partition by key order by written_at desc, run_id desc, row_id) = 1
), after as (
    select key, {", ".join(_TWICE)}, {_OFF} from written, cut
    where task_id = cut.its_task and written_at >= cut.began and reference_id = cut.its_reference
    qualify row_number() over (partition by key order by written_at, run_id, row_id) = 1
) select before.key, before.person, before.off as off_before, coalesce(after.off, false) as off_after,
    {", ".join(f"before.{name} as {name}_before, after.{name} as {name}_after" for name in _TWICE)}
from before left join after using (key) where before.role = 'trainee' order by key
"""  # noqa: S608 - constants of ours


def _rows(home: Home, one: GoldRound, reference: ReferenceMade) -> pd.DataFrame:
    """The newest row of each trainee recording before the changes, beside its first one by the reference."""
    cut = {
        "its_task": [one.changes[0].task_id],
        "began": [one.changes[0].at],
        "its_reference": [reference.reference_id],
    }
    return scores_ledger(home).query(
        f"select * from ({_PAIRS.strip()})",  # noqa: S608 - constants of ours
        cut=pd.DataFrame(cut, dtype="string"),
    )


def _shares(
    pairs: pd.DataFrame, when: str, picked: Collection[str], said: Mapping[str, float]
) -> DecisionShares:
    decision = pairs[f"decision_{when}"]
    decided, passes = decision.isin(_DECIDED), decision == Decision.PASS.value
    answers = pairs["key"].map(said)
    audited = pairs["key"].isin(list(picked)) & passes & answers.notna()
    wrong = answers[audited] == 1
    return DecisionShares(
        decided=clustered(decided, pairs["person"]),
        decided_count=int(decided.sum()),
        passes=int(passes.sum()),
        missed=clustered(wrong, pairs["person"][audited]),
        missed_count=int(wrong.sum()),
    )


def _also(pairs: pd.DataFrame) -> Iterator[str]:
    for name in ("algorithm", "task_fingerprint", "decided_by"):
        unknown = GOLDS if name == "decided_by" else ""
        before, after = (pairs[f"{name}_{when}"].fillna(unknown) for when in ("before", "after"))
        if (before != after).any():
            yield name
