"""The figures of times once more, by pandas from the files of the ledgers, without any of our queries."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pandas as pd

from sopilot_assets.store.home import Home


def newest(home: Home, ledger: str, subject: str) -> pd.DataFrame:
    """The newest row of each subject of a ledger, with when its first one was written."""
    files = sorted((home.ledgers / ledger).glob("*.parquet"))
    frame = pd.concat([pd.read_parquet(str(file)) for file in files], ignore_index=True)
    frame = frame.sort_values(["written_at", "run_id", "row_id"], ascending=[True, True, False])
    first = frame.groupby(subject)["written_at"].min().rename("first_written_at")
    return frame.groupby(subject, as_index=False).tail(1).merge(first, left_on=subject, right_index=True)


def recordings(home: Home) -> pd.DataFrame:
    """The trainee recordings that count and were judged."""
    videos, scores = newest(home, "videos", "key"), newest(home, "scores", "key")
    videos = videos[(videos["status"] == "active") & (videos["role"] == "trainee")]
    kept = [
        "key",
        "score",
        "decision",
        "deviations",
        "reference_id",
        "task_fingerprint",
        "algorithm",
        "problem",
    ]
    both = videos.merge(scores[kept], on="key")
    both = both[both["problem"].isna()].copy()
    both["made_at"] = both["recorded_at"].fillna(both["first_written_at"])
    days = pd.to_datetime(both["made_at"].str[:10])
    iso = days.dt.isocalendar()
    both["week"] = iso["year"].astype(str) + "-W" + iso["week"].astype(str).str.zfill(2)
    known = both[both["person"].notna() & (both["decision"] != "not_verifiable")].sort_values(
        ["made_at", "key"]
    )
    both["first"] = both["key"].isin(known.groupby(["task_id", "person"]).head(1)["key"])
    return both


def stretches(home: Home) -> pd.DataFrame:
    """The rows of step times that were made with the score of their recording, its facts beside them."""
    known = recordings(home)
    known = known.assign(made_by=known["algorithm"] + "+times-1")
    rows = newest(home, "step_times", "place")
    names = {"reference_id": "r", "task_fingerprint": "f"}
    facts = ["key", "person", "site", "week", "made_at", "made_by", *names]
    both = rows.merge(known[facts].rename(columns=names), on="key")
    same = (both["reference_id"] == both["r"]) & (both["task_fingerprint"] == both["f"])
    return both[same & (both["algorithm"] == both["made_by"])]


def steps(home: Home, by: Sequence[str]) -> pd.DataFrame:
    """What `step_figures` says, with ``by`` as the index."""
    every = stretches(home)
    every = every[every["kind"] != "cycle"]
    done = every[every["kind"] == "step"]
    first = done[done["whole"].astype(bool) & ~done["rework"].astype(bool)].groupby(list(by))["seconds"]
    again = done[done["rework"].astype(bool)].groupby(list(by))["seconds"]
    waiting = every[every["kind"].isin(["gap", "standstill"])].groupby(list(by))["seconds"]
    return pd.DataFrame(
        {
            "recordings": done.groupby(list(by))["key"].nunique(),
            "n": first.size(),
            "mean_s": first.mean(),
            "sd_s": first.std(),
            "min_s": first.min(),
            "max_s": first.max(),
            "median_s": first.median(),
            "rework_n": again.size(),
            "rework_s": again.sum(),
            "waiting_n": waiting.size(),
            "waiting_s": waiting.sum(),
        }
    )


def cycles(home: Home, by: Sequence[str]) -> pd.DataFrame:
    """What `cycle_figures` says, with ``by`` as the index."""
    known, every = recordings(home), stretches(home)
    whole = every[(every["kind"] == "cycle") & every["whole"].astype(bool)].set_index("key")["seconds"]
    known["cycle_s"] = known["key"].map(whole)

    def summed(rows: pd.DataFrame) -> pd.Series:
        return (
            known["key"].map(rows.groupby("key")["seconds"].sum()).fillna(0.0).where(known["cycle_s"].notna())
        )

    known["work_s"] = summed(every[every["kind"] == "step"])
    known["other_s"] = summed(every[every["kind"] == "other"])
    known["waiting_s"] = summed(every[every["kind"].isin(["gap", "standstill"])])
    again = every[(every["kind"] == "step") & every["rework"].astype(bool)]
    known["rework_s"] = summed(again)
    known["again"] = known["key"].isin(again["key"])
    known["passed"] = known["first"] & (known["decision"] == "pass")
    groups = known.groupby(list(by), dropna=False)
    found = groups["cycle_s"].agg(["count", "mean", "std", "min", "max", "median"])
    found.columns = pd.Index(["n", "mean_s", "sd_s", "min_s", "max_s", "median_s"])
    found.insert(0, "recordings", groups.size())
    for name in ("work_s", "other_s", "waiting_s", "rework_s"):
        found[name] = groups[name].mean()
    found["rework_recordings"] = groups["again"].sum()
    found["persons"] = groups["person"].nunique()
    found["first_persons"], found["first_passed"] = groups["first"].sum(), groups["passed"].sum()
    found["first_share"] = (found["first_passed"] / found["first_persons"]).where(found["first_persons"] > 0)
    return found


def lost(home: Home) -> dict[tuple[str, str], float]:
    """What `costly_deviations` says of missing steps and of over-long ones, by type and step, in seconds."""
    known, done = recordings(home), stretches(home)
    done = done[done["kind"] == "step"]
    usual = done.sort_values("made_at").groupby("step_id")["usual_s"].last()
    own = done.groupby(["key", "step_id"])["usual_s"].min()
    found: dict[tuple[str, str], float] = {}
    for key, text in zip(known["key"], known["deviations"], strict=True):
        for one in json.loads(text):
            if one["type"] not in ("missing_step", "over_time"):
                continue
            step = one["steps"][0]
            took = one["trainee_end_s"] - one["trainee_start_s"]
            cost = usual.sum() if one["severity"] == "critical" else max(took - own[key, step], 0.0)
            found[one["type"], step] = found.get((one["type"], step), 0.0) + cost
    return found
