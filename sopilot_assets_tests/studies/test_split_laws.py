"""Laws of splitting, on random data sets: no group spans splits, every label is in exactly one."""

import os

import numpy as np
import pandas as pd
import pytest

from sopilot_assets.old_rules.choices import SplitRatios
from sopilot_assets.studies.cases import case_frame
from sopilot_assets.studies.groups import group_names, person_groups
from sopilot_assets.studies.leakage import leakage_table, leaking_groups
from sopilot_assets.studies.spec import SplitPlan, SplitStrategy
from sopilot_assets.studies.split_manifest import SPLITS
from sopilot_assets.studies.splits import split_manifest

PARTS = 4
DATA_SETS = int(os.environ.get("SOPILOT_DATA_SETS", "2000"))
"""SOPILOT_DATA_SETS=10000 for the thorough form: `make thorough`."""

UNUSED = ("quality", "efficiency", "miss_steps", "swap_steps", "deviation_steps", "over_time_ratio")


def random_cases(generator: np.random.Generator) -> pd.DataFrame:
    """A table of up to 60 cases with random, partly unknown names, labels, findings and problems; it has the
    columns that splitting reads.
    """
    n = int(generator.integers(4, 60))
    names = {
        name: _names(generator, n, int(generator.integers(1, most + 1)), unknown=0.1)
        for name, most in (("video_id", 40), ("gold_id", 5), ("site", 4), ("person", 12), ("session", 6))
    }
    positive = generator.random(n) < generator.uniform(0.05, 0.95)
    nothing = np.zeros(n)
    return pd.DataFrame(
        {
            "case_id": np.array([f"case-{place}" for place in generator.permutation(n)], dtype=object),
            "order": np.arange(n),
            **names,
            "source_video": _names(generator, n, 10, unknown=0.9),
            "near_duplicate": _names(generator, n, 10, unknown=0.9),
            "expected": np.where(generator.random(n) < 0.1, np.nan, positive.astype(float)),
            "problem": np.where(generator.random(n) < 0.05, "unreadable", "").astype(object),
            "critical": generator.integers(0, 3, n).astype(float),
            "dtw_normalized_cost": generator.random(n) * 0.2,
            "critical_probability": np.where(generator.random(n) < 0.2, np.nan, generator.random(n)),
            **dict.fromkeys(UNUSED, nothing),
        }
    )


def _names(generator: np.random.Generator, n: int, many: int, *, unknown: float) -> np.ndarray:
    names = np.array([f"n{place}" for place in generator.integers(0, many, n)], dtype=object)
    return np.where(generator.random(n) < unknown, "", names)


@pytest.mark.parametrize("part", range(PARTS))
def test_no_group_spans_splits_and_every_label_is_in_exactly_one(part):
    generator = np.random.default_rng([4, part])
    seen = dict.fromkeys(SplitStrategy, 0)
    for _ in range(DATA_SETS // PARTS):
        cases = random_cases(generator)
        strategy = list(SplitStrategy)[int(generator.integers(0, len(SplitStrategy)))]
        usable = cases[cases["expected"].notna() & (cases["problem"] == "")].reset_index(drop=True)
        sites = usable["site"].to_numpy(dtype=object)
        if not sites.size:
            continue
        held_out = str(generator.choice(sites)) if strategy is SplitStrategy.LEAVE_ONE_SITE_OUT else None
        site = "unknown" if held_out == "" else held_out
        plan = SplitPlan(strategy=strategy, seed=int(generator.integers(0, 1000)), holdout_site=site)
        found = split_manifest(cases, study_id="s", task="t", plan=plan).case_ids
        split_of = {case: split for split in SPLITS for case in found[split]}
        ids = usable["case_id"].to_numpy(dtype=object)
        assert sum(map(len, found.values())) == len(split_of) == ids.size
        split = np.array([split_of[case] for case in ids], dtype=object)
        if strategy is not SplitStrategy.RANDOM_STRATIFIED:
            away = np.full(ids.size, True) if held_out is None else sites != held_out
            assert ((split == "challenge") | away).all()
            groups = group_names(usable, strategy)[away]
            assert len(set(zip(groups, split[away], strict=True))) == len(set(groups))
        seen[strategy] += 1
    assert min(seen.values()) > DATA_SETS // PARTS // 10


@pytest.mark.parametrize("seed", range(200))
def test_a_person_split_never_leaks_and_has_both_classes_where_that_can_be(seed):
    cases = random_cases(np.random.default_rng(seed))
    manifest = split_manifest(cases, study_id="s", task="t", plan=SplitPlan(seed=seed))
    assert leaking_groups(leakage_table(cases, manifest)) == 0
    usable = cases[cases["expected"].notna() & (cases["problem"] == "")]
    groups = person_groups(usable)
    rich = all(len(set(groups[(usable["expected"] == label).to_numpy()])) >= 3 for label in (0, 1))
    complete = all(one.positives and one.negatives for one in manifest.counts.values())
    assert complete or not rich


def test_a_person_split_comes_close_to_its_shares():
    generator = np.random.default_rng(1)
    n = 600
    table = case_frame(
        {
            "case_id": f"c{place}",
            "order": place,
            "video_id": f"v{place}",
            "person": f"p{int(generator.integers(0, 40)):02d}",
            "expected": float(generator.random() < 0.3),
            "critical_probability": float(generator.random()),
        }
        for place in range(n)
    )
    ratios = SplitRatios(dev=0.5, test=0.3, challenge=0.2)
    manifest = split_manifest(table, study_id="s", task="t", plan=SplitPlan(ratios=ratios))
    positives = sum(one.positives for one in manifest.counts.values())
    for name, share in ratios.shares().items():
        counts = manifest.counts[name]
        assert counts.positives / positives == pytest.approx(share, abs=0.08)
        assert counts.negatives / (n - positives) == pytest.approx(share, abs=0.08)


def test_how_hard_cases_are_does_not_decide_what_is_in_test():
    generator = np.random.default_rng(2)
    rows = [
        {
            "case_id": f"c{place}",
            "order": place,
            "person": f"p{place % 30:02d}",
            "expected": float(place % 3 == 0),
        }
        for place in range(300)
    ]
    tests = set()
    for _ in range(5):
        table = case_frame({**row, "critical_probability": float(generator.random())} for row in rows)
        tests.add(split_manifest(table, study_id="s", task="t").case_ids["test"])
    assert len(tests) == 1
