"""Which adopted policy decides now, and what is gone where one does not any more."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from sopilot_assets.at_first_use import at_first_use
from sopilot_assets.capture.ledgers import videos_ledger
from sopilot_assets.capture.registry import Registry
from sopilot_assets.old_rules.drift import MIN_WINDOW
from sopilot_assets.reference.ledger import reference_rows
from sopilot_assets.scoring.ledger import algorithm_version, scores_ledger
from sopilot_assets.scoring.limits import DecisionLimits, golds_limits, policy_source
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.studies.adoptions import (
    LAPSED_BY,
    AdoptionEvent,
    AdoptionHappening,
    adoptions,
    ended,
    last_adoption,
)
from sopilot_assets.tasks import TaskSpec
from sopilot_assets.texts.languages import Text

if TYPE_CHECKING:
    from sopilot_assets.studies.drift import FixedBinDrift

with at_first_use():
    from sopilot_assets.studies import drift

_CONDITIONS: Final = ("task_id", "algorithm", "model_id", "task_fingerprint")


@dataclass(frozen=True, slots=True)
class PolicyStanding:
    """The last word on a task's policy; ``gone`` are the conditions that do not hold any more.

    ``reference_id`` is the task's reference of now, None where there is none.
    """

    said: AdoptionEvent
    gone: tuple[Text, ...]
    reference_id: str | None

    @property
    def decides(self) -> bool:
        """Whether the policy sets the limits now."""
        return self.said.happened is AdoptionHappening.ADOPTED and not self.gone

    @property
    def other_reference(self) -> str:
        """What `of_other_golds` says in English; empty where there is nothing to say."""
        told = self.of_other_golds
        return "" if told is None else told.en

    @property
    def of_other_golds(self) -> Text | None:
        """That the golds are others than those by which the study's recordings were scored; None where they
        are not, or where that was not kept.

        Such a policy goes on deciding, since otherwise every promoted gold would end it. But nobody has
        measured what its dossier says of the probabilities by the golds of now.
        """
        then, now = self.said.reference_id, self.reference_id
        if None in (then, now) or then == now:
            return None
        return Text(
            f"its study was scored by the reference {then}, and recordings are now by {now}: what its "
            "dossier says was not measured with these golds",
            f"検証のときとお手本の組が違います（当時 {then}、現在 {now}）。証拠書類の数値は、今のお手本では"
            "測られていません",
        )

    @property
    def lost(self) -> tuple[str, ...]:
        """The same as `ended_by` in English."""
        return tuple(one.en for one in self.ended_by)

    @property
    def ended_by(self) -> tuple[Text, ...]:
        """Why the policy does not decide although nobody took it back; empty where it does."""
        if self.said.happened is not AdoptionHappening.LAPSED:
            return self.gone
        why = self.said.reason
        return (Text(why, f"録画の傾向が採用前と変わったため、自動的に終了しました（{why}）"),)


def adopted_limits(home: Home, task: TaskSpec, *, model_id: str | None) -> DecisionLimits | None:
    """The limits by the policy that decides for a task; None where the golds' own rule does.

    ``model_id`` is that of the task's current reference. The policy's threshold says from where on a person
    has to look: below it the study found few enough misses. From where on a recording fails stays with what
    the task accepts, and no policy lets pass what would fail.
    """
    standing = policy_standing(home, task, model_id=model_id, reference_id=None)
    if standing is None or not standing.decides:
        return None
    fail = golds_limits(task).fail
    return DecisionLimits(fail, min(standing.said.review, fail), policy_source(standing.said.policy_id))


def policy_standing(
    home: Home, task: TaskSpec | None, *, model_id: str | None, reference_id: str | None
) -> PolicyStanding | None:
    """Where the policy of a task stands; None where none was ever adopted, or the last one was taken back."""
    said = None if task is None else last_adoption(home, task.task_id)
    if said is None or task is None or said.happened is AdoptionHappening.WITHDRAWN:
        return None
    return PolicyStanding(said, tuple(_gone(said, task, model_id)), reference_id)


def standings(home: Home, tasks: Mapping[str, TaskSpec]) -> dict[str, PolicyStanding]:
    """The standing of each task's policy, by task; tasks without one are left out."""
    with_events = [name for name in adoptions(home).tasks() if name in tasks]
    references = reference_rows(home) if with_events else {}
    found = {
        name: policy_standing(
            home,
            tasks[name],
            model_id=_of(references.get(name), "model_id"),
            reference_id=_of(references.get(name), "reference_id"),
        )
        for name in with_events
    }
    return {name: standing for name, standing in found.items() if standing is not None}


