"""Whether a recording shows a task's procedure at all."""

from __future__ import annotations

import math
from typing import Final

from sopilot_assets.alignment.calibration import Calibration
from sopilot_assets.alignment.spans import Alignment

LEAST_ORDER_EVIDENCE: Final = 2.0
"""A recording that the procedure explains better than unrelated orders of its steps do by less than this
(nats) shows something else, or nothing that can be judged."""
LEAST_MATCH: Final = 0.6
"""The least log2(fit / `HALF_FIT`) + order evidence / `NATS_PER_DOUBLING`: a recording may look unlike the
golds (another site) when the order of its steps is clear, and the other way round."""
HALF_FIT: Final = 0.5
NATS_PER_DOUBLING: Final = 8.0
ORDER_SHARE: Final = 0.2
"""The least share of the held-out golds' order evidence that a recording of the procedure has."""


def shows_procedure(alignment: Alignment, calibration: Calibration) -> bool:
    """Whether a recording shows the task's procedure at all, by how much it looks like the golds and by how
    clear the order of its steps is.
    """
    familiar = math.log2(max(alignment.fit, 1e-6) / HALF_FIT)
    if alignment.order_evidence is None:
        return familiar >= 0.0
    match = familiar + alignment.order_evidence / NATS_PER_DOUBLING
    least = max(LEAST_ORDER_EVIDENCE, ORDER_SHARE * (calibration.order_evidence or 0.0))
    return alignment.order_evidence >= least and match >= LEAST_MATCH
