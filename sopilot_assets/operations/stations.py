"""The stations that a batch of recordings passes, in order; the assets and the command line call these and
nothing else.
"""

from sopilot_assets.operations.compare import align_videos
from sopilot_assets.operations.describe import describe_videos
from sopilot_assets.operations.embed import embed_videos
from sopilot_assets.operations.judge import score_videos
from sopilot_assets.operations.outcome import Outcome, Progress, ReferenceOutcome
from sopilot_assets.operations.references import refresh_references
from sopilot_assets.operations.staleness import stale_scores
from sopilot_assets.scoring.ledger import algorithm_version

__all__ = [
    "Outcome",
    "Progress",
    "ReferenceOutcome",
    "algorithm_version",
    "align_videos",
    "describe_videos",
    "embed_videos",
    "refresh_references",
    "score_videos",
    "stale_scores",
]
