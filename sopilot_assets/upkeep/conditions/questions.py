"""The one list of questions, in the order in which things should be mended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from sopilot_assets.errors import SopilotError
from sopilot_assets.upkeep.conditions import (
    campaign,
    desk,
    golds,
    home,
    instance,
    lateness,
    machine,
    messages,
    packages,
    policies,
    privacy,
    recordings,
    scores,
    tasks,
)
from sopilot_assets.upkeep.conditions.condition import Answer, problem
from sopilot_assets.upkeep.conditions.situation import Situation

Question: TypeAlias = Callable[[Situation], Answer]

QUESTIONS: Final[tuple[Question, ...]] = (
    packages.packages,
    home.home_format,
    home.writable,
    home.settings,
    machine.free_space,
    machine.clock,
    machine.web_pages,
    desk.desk_reach,
    desk.desk_accounts,
    desk.desk_tokens,
    instance.dagster_settings,
    instance.daemon,
    instance.queue,
    instance.sensors,
    instance.looks_at_capture,
    instance.journals,
    home.ledgers,
    tasks.task_files,
    tasks.task_of_recordings,
    tasks.models,
    golds.enough_golds,
    golds.steps_confirmed,
    golds.promoted_right,
    golds.references_made,
    golds.golds_pass,
    recordings.capture_folder,
    recordings.stuck_files,
    recordings.stored_files,
    recordings.few_refused,
    recordings.one_model_a_task,
    recordings.embeddings_finite,
    scores.have_scores,
    scores.up_to_date,
    scores.can_be_scored,
    policies.policies_decide,
    scores.nobody_contests,
    privacy.erasures_done,
    campaign.goes_on,
    lateness.daily_report,
    lateness.backup,
    lateness.backup_drill,
    lateness.retention_waits,
    messages.happened,
    messages.delivered,
    messages.results_delivered,
    home.leftovers,
)

ALERTED: Final[Mapping[str, tuple[Question, ...]]] = {
    home.SETTINGS: (home.settings,),
    machine.DISK: (machine.free_space,),
    campaign.CAMPAIGN: (campaign.goes_on,),
    lateness.OVERDUE: (
        scores.have_scores,
        lateness.backup,
        lateness.backup_drill,
        lateness.daily_report,
        lateness.retention_waits,
        instance.looks_at_capture,
    ),
    golds.STEPS_FILE: (golds.steps_confirmed,),
    golds.REFERENCE: (golds.references_made,),
    policies.POLICY: (policies.policies_decide,),
    privacy.ERASURE: (privacy.erasures_done,),
    messages.RESULTS: (messages.results_delivered,),
    recordings.STUCK: (recordings.stuck_files,),
}
"""What people are told of while it lasts, by the kind of the condition, in the order in which it is asked."""


def ask(question: Question, asked: Situation) -> Answer:
    """The answer; an error that stops the question is itself a problem."""
    name = question.__name__.replace("_", " ")
    try:
        return question(asked)
    except SopilotError as error:
        return Answer((problem(name, "", str(error), "see the message"),))
    except OSError as error:
        return Answer((problem(name, "", str(error), "mend the disk or the permissions"),))
