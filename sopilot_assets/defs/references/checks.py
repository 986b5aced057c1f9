"""Checks of references: golds and their annotations, evaluated once a batch, after the assets that bring
references up to date.
"""

from collections.abc import Iterator
from typing import Final

import dagster as dg

from sopilot_assets.defs.recordings import findings
from sopilot_assets.defs.recordings.alignments import alignments
from sopilot_assets.defs.recordings.checks import answers
from sopilot_assets.defs.recordings.score_updates import score_updates
from sopilot_assets.defs.references.gold_references import gold_references
from sopilot_assets.defs.resources import HomeResource

_REFRESHING: Final = [alignments, score_updates]
"""The assets that bring the references up to date before they use them."""

_WARN: Final = dg.AssetCheckSeverity.WARN


@dg.multi_asset_check(
    name="gold_references_checks",
    can_subset=True,
    specs=[
        dg.AssetCheckSpec(
            "enough_golds",
            asset=gold_references,
            additional_deps=_REFRESHING,
            description=(
                f"Every task with recordings has at least {findings.FEWEST} golds by {findings.FEWEST} "
                "persons."
            ),
        ),
        dg.AssetCheckSpec(
            "steps_are_confirmed",
            asset=gold_references,
            additional_deps=_REFRESHING,
            description=(
                "The steps of every gold were annotated by a person in steps.csv; proposals are used, but "
                "may be wrong."
            ),
        ),
    ],
)
def gold_references_checks(
    context: dg.AssetCheckExecutionContext, home: HomeResource
) -> Iterator[dg.AssetCheckResult]:
    """Number and annotation of the golds."""
    questions = {
        "enough_golds": (lambda: findings.thin_references(home.home), _WARN),
        "steps_are_confirmed": (lambda: findings.unconfirmed_references(home.home), _WARN),
    }
    yield from answers(context, questions)
