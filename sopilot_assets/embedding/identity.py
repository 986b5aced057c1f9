"""The identity of an embedding model: its name and a hash of everything that changes its numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

Parameters = Mapping[str, str | int | float | bool]


def model_id(name: str, *, weights_sha256: str, parameters: Parameters) -> str:
    """``<name>-<10 hex digits>`` of the SHA-256 over the weights' hash and the parameters.

    >>> model_id("color_motion", weights_sha256="", parameters={"clip_s": 4.0})
    'color_motion-6edbd52a52'
    """
    content = json.dumps({"weights": weights_sha256, "parameters": dict(parameters)}, sort_keys=True)
    return f"{name}-{hashlib.sha256(content.encode()).hexdigest()[:10]}"
