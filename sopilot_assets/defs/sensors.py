"""The sensor on the capture folder: dropped files become registered recordings, and those become runs."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

import dagster as dg

from sopilot_assets.capture.intake import IntakeLimits, IntakeReport, Status, take_in
from sopilot_assets.capture.registry import Registry
from sopilot_assets.capture.scan import Candidate, Stability, scan_capture
from sopilot_assets.defs.batches import Attempt, Batch, plan_batches
from sopilot_assets.defs.jobs import score_new_recordings
from sopilot_assets.defs.partitions import TASK, VIDEO
from sopilot_assets.defs.resources import ClockResource, HomeResource, LimitsResource
from sopilot_assets.defs.scores import scores
from sopilot_assets.operations.waiting import waiting_for_reference
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.tasks import find_tasks

RANGE_START: Final = "dagster/asset_partition_range_start"
RANGE_END: Final = "dagster/asset_partition_range_end"

_AUDIT_EVERY_S: Final = 60.0
"""Without new recordings, how often it is looked for recordings that have no score and no run."""
_MEMORY: Final = timedelta(days=14)
_MOST_RUNS: Final = 500
