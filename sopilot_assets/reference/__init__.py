"""What the golds of a task say: steps, their looks, their durations, their borders.

Reads embeddings and ``steps.csv``; writes references where its caller says.
"""

from typing import Final

REFERENCE_VERSION: Final = "reference-7"
"""The version of what makes a reference of golds."""
