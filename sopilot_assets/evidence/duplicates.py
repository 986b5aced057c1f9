"""Which recordings of a study show the same take, by their stored embeddings."""

from __future__ import annotations

import pandas as pd

from sopilot_assets.embedding.clips import load_embedding
from sopilot_assets.store.home import Home
from sopilot_assets.studies.near_duplicates import Take, near_duplicate_groups, summarised


def near_duplicate_names(home: Home, cases: pd.DataFrame) -> list[str]:
    """The group of near-duplicates of each case (n,), empty where it has none or has no embedding.

    Only recordings of the same embedding model are compared; others cannot be.
    """
    takes: dict[str, list[Take]] = {}
    for case_id, video_id, model_id in zip(
        cases["case_id"], cases["video_id"], cases["backend"], strict=True
    ):
        path = home.embedding(model_id, video_id) if model_id else None
        if path is not None and path.exists():
            takes.setdefault(model_id, []).append(summarised(case_id, load_embedding(path)))
    groups: dict[str, str] = {}
    for of_model in takes.values():
        groups |= near_duplicate_groups(of_model)
    return [groups.get(case_id, "") for case_id in cases["case_id"]]
