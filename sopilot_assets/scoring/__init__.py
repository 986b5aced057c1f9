"""From an alignment to deviations, score and decision; and the review page of a recording.

Reads alignments and tasks; writes pages and rows where its caller says.
"""

from typing import Final

SCORING_VERSION: Final = "scoring-8"
"""The version of what makes a score of an alignment."""
