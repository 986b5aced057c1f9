"""Splitting cases into dev (everything is fitted there), test and challenge (the hardest).

A case takes part when it is labeled and could be scored. Labeled cases without a score are listed beside
the splits, so that coverage can count them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from sopilot_assets.errors import StudyError
from sopilot_assets.old_rules.detectors import critical_score, sound_cases
from sopilot_assets.old_rules.seeded_splits import (
    grouped,
    hardness,
    leave_one_site_out,
    random_stratified,
)
from sopilot_assets.studies.balanced_splits import balanced
from sopilot_assets.studies.cases import case_text, cases_sha256, labeled
from sopilot_assets.studies.groups import UNKNOWN, group_names
from sopilot_assets.studies.spec import SplitPlan, SplitStrategy, StudySpec
from sopilot_assets.studies.split_manifest import (
    SPLITS,
    SplitCounts,
    SplitManifest,
    count_splits,
    members_by_split,
)

DEFAULT_PLAN: Final = SplitPlan()


def split_manifest(
    cases: pd.DataFrame,
    *,
    study_id: str,
    task: str,
    plan: SplitPlan = DEFAULT_PLAN,
    seen: Collection[str] = (),
) -> SplitManifest:
    """The manifest of the split that ``plan`` makes of these cases; classes are not checked, see
    `require_both_classes`.

    ``seen`` are the persons that the task's golds show. Where persons are kept apart (``group_person``), what
    belongs to them is in dev: a held-out case is by somebody whom nothing was learnt from. Raises
    `StudyError` for a holdout site that no labeled case has.
    """
    table = _eligible(cases)
    groups = group_names(table, plan.strategy)
    split = _split(table, plan, groups, frozenset(map(case_text, seen)))
    return SplitManifest(
        study_id=study_id,
        task=task,
        strategy=plan.strategy,
        seed=plan.seed,
        ratios=plan.ratios,
        holdout_site=plan.holdout_site,
        cases_sha256=cases_sha256(cases),
        case_ids=dict(members_by_split(split, table["case_id"].to_numpy(dtype=object))),
        unscored=tuple(cases.loc[labeled(cases) & ~sound_cases(cases), "case_id"]),
        counts=count_splits(split, table["expected"].to_numpy(dtype=np.float64), groups),
        groups={name: tuple(sorted(set(groups[split == name]))) for name in SPLITS},
    ).sealed()


def study_split(cases: pd.DataFrame, study: StudySpec, *, seen: Collection[str] = ()) -> SplitManifest:
    """The manifest of a study's split (see `split_manifest`); `StudyError` where a split is empty or holds
    one class only.
    """
    manifest = split_manifest(cases, study_id=study.study_id, task=study.task, plan=study.split, seen=seen)
    require_both_classes(manifest, seen=_among(seen, _eligible(cases)["person"]))
    return manifest


def held_out_persons(cases: pd.DataFrame, manifest: SplitManifest, persons: Collection[str]) -> list[str]:
    """Which of these persons are in cases that are held out."""
    held_out = np.isin(manifest.split_of(cases["case_id"]), SPLITS[1:])
    return _among(persons, cases["person"][held_out])


def _among(persons: Collection[str], column: pd.Series) -> list[str]:
    """Those of the persons whom a column of cases names, as they are called elsewhere."""
    named = set(column)
    return sorted(one for one in set(persons) if case_text(one) in named)


def require_both_classes(manifest: SplitManifest, *, seen: Sequence[str] = ()) -> None:
    """Refuse (`StudyError`) a split that is empty or has only positives or only negatives; ``seen`` are the
    persons of cases that the golds show too.
    """
    lacking = [
        f"{name} has {_counted(counts)}"
        for name, counts in manifest.counts.items()
        if not (counts.positives and counts.negatives)
    ]
    if lacking:
        total = _total(manifest)
        golds = ""
        if seen and manifest.strategy is SplitStrategy.GROUP_PERSON:
            golds = f" What belongs to {', '.join(seen)} is in dev, since the golds show them."
        unscored = ""
        if manifest.unscored:
            unscored = (
                " Labelled recordings without a score that counts, which are in no split: "
                f"{len(manifest.unscored)}, e.g. {manifest.unscored[0]}; score them first "
                "(`sopilot score run`, `sopilot score run --stale`)."
            )
        raise StudyError(
            f"study {manifest.study_id}: {'; '.join(lacking)}; expected positives and negatives in each of "
            f"{', '.join(SPLITS)}. All in all there are {_counted(total)} in {total.groups} groups by "
            f"{manifest.strategy.value}, and each class has to occur in three groups at least.{golds}"
            f"{unscored} "
            "Label more recordings of other groups (`sopilot label prepare`), or register another split "
            "strategy or other ratios before any result exists."
        )


def _eligible(cases: pd.DataFrame) -> pd.DataFrame:
    table: pd.DataFrame = cases.loc[labeled(cases) & sound_cases(cases)].reset_index(drop=True)
    return table


def _split(
    table: pd.DataFrame, plan: SplitPlan, groups: npt.NDArray[np.object_], seen: frozenset[str]
) -> npt.NDArray[np.object_]:
    seed, ratios = plan.seed, plan.ratios
    positive = (table["expected"] == 1).to_numpy(dtype=np.bool_)
    hard = hardness(positive, critical_score(table))
    if plan.strategy is SplitStrategy.RANDOM_STRATIFIED:
        return random_stratified(positive, hard, seed=seed, ratios=ratios)
    if plan.strategy is SplitStrategy.GROUP_PERSON:
        known = set(groups[table["person"].isin(seen).to_numpy(dtype=np.bool_)])
        new_hard = _new_hardness(table, positive, hard)
        return balanced(positive, new_hard, groups, seed=seed, ratios=ratios, seen=known)
    if plan.strategy is SplitStrategy.LEAVE_ONE_SITE_OUT:
        held_out = _held_out(table, plan.holdout_site)
        return leave_one_site_out(positive, hard, groups, held_out, seed=seed, ratios=ratios)
    return grouped(positive, hard, groups, seed=seed, ratios=ratios)


def _new_hardness(
    table: pd.DataFrame, positive: npt.NDArray[np.bool_], old: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """By the probability of a critical deviation where there is one, else by the old critical score."""
    probability = table["critical_probability"].to_numpy(dtype=np.float64)
    return np.where(np.isnan(probability), old, hardness(positive, probability))


def _held_out(table: pd.DataFrame, site: str | None) -> npt.NDArray[np.bool_]:
    sites = table["site"].where(table["site"] != "", UNKNOWN)
    held_out: npt.NDArray[np.bool_] = (sites == site).to_numpy(dtype=np.bool_)
    if not held_out.any():
        known = ", ".join(sorted(set(sites))) or "none"
        raise StudyError(
            f"leave_one_site_out: expected a holdout_site that has labeled cases ({known}); found {site!r}."
        )
    return held_out


def _total(manifest: SplitManifest) -> SplitCounts:
    counts = manifest.counts.values()
    return SplitCounts(
        cases=sum(one.cases for one in counts),
        positives=sum(one.positives for one in counts),
        negatives=sum(one.negatives for one in counts),
        groups=len({name for names in manifest.groups.values() for name in names}),
    )


def _counted(counts: SplitCounts) -> str:
    return f"{counts.positives} positives and {counts.negatives} negatives"
