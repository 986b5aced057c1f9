"""The reports in a folder, as the old scripts printed them, beside the same reports made again.

What a report was asked for (detector, threshold, profile, seed, ratios, holdout site, grid) is read from it;
everything else is computed from the database and the labels. Kinds are told by content, not by file name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath
from typing import Final

from sopilot_assets.errors import SopilotError, StudyError
from sopilot_assets.legacy.database import Installation
from sopilot_assets.legacy.differences import compare_documents
from sopilot_assets.legacy.labels import LabelFile
from sopilot_assets.legacy.policies import FittedPolicy, OldFit, OldPolicy
from sopilot_assets.legacy.reports import (
    Document,
    OldJobs,
    Report,
    error_breakdown,
    gate_report,
    shadow_comparison,
)
from sopilot_assets.legacy.splits import OldSplit, split_evaluation
from sopilot_assets.old_rules.detectors import DEFAULT_THRESHOLD
from sopilot_assets.old_rules.sweep import THRESHOLDS

IGNORED: Final = frozenset(
    {
        "artifact_hash_method",
        "artifact_hash_sha256",
        "created_at",
        "critical_policy_path",
        "db_path",
        "git_commit",
        "labels_path",
        "output_policy",
        "policy_hash_sha256",
        "policy_id",
        "policy_path",
        "split_manifest_path",
    }
)
"""Hashes, ids of policies, paths and times: what depends on where and when the old scripts ran."""

DEFAULT_STRATEGY: Final = "group_trainee"


@dataclass(frozen=True, slots=True)
class FileComparison:
    """One compared file: the largest difference between numbers and where it is, how many values differ, and
    the first of them or why it could not be compared.
    """

    name: str
    kind: str
    largest: float
    where: str
    differing: int
    detail: str

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not self.differing

    def line(self) -> str:
        """The comparison on one line."""
        head = f"{'equal' if self.equal else 'DIFFERS':8}{self.name}"
        if math.isinf(self.largest):
            return f"{head}: {self.detail}"
        at = f" at {self.where}" if self.where else ""
        tail = "" if self.equal else f"; {self.differing} values differ, the first is {self.detail}"
        return f"{head}: largest difference {self.largest:.3g}{at}{tail}"


def compare_folder(installation: Installation, labels: LabelFile, expected: Path) -> list[FileComparison]:
    """Every file below ``expected`` beside the same report made again, by name.

    A file that is no known report counts as a difference. Raises `StudyError` for a folder without files.
    """
    if not expected.is_dir():
        raise StudyError(f"{expected}: no such folder; name the one with the old system's reports.")
    files = {
        path.relative_to(expected).as_posix(): path
        for path in sorted(expected.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(expected).parts)
    }
    if not files:
        raise StudyError(f"{expected}: expected the old system's reports, found no file.")
    jobs = OldJobs.of(installation, labels)
    remade = Remade(jobs, {name: _document(path) for name, path in files.items()})
    return [compare_report(name, remade) for name in files]


def compare_report(name: str, remade: Remade) -> FileComparison:
    """One of the documents of ``remade`` beside the same report made again."""
    document = remade.documents[name]
    kind = kind_of(document)
    if kind is None:
        return _not_compared(name, "", "unknown file, expected a report of the old scripts")
    try:
        found = remade.report(name, kind)
    except SopilotError as error:
        return _not_compared(name, kind, f"cannot be made again: {error}")
    except (KeyError, TypeError, ValueError) as error:
        return _not_compared(name, kind, f"not a complete {kind}: {type(error).__name__} {error}")
    compared = compare_documents(document, found, ignored=IGNORED)
    first = max(compared.differences, key=lambda one: one.size, default=None)
    return FileComparison(
        name,
        kind,
        compared.largest,
        compared.where,
        len(compared.differences),
        "" if first is None else str(first),
    )


def _not_compared(name: str, kind: str, why: str) -> FileComparison:
    return FileComparison(name, kind, math.inf, "", 1, why)


def kind_of(document: Document) -> str | None:
    """Which report a document is, told by its keys; None for something else.

    >>> kind_of({"gates": {}, "critical_scoring_mode": "legacy_binary"})
    'gate report'
    """
    return next((kind for kind, keys in _KINDS.items() if keys <= document.keys()), None)


_KINDS: Final[Mapping[str, frozenset[str]]] = {
    "split evaluation": frozenset({"results", "split_manifest"}),
    "split manifest": frozenset({"strategy", "split_job_ids"}),
    "shadow comparison": frozenset({"shadow_diff", "baseline", "candidate"}),
    "fit report": frozenset({"top_candidates", "best_candidate"}),
    "policy": frozenset({"guardrails", "fit"}),
    "error breakdown": frozenset({"overall", "by_fp_reason"}),
    "gate report": frozenset({"gates", "critical_scoring_mode"}),
}


@dataclass(frozen=True)
class Remade:
    """The reports made again; ``documents`` are the expected ones by name, for what they were asked for."""

    jobs: OldJobs
    documents: Mapping[str, Document]

    def report(self, name: str, kind: str) -> Report:
        """The report that belongs beside the document ``name``."""
        make: dict[str, Callable[[str, Document], Report]] = {
            "split evaluation": self._split_evaluation,
            "split manifest": lambda _, document: self._manifest(document),
            "shadow comparison": self._shadow,
            "fit report": self._fit_report,
            "policy": self._policy_file,
            "error breakdown": self._errors,
            "gate report": self._gate,
        }
        return make[kind](name, self.documents[name])

    @cached_property
    def task_id(self) -> str | None:
        """The task that the reports are about, for those that do not say."""
        said = [document["task_id"] for document in self.documents.values() if "task_id" in document]
        return said[0] if said else self.jobs.labels.task_id

    def _gate(self, name: str, document: Document) -> Report:
        swept = document.get("critical_threshold_sweep")
        return gate_report(
            self.jobs,
            task_id=document["task_id"],
            mode=str(document["critical_scoring_mode"]),
            threshold=_number(document["critical_threshold"], "critical_threshold"),
            profile=document.get("gate_profile"),
            overrides=document.get("gate_overrides") or {},
            policy=self._policy(name, document.get("critical_policy_path"), document.get("critical_policy")),
            sweep=None if swept is None else _thresholds(swept),
            with_labels=document.get("critical_confusion") is not None,
        )

    def _errors(self, _: str, document: Document) -> Report:
        overall = document["overall"]
        return error_breakdown(
            self.jobs,
            task_id=self.task_id,
            mode=str(overall["critical_scoring_mode"]),
            threshold=_number(overall["critical_threshold"], "critical_threshold"),
            backend=overall.get("backend"),
        )

    def _shadow(self, name: str, document: Document) -> Report:
        sides = {}
        for side in ("baseline", "candidate"):
            asked = document[side]
            policy = self._policy(
                name, asked.get("policy_path"), (asked.get("report") or {}).get("critical_policy")
            )
            sides[side] = (str(asked["mode"]), _number(asked["threshold"], "threshold"), policy)
        with_labels = document["baseline"]["report"].get("critical_confusion") is not None
        return shadow_comparison(self.jobs, task_id=document["task_id"], sides=sides, with_labels=with_labels)

    def _manifest(self, document: Document) -> Report:
        return OldSplit.of(document).manifest(self.jobs)

    def _split_evaluation(self, name: str, document: Document) -> Report:
        found = split_evaluation(
            self.jobs,
            self._manifest(document["split_manifest"]),
            modes=[str(mode) for mode in document["candidate_modes"]],
            threshold=_number(document["critical_threshold"], "critical_threshold"),
            profile=str(document["gate_profile"]),
            strict=bool(document["strict_evidence_gates"]),
            policy=self._policy(name, document.get("critical_policy_path"), _summary_in(document)),
        )
        # what the command was called with, beside what the manifest says
        asked = ("task_id", "seed", "holdout_site", "split_ratios")
        return (
            found
            | {key: document[key] for key in asked if document.get("split_manifest_path")}
            | (
                {key: document["split_manifest"][key] for key in asked}
                if not document.get("split_manifest_path")
                else {}
            )
        )

    def _policy_file(self, name: str, document: Document) -> Report:
        return dict(self._fit(name, document).policy.content)

    def _fit_report(self, name: str, document: Document) -> Report:
        written = self._named(name, document.get("output_policy"), "policy")
        fitted = self.documents[written]["fit"] if written else {}
        asked = {**document, "search_grid": fitted.get("search_grid"), "dev_jobs": fitted.get("dev_jobs")}
        return dict(self._run(name, asked).report)

    def _fit(self, name: str, document: Document) -> FittedPolicy:
        threshold = document.get("critical_threshold", DEFAULT_THRESHOLD)
        return self._run(name, {**document["fit"], "critical_threshold": threshold})

    def _run(self, name: str, asked: Document) -> FittedPolicy:
        fit = OldFit(
            task_id=asked["task_id"],
            profile=str(asked["gate_profile"]),
            intervals=bool(asked["use_ci_constraints"]),
            threshold=_number(asked["critical_threshold"], "critical_threshold"),
            grid=asked.get("search_grid"),
        )
        dev = self._dev(name, asked)
        cases = self.jobs.completed(fit.task_id)
        return fit.run(cases[cases["order"].isin(dev)].reset_index(drop=True))

    def _dev(self, name: str, asked: Document) -> list[int]:
        """The dev split that a policy was fitted on: of the manifest it names; where the path says too
        little, of the one that was evaluated with a policy, or else of the grouping by trainee.
        """
        manifests = {
            one: document for one, document in self.documents.items() if kind_of(document) == "split manifest"
        }
        locked = [
            document["split_manifest"]
            for document in self.documents.values()
            if kind_of(document) == "split evaluation" and document.get("critical_policy_path")
        ]
        named = self._named(name, asked.get("split_manifest_path"), "split manifest")
        usual = [one for one in manifests.values() if one.get("strategy") == DEFAULT_STRATEGY]
        chosen = [*([manifests[named]] if named else []), *locked, *usual, *manifests.values()]
        plans = [OldSplit.of(document) for document in chosen] or [
            OldSplit.of({**_DEFAULT_MANIFEST, "task_id": asked["task_id"]})
        ]
        found = [plan.members(self.jobs)["dev"] for plan in dict.fromkeys(plans)]
        wanted = asked.get("dev_jobs")
        return next((dev for dev in found if len(dev) == wanted), found[0])

    def _policy(self, name: str, path: str | None, summary: Document | None) -> OldPolicy | None:
        """The policy that a report used: fitted again where its file is there, else as the report has it."""
        if path is None and summary is None:
            return None
        written = self._named(name, path, "policy")
        if written:
            return self._fit(written, self.documents[written]).policy
        if summary is None:
            raise StudyError(f"policy {path}: neither its file nor its content is there.")
        return OldPolicy(summary)

    def _named(self, beside: str, path: str | None, kind: str) -> str | None:
        """The document of a kind that a report names by an old path: in its own folder or on top, or the one
        with the longest common end.
        """
        if not path:
            return None
        parts = PurePath(str(path).replace("\\", "/")).parts
        for start in range(len(parts)):
            tail = "/".join(parts[start:])
            for place in ((PurePath(beside).parent / tail).as_posix(), tail):
                if kind_of(self.documents.get(place, {})) == kind:
                    return place
        return None


_DEFAULT_MANIFEST: Final[Document] = {
    "strategy": DEFAULT_STRATEGY,
    "seed": 20260223,
    "split_ratios": {"dev": 0.6, "test": 0.2, "challenge": 0.2},
    "holdout_site": None,
}


def _document(path: Path) -> Document:
    """The JSON object in a file; empty, which is no known report, where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _summary_in(document: Document) -> Document | None:
    for splits in document["results"].values():
        for report in splits.values():
            summary: Document | None = report.get("critical_policy")
            return summary
    return None


def _thresholds(swept: Document) -> list[float]:
    said = swept.get("thresholds")
    return [_number(value, "thresholds") for value in said] if said else list(THRESHOLDS)


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise StudyError(f"{name}: expected a number, found {value!r}.")
    return float(value)
