"""Which cases belong together: those that share what a detector could recognise instead of a deviation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sopilot_assets.errors import StudyError
from sopilot_assets.studies.spec import SplitStrategy

UNKNOWN: Final = "unknown"

LINKS: Final[Mapping[str, tuple[str, ...]]] = {
    "person": ("person",),
    "source_video": ("source_video",),
    "near_duplicate": ("near_duplicate",),
    "session": ("site", "session"),
    "video": ("video_id",),
}
"""What links cases, and the columns that name it. A session is one of its site: ``morning`` at two sites is
two sessions; where the site is unknown, sessions are compared by name alone.
"""

_PREFIXES: Final[Mapping[SplitStrategy, tuple[str, str]]] = {
    SplitStrategy.GROUP_TRAINEE: ("trainee", "video_id"),
    SplitStrategy.GROUP_GOLD: ("gold", "gold_id"),
    SplitStrategy.GROUP_SITE: ("site", "site"),
    SplitStrategy.LEAVE_ONE_SITE_OUT: ("trainee", "video_id"),
}


def group_names(cases: pd.DataFrame, strategy: str) -> npt.NDArray[np.object_]:
    """The group (n,) that each case is kept in by a split strategy: ``trainee:ID``, ``gold:ID``,
    ``site:NAME`` (``site:unknown``), a component of `person_groups`, or for ``random_stratified`` the case.

    Raises `StudyError` for a strategy that there is not.
    """
    try:
        known = SplitStrategy(strategy)
    except ValueError as error:
        expected = ", ".join(one.value for one in SplitStrategy)
        raise StudyError(f"split strategy: expected one of {expected}; found {strategy!r}.") from error
    if known is SplitStrategy.RANDOM_STRATIFIED:
        return _texts(cases["case_id"])
    if known is SplitStrategy.GROUP_PERSON:
        return person_groups(cases)
    prefix, column = _PREFIXES[known]
    return np.array([f"{prefix}:{value or UNKNOWN}" for value in cases[column]], dtype=object)


def person_groups(cases: pd.DataFrame) -> npt.NDArray[np.object_]:
    """The group (n,) of each case: the connected components over person, source video, near-duplicate,
    session and video.

    Two cases are in one group when a chain of shared names leads from one to the other. An unknown name
    links nothing. A group is named after its smallest member, e.g. ``person:p07``, by kind in the order of
    `LINKS` and then by name; a case without any name is its own group, ``case:ID``.
    """
    names = {kind: link_names(cases, kind) for kind in LINKS}
    n = len(cases)
    heads: list[npt.NDArray[np.int64]] = []
    tails: list[npt.NDArray[np.int64]] = []
    nodes: list[str] = []
    for kind, values in names.items():
        codes, distinct = pd.factorize(values, sort=True)
        known = values != ""
        heads.append(np.flatnonzero(known))
        tails.append(codes[known].astype(np.int64) + n + len(nodes))
        nodes += [f"{kind}:{name}" for name in distinct]
    size = n + len(nodes)
    head, tail = np.concatenate(heads), np.concatenate(tails)
    graph = coo_array((np.ones(head.shape[0], dtype=np.int8), (head, tail)), shape=(size, size))
    _, component = connected_components(graph, directed=False)
    # nodes are in the order of kinds and names, so the first one met is the smallest
    first = dict(zip(component[n:][::-1].tolist(), nodes[::-1], strict=True))
    members = zip(component[:n].tolist(), cases["case_id"], strict=True)
    return np.array([first.get(one, f"case:{case}") for one, case in members], dtype=object)


def link_names(cases: pd.DataFrame, kind: str) -> npt.NDArray[np.object_]:
    """The name (n,) by which each case is linked by one of `LINKS`; empty where it is unknown."""
    *qualifiers, column = LINKS[kind]
    values = _texts(cases[column])
    for qualifier in qualifiers:
        prefixed = _texts(cases[qualifier]) + "/" + values
        values = np.where(values == "", "", prefixed)
    return values


def _texts(column: pd.Series) -> npt.NDArray[np.object_]:
    return np.asarray(column.fillna(""), dtype=object)
