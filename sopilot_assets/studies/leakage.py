"""Whether anything that a detector could recognise is on two sides of a split, group by group."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from sopilot_assets.studies.groups import LINKS, link_names
from sopilot_assets.studies.split_manifest import SPLITS, SplitManifest

COLUMNS: Final = ("kind", "name", *SPLITS, "cases", "splits", "leaks")


def leakage_table(cases: pd.DataFrame, manifest: SplitManifest) -> pd.DataFrame:
    """One row for each person, source video, near-duplicate group, session and video that split cases have.

    ``dev``, ``test`` and ``challenge`` count its cases there, ``splits`` names those that have any, and
    ``leaks`` is true where that is more than one. Ordered by kind as in `groups.LINKS`, then name. A name
    that is unknown is no group; `unknown_links` counts those.
    """
    split = manifest.split_of(cases["case_id"])
    used = split != ""
    tables = [_of_kind(kind, link_names(cases, kind)[used], split[used]) for kind in LINKS]
    table = pd.concat(tables, ignore_index=True)
    counts = table[list(SPLITS)].to_numpy(dtype=np.int64)
    table["cases"] = counts.sum(axis=1)
    table["splits"] = [",".join(name for name, n in zip(SPLITS, row, strict=True) if n) for row in counts]
    table["leaks"] = (counts > 0).sum(axis=1) > 1
    return table[list(COLUMNS)]


def leaking_groups(table: pd.DataFrame) -> int:
    """How many groups of a `leakage_table` are in more than one split."""
    return int(table["leaks"].sum())


def unknown_links(cases: pd.DataFrame, manifest: SplitManifest) -> dict[str, int]:
    """For each kind of link, how many split cases have no name for it, of which nothing can be proved."""
    used = manifest.split_of(cases["case_id"]) != ""
    return {kind: int((link_names(cases, kind)[used] == "").sum()) for kind in LINKS}


def _of_kind(kind: str, names: np.ndarray, split: np.ndarray) -> pd.DataFrame:
    known = names != ""
    counts = pd.crosstab(names[known], split[known]).reindex(columns=list(SPLITS), fill_value=0)
    return pd.DataFrame(
        {
            "kind": np.full(len(counts), kind, dtype=object),
            "name": counts.index.to_numpy(dtype=object),
            **{name: counts[name].to_numpy(dtype=np.int64) for name in SPLITS},
        }
    )
