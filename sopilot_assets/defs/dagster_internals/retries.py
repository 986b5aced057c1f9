"""Whether Dagster starts a failed run again by itself, which only its tags say."""

from __future__ import annotations

from dagster import DagsterRun
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, WILL_RETRY_TAG


def has_retry(run: DagsterRun) -> bool:
    """Whether Dagster decided, when the run failed, to start it again."""
    return run.tags.get(WILL_RETRY_TAG) == "true"


def is_about_to_be_retried(run: DagsterRun) -> bool:
    """Whether that is still to come: the run that takes its place has not been made yet."""
    return has_retry(run) and AUTO_RETRY_RUN_ID_TAG not in run.tags
