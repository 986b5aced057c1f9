"""What one more gold would lift, in numbers that need no computing: whom and where the golds show, and how
many recordings are left to a person there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import pandas as pd

from sopilot_assets.capture.ledgers import ACTIVE, videos_ledger
from sopilot_assets.capture.registry import Recording
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.scoring.result import Decision
from sopilot_assets.stations.gold_candidates import GoldCandidate
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import plain_rows, query_together
from sopilot_assets.texts.languages import Text

LEFT: tuple[Decision, ...] = (Decision.NEEDS_REVIEW, Decision.NOT_VERIFIABLE)
"""The decisions that leave a recording to a person."""


@dataclass(frozen=True, slots=True)
class LeftToPerson:
    """How many trainee recordings that show the task are left to a person, of how many that are judged."""

    left: int = 0
    judged: int = 0

    def __add__(self, other: LeftToPerson) -> LeftToPerson:
        return LeftToPerson(self.left + other.left, self.judged + other.judged)


@dataclass(frozen=True, slots=True)
class GoldsNow:
    """What the golds of a task show now: how many there are, whom and where; and what is left to people, by
    site.
    """

    golds: int
    persons: Collection[str] = frozenset()
    sites: Collection[str] = frozenset()
    left: Mapping[str, LeftToPerson] = field(default_factory=dict)

    @property
    def everywhere(self) -> LeftToPerson:
        """What is left of all recordings."""
        return sum(self.left.values(), LeftToPerson())

    @property
    def where_golds_are_from(self) -> LeftToPerson:
        """What is left of the recordings of sites with golds."""
        return sum((its for site, its in self.left.items() if site in self.sites), LeftToPerson())


def golds_now(home: Home, golds: Mapping[str, Iterable[Recording]]) -> dict[str, GoldsNow]:
    """What these golds show, by task, and what is left to people in the tasks' recordings."""
    left = _left(home)
    return {task_id: _of(list(its), left.get(task_id, {})) for task_id, its in golds.items()}


def _of(golds: list[Recording], left: Mapping[str, LeftToPerson]) -> GoldsNow:
    return GoldsNow(
        len(golds),
        frozenset(one.person for one in golds if one.person is not None),
        frozenset(one.site for one in golds),
        left,
    )


def lifts(now: GoldsNow, candidate: GoldCandidate) -> tuple[Text, ...]:
    """What a candidate would add to the golds of now, a sentence each: the person, the place."""
    return (_of_person(now, candidate), _of_site(now, candidate))


def _of_person(now: GoldsNow, candidate: GoldCandidate) -> Text:
    person, people = candidate.recording.person, len(now.persons)
    if candidate.new_person is None:
        return Text(
            "Nobody said who is seen: it shows the work of no further person.",
            "映っている人が登録されていないため、お手本の人数は増えません。",
        )
    if not candidate.new_person:
        return Text(
            f"{person} is in a gold already; the golds show {_people(people)}.",
            f"{person} のお手本はすでにあります（お手本の作業者は {people} 人）。",
        )
    return Text(
        f"{person} is in no gold: the golds show {_people(people)} now, and {people + 1} with it.",
        f"{person} のお手本はまだありません。お手本の作業者が {people} 人から {people + 1} 人に増えます。",
    )


def _of_site(now: GoldsNow, candidate: GoldCandidate) -> Text:
    site = candidate.recording.site
    here, there = now.left.get(site, LeftToPerson()), now.where_golds_are_from
    en = f"{here.left} of {here.judged} recordings from {site} are left to a person"
    ja = f"{site} の録画 {here.judged} 件のうち {here.left} 件が人の確認待ちです"
    if not candidate.new_site:
        return Text(f"{en}.", f"{ja}。")
    if not there.judged:
        return Text(f"No gold is from {site}: {en}.", f"{site} のお手本はまだありません。{ja}。")
    return Text(
        f"No gold is from {site}: {en}, {there.left} of {there.judged} where golds are from.",
        f"{site} のお手本はまだありません。{ja}"
        f"（お手本がある拠点では {there.judged} 件のうち {there.left} 件）。",
    )


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"


def _left(home: Home) -> dict[str, dict[str, LeftToPerson]]:
    """What is left to people by task and site: of recordings that count and show the task, as decided shares
    count it.
    """
    rows = query_together(
        {"scores": scores_ledger(home), "videos": videos_ledger(home)},
        _LEFT,
        leaving=pd.DataFrame({"decision": [one.value for one in LEFT]}, dtype="string"),
    )
    found: dict[str, dict[str, LeftToPerson]] = {}
    for row in plain_rows(rows):
        its = LeftToPerson(int(row["waits"] or 0), int(row["judged"] or 0))
        found.setdefault(str(row["task_id"]), {})[str(row["site"])] = its
    return found


_LEFT: Final = f"""
select videos.task_id, videos.site, count(*) as judged,
    count(*) filter (where decision in (select decision from leaving)) as waits
from videos join scores using (key)
where videos.status = '{ACTIVE}' and scores.role = 'trainee' and problem is null
    and shows_task is distinct from false
group by videos.task_id, videos.site
"""  # noqa: S608 - constants of ours
