"""Which trainee recordings could become golds of their task, and what each would lift."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from sopilot_assets.capture.erasures import video_is_gone
from sopilot_assets.capture.ledgers import ACTIVE, VIDEO_COLUMNS, videos_ledger
from sopilot_assets.capture.registry import Recording, Registry
from sopilot_assets.errors import GoldError
from sopilot_assets.labels.blind import why_not_right
from sopilot_assets.labels.chain import read_chain
from sopilot_assets.labels.events import LabelEvent, Source
from sopilot_assets.labels.state import counting_events
from sopilot_assets.stations.gold_inputs import embedding_models
from sopilot_assets.stations.gold_promotions import decoded_steps
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell, plain_rows
from sopilot_assets.tasks import TaskSpec, load_task
from sopilot_assets.texts.languages import Text

_NO_EMBEDDING = Text("it has no embedding", "解析されていません")


@dataclass(frozen=True, slots=True)
class GoldCandidate:
    """A trainee recording that blind labels call right and that is no gold.

    ``new_person`` says that no gold shows this person, None where nobody said who is seen; ``new_site`` that
    no gold is from there. ``lacks`` is what has to be done before it can be promoted with its decoded steps,
    None where nothing has. ``raters`` are those who labeled it blind.
    """

    recording: Recording
    new_person: bool | None
    new_site: bool
    lacks: Text | None
    raters: tuple[str, ...] = ()

    @property
    def lifts(self) -> Text:
        """What it would add to the golds."""
        one = self.recording
        en, ja = list[str](), list[str]()
        if self.new_person:
            en.append(f"{one.person} is in no gold")
            ja.append(f"{one.person} のお手本はまだありません")
        elif self.new_person is None:
            en.append("nobody said who is seen")
            ja.append("人物が分かりません")
        if self.new_site:
            en.append(f"no gold is from {one.site}")
            ja.append(f"{one.site} のお手本はまだありません")
        return Text("; ".join(en) or "one more gold", "。".join(ja) or "お手本が 1 本増えます")

    def row(self) -> dict[str, Cell]:
        """The candidate as plain values."""
        one = self.recording
        return {
            "key": str(one.key),
            "file": one.original_name,
            "person": one.person,
            "new_person": self.new_person,
            "site": one.site,
            "new_site": self.new_site,
            "lifts": self.lifts.en,
            "lifts_ja": self.lifts.ja,
            "lacks": None if self.lacks is None else self.lacks.en,
            "lacks_ja": None if self.lacks is None else self.lacks.ja,
        }


def gold_candidates(home: Home, task_id: str) -> list[GoldCandidate]:
    """The candidates of a task, and what each lacks to be promoted with its decoded steps, which reads the
    alignment of each.

    Raises `TaskError` where the task cannot be used, `LabelError` where its chain of labels is broken.
    """
    task = load_task(home.tasks / f"{task_id}.yaml")
    golds = Registry.read_golds(home).golds(task_id)
    found = listed_candidates(home, read_chain(home, task_id), golds)
    return [
        one if one.lacks is not None else replace(one, lacks=_lacks(home, task, one.recording))
        for one in found
    ]


def listed_candidates(
    home: Home, events: Sequence[LabelEvent], golds: Sequence[Recording]
) -> list[GoldCandidate]:
    """The candidates of a task with these label events and golds: those first that show somebody whom no gold
    shows, then those from a site that no gold is from, then by key. Of what they lack, only a missing
    video or embedding is said.
    """
    persons, sites = {one.person for one in golds}, {one.site for one in golds}
    right = {key for key, why in why_not_right(events).items() if why is None}
    if not right:
        return []
    raters: dict[str, set[str]] = {}
    for event, _ in counting_events(events, [Source.BLIND_HUMAN]):
        raters.setdefault(event.key, set()).add(event.who)
    models = embedding_models(home)
    found = [
        GoldCandidate(
            one,
            new_person=None if one.person is None else one.person not in persons,
            new_site=one.site not in sites,
            lacks=video_is_gone(home, key) or (_NO_EMBEDDING if models.get(key) is None else None),
            raters=tuple(sorted(raters[key])),
        )
        for key, one in _active_trainees(home, right - {str(one.key) for one in golds}).items()
    ]
    return sorted(found, key=lambda one: (not one.new_person, not one.new_site, one.recording.key))


def _active_trainees(home: Home, keys: Collection[str]) -> dict[str, Recording]:
    """Those of the recordings that are trainees' and count, by key."""
    rows = videos_ledger(home).query(
        f"select {', '.join(VIDEO_COLUMNS)} from latest where role = 'trainee' and status = '{ACTIVE}' "  # noqa: S608 - constants
        "and key in (select key from asked)",
        asked=pd.DataFrame({"key": sorted(keys)}, dtype="string"),
    )
    return {str(row["key"]): Recording.of(row) for row in plain_rows(rows)}


def candidate_rows(candidates: Sequence[GoldCandidate]) -> list[dict[str, Cell]]:
    """The candidates as rows of a table."""
    return [one.row() for one in candidates]


def _lacks(home: Home, task: TaskSpec, recording: Recording) -> Text | None:
    """Why its decoded steps cannot be confirmed; None where they can."""
    try:
        decoded_steps(home, task, recording)
    except GoldError as error:
        return Text(str(error), error.ja or str(error))
    return None