def deciding_policies(home: Home, tasks: Mapping[str, TaskSpec]) -> dict[str, str]:
    """The source of the limits by task, where a policy decides."""
    found = standings(home, tasks).items()
    return {name: policy_source(one.said.policy_id) for name, one in found if one.decides}


def lapse_drifting(home: Home, *, run_id: str, written_at: str) -> list[str]:
    """End the adoptions since which recordings drifted, and say which: later ones differ from those before it
    in their critical probability. To be called before anything is judged: one run judges all in one way.
    """
    lapsed = []
    for task_id in adoptions(home).tasks():
        said = last_adoption(home, task_id)
        if said is None or said.happened is not AdoptionHappening.ADOPTED:
            continue
        found = drift_since(home, said, now=datetime.fromisoformat(written_at))
        if found is not None:
            why = (
                f"drift: the critical probability of the last {found.current_n} recordings differs from that "
                f"of the {found.reference_n} before the adoption (PSI {found.psi:.2f}, limit {found.alarm:g})"
            )
            how = {"who": LAPSED_BY, "reason": why, "run_id": run_id, "written_at": written_at}
            ended(home, said, AdoptionHappening.LAPSED, **how)
            lapsed.append(f"{task_id}: {policy_source(said.policy_id)} does not decide any more: {why}")
    return lapsed


def drift_since(home: Home, said: AdoptionEvent, *, now: datetime) -> FixedBinDrift | None:
    """How far the critical probabilities of recordings taken in since an adoption lie from those before it;
    None where either are too few, or that is no more than chance does in one of so many looks.

    Of the later ones those of the last seven days count, and at least 20. Only scores made under the
    adoption's conditions are compared. Trainee recordings that became golds since count too: people chose
    them because they are right, and without them the others would seem to differ.
    """
    rows = scores_ledger(home).query(
        f"select latest.key, critical_probability from latest join made using ({', '.join(_CONDITIONS)}) "  # noqa: S608 - constants
        "where problem is null and critical_probability is not null",
        made=_frame(said),
    )
    seen = videos_ledger(home).query(
        "select key, min(written_at) as seen from written where role = 'trainee' group by key"
    )
    ordered = rows.merge(seen, on="key").sort_values(["seen", "key"])
    active: Collection[str] = Registry.read(home).active(said.task_id)
    ordered = ordered[ordered["key"].isin(list(active))]
    later = ordered[ordered["seen"] >= said.at]
    since = (now - timedelta(days=drift.RECENT_DAYS)).isoformat()
    recent = later.iloc[-max(MIN_WINDOW, int((later["seen"] >= since).sum())) :]
    before, after = (
        frame["critical_probability"].to_numpy(dtype=np.float64)
        for frame in (ordered[ordered["seen"] < said.at], recent)
    )
    found = drift.fixed_bin_drift(before, after, edges=drift.PROBABILITY_EDGES, seed=drift.SEED)
    return found if found is not None and found.alarms_among_looks(len(later)) else None


def _gone(said: AdoptionEvent, task: TaskSpec, model_id: str | None) -> list[Text]:
    pairs = (
        (Text("the task", "手順書"), said.task_fingerprint, task.fingerprint()),
        (Text("the embedding model", "画像モデル"), said.model_id, model_id or said.model_id),
        (Text("the algorithm", "判定アルゴリズム"), said.algorithm, algorithm_version()),
    )
    return [
        Text(
            f"{what.en} is not the one it was fitted on: {before[:40]} then, {now[:40]} now",
            f"{what.ja}が検証のときと違います（当時 {before[:40]}、現在 {now[:40]}）",
        )
        for what, before, now in pairs
        if before != now
    ]


def _of(reference: Mapping[str, Cell] | None, name: str) -> str | None:
    value = None if reference is None else reference[name]
    return None if value is None else str(value)


def _frame(said: AdoptionEvent) -> pd.DataFrame:
    return pd.DataFrame({name: [getattr(said, name)] for name in _CONDITIONS}, dtype="string")
