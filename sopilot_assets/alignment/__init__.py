"""The step decoder and dynamic time warping: which step each clip of a recording shows, and how sure that is.

Reads embeddings and references; writes alignments and calibrations where its caller says.
"""

from typing import Final

ALIGNMENT_VERSION: Final = "alignment-7"
"""The version of what compares a recording with a reference."""

CALIBRATION_VERSION: Final = "calibration-4"
"""The version of what says how reliable a reference is."""
