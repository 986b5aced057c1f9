"""Checks of references: golds and their annotations, evaluated once a batch, after the assets that bring
references up to date.
"""

from sopilot_assets.defs.recordings.alignments import alignments
from sopilot_assets.defs.recordings.checks import checks_of
from sopilot_assets.defs.recordings.score_updates import score_updates
from sopilot_assets.defs.references.gold_references import gold_references
from sopilot_assets.upkeep.conditions import golds

gold_references_checks = checks_of(
    gold_references,
    {
        "enough_golds": (
            golds.enough_golds,
            "Every task has golds enough by persons enough (settings.yaml: limits, golds and gold_persons).",
        ),
        "steps_are_confirmed": (
            golds.steps_confirmed,
            (
                "The steps of every gold were marked by a person, or written into steps.csv, and every row "
                "of it is taken; where nobody did, they are guessed and may be wrong."
            ),
        ),
        "reference_is_made": (
            golds.references_made,
            "The golds of every task gave a reference when they were last looked at.",
        ),
    },
    after=[alignments, score_updates],
)
