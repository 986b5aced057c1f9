"""Policies: what decides for each task, what it promises, what the audit says of that; adopted, withdrawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from sopilot_assets.desk.call import Call
from sopilot_assets.desk.roles import ADMINS, Role
from sopilot_assets.desk.routing import DeskRoute, failed
from sopilot_assets.errors import DossierError, StudyError
from sopilot_assets.evidence.adopted_policies import Adoptable, adopt_policy, adoptable, withdraw_policy
from sopilot_assets.evidence.policy_choices import PolicyChoice, PolicyPromise, policy_choices, promise_of
from sopilot_assets.evidence.policy_standings import current_standings, describe_policies
from sopilot_assets.stations.adoptions import PolicyStanding
from sopilot_assets.store.home import plain_id
from sopilot_assets.store.ledgers import Row
from sopilot_assets.tasks import find_tasks
from sopilot_assets.tasks.words import task_name
from sopilot_assets.texts.languages import Text

READERS: Final = frozenset({Role.RATER, Role.TRAINER, Role.ADMIN})
LETTERS: Final = 500


@dataclass(frozen=True, slots=True)
class _Task:
    """A task on the page: the standing of its policy (None: none is adopted) and what it promises, what is
    decided, the audit and the events, and the studies that could be adopted or not.
    """

    task_id: str
    name: Text
    standing: PolicyStanding | None
    promise: PolicyPromise | None
    told: Mapping[str, object]
    audit: Sequence[Row]
    events: Sequence[Row]
    choices: Sequence[PolicyChoice]


def policies(call: Call) -> Response:
    """What decides for each task."""
    return _list(call)


def _list(call: Call, *, refused: tuple[str, str, Text] | None = None) -> Response:
    """The page; ``refused`` is a task whose policy was not withdrawn, what was typed, and why not."""
    home, tasks = call.home, find_tasks(call.home.root).tasks
    told, standing = describe_policies(home, list(tasks), now=call.now), current_standings(home)
    choices = policy_choices(home)
    shown = [
        _Task(
            task_id,
            task.names,
            standing.get(task_id),
            promise_of(home, standing[task_id].said) if task_id in standing else None,
            told[task_id].metadata,
            told[task_id].tables["audit"],
            told[task_id].tables["events"],
            [one for one in choices if one.task_id == task_id],
        )
        for task_id, task in tasks.items()
    ]
    return call.page(
        "policies.html.j2",
        title=Text("Policies", "ポリシー"),
        status=200 if refused is None else 422,
        values={
            "tasks": shown,
            "acts": call.who.role in ADMINS,
            "refused": refused,
            "done": call.request.query_params.get("done") in tasks,
            "letters": LETTERS,
        },
    )


def looking(call: Call) -> Response:
    """The page of a study that could be adopted: its dossier is verified now."""
    return _look(call, {})


def _look(call: Call, faults: Mapping[str, Text]) -> Response:
    study_id = plain_id(call.param("study"), "study")
    dossier_id = call.field("dossier") or call.request.query_params.get("dossier") or None
    found, why = _adoptable(call, study_id, dossier_id)
    choice = next(
        (
            one
            for one in policy_choices(call.home)
            if one.study_id == study_id and dossier_id in (None, one.dossier_id)
        ),
        None,
    )
    if choice is None:
        return failed(call, 404, Text(f"There is no study {study_id}.", f"検証 {study_id} はありません。"))
    return call.page(
        "policy_adopt.html.j2",
        title=Text(f"Adopt: {choice.title}", f"採用：{choice.title}"),
        status=422 if faults else 200,
        values={
            "study_id": study_id,
            "choice": choice,
            "found": found,
            "why": why,
            "task_name": task_name(found.task if found else None, choice.task_id),
            "acts": call.who.role in ADMINS,
            "reason": call.field("reason"),
            "faults": faults,
            "letters": LETTERS,
        },
    )


def _adoptable(call: Call, study_id: str, dossier_id: str | None) -> tuple[Adoptable | None, Text | None]:
    try:
        return adoptable(call.home, study_id, dossier_id=dossier_id), None
    except (StudyError, DossierError) as error:
        why = call.home.relative_text(str(error))
        return None, Text(why, error.ja or why)


def adopt(call: Call) -> Response:
    """The study's policy decides from now on."""
    study_id, reason = plain_id(call.param("study"), "study"), call.field("reason")
    if not reason or len(reason) > LETTERS:
        return _look(call, {"reason": _REASON})
    try:
        event, _ = adopt_policy(
            call.home,
            study_id,
            by=call.who.who,
            reason=reason,
            run_id=f"desk-{call.who.who}",
            written_at=call.now.isoformat(),
            dossier_id=call.field("dossier") or None,
        )
    except (StudyError, DossierError) as error:
        why = call.home.relative_text(str(error))
        return _look(call, {"reason": Text(why, error.ja or why)})
    return call.go(f"/policies?done={event.task_id}#t-{event.task_id}")


def withdraw(call: Call) -> Response:
    """The policy of a task is taken back; the golds' own rule decides again."""
    task_id, reason = plain_id(call.param("task"), "procedure"), call.field("reason")
    if not reason or len(reason) > LETTERS:
        return _list(call, refused=(task_id, reason, _REASON))
    withdraw_policy(
        call.home,
        task_id,
        by=call.who.who,
        reason=reason,
        run_id=f"desk-{call.who.who}",
        written_at=call.now.isoformat(),
    )
    return call.go(f"/policies?done={task_id}#t-{task_id}")


_REASON: Final = Text(
    f"Give a reason of 1 to {LETTERS} letters, for those who look later.",
    f"後で見る人のために、理由を 1〜{LETTERS} 文字で入力してください。",
)


ROUTES: Final[tuple[DeskRoute, ...]] = (
    DeskRoute("/policies", policies, READERS),
    DeskRoute("/policies/adopt/{study}", looking, READERS),
    DeskRoute("/policies/adopt/{study}", adopt, ADMINS, ("POST",)),
    DeskRoute("/policies/withdraw/{task}", withdraw, ADMINS, ("POST",)),
)
