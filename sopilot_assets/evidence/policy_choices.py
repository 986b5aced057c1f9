"""Which studies could set a task's limits, why others cannot, and what a policy promises by its dossier.

Nothing is verified here but that a dossier is the one that was adopted; `adopted_policies.adoptable` does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sopilot_assets.dossier.verifier.detectors import POLICIES
from sopilot_assets.dossier.verifier.files import MANIFEST, sha256
from sopilot_assets.dossier.words import gate_name
from sopilot_assets.errors import SopilotError, StudyError
from sopilot_assets.evidence.adopted_policies import PASSED, review_limit
from sopilot_assets.evidence.results import GATES, Results, gate_verdict
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.studies.adoptions import AdoptionEvent
from sopilot_assets.studies.claims import Claim, claims_carried, claims_of_headline, whole_percent
from sopilot_assets.studies.policies import Policy, parse_policies
from sopilot_assets.studies.registration import read_registration
from sopilot_assets.studies.risk_control import RiskControl
from sopilot_assets.studies.spec import load_study, study_ids
from sopilot_assets.texts.languages import Text

_SUMMARY: Final = "dossier.json"


@dataclass(frozen=True, slots=True)
class PolicyPromise:
    """What a policy promises: the study, the rates that its dossier states with the people behind them, and
    the bound on misses by which its threshold was chosen, None where it has none.
    """

    title: str
    dossier_id: str
    policy: Policy
    claims: tuple[Claim, ...]

    @property
    def risk(self) -> RiskControl | None:
        """How the threshold keeps misses in bounds."""
        return self.policy.fit.risk

    @property
    def enough_people(self) -> bool:
        """Whether so many people allow a statement about others."""
        return claims_carried(self.claims)

    @property
    def bound(self) -> Text | None:
        """The bound on misses in a sentence."""
        risk = self.risk
        if risk is None:
            return None
        share, sure = whole_percent(risk.target), f"{100 * risk.confidence:g} %"
        return Text(
            f"Of people with a critical recording at most {share} have one missed, with {sure} confidence; "
            f"fitted on {risk.persons} such people, of whom at most {risk.allowed} had one missed.",
            f"重大な逸脱のある録画が一つでも見逃される人は、そのような人の {share} 以下（信頼度 {sure}）。"
            f"重大な逸脱のあった {risk.persons} 人から求めた値で、うち見逃しがあったのは最大 "
            f"{risk.allowed} 人です。",
        )


@dataclass(frozen=True, slots=True)
class PolicyChoice:
    """A study, or one of several dossiers of it, and why it cannot be adopted as it is; None where nothing
    speaks against it before it is verified.
    """

    study_id: str
    title: str
    task_id: str
    dossier_id: str | None
    promise: PolicyPromise | None
    why_not: Text | None


def policy_choices(home: Home) -> list[PolicyChoice]:
    """The studies of a home, those first that could be adopted; one whose file cannot be used is left out."""
    found = [one for study_id in study_ids(home) for one in _choices(home, study_id)]
    return sorted(found, key=lambda one: (one.why_not is not None, one.study_id))


def promise_of(home: Home, said: AdoptionEvent) -> PolicyPromise | None:
    """What an adopted policy promises, by the dossier that it was adopted from; None where that is gone, or
    not as it was.
    """
    folder = local_path(home.dossiers / said.study_id / f"{said.study_id}-{said.dossier_id}")
    try:
        manifest = (folder / MANIFEST).read_bytes()
        if sha256(manifest) != said.dossier_sha256:
            return None
        return _promise(folder, json.loads((folder / _SUMMARY).read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, StudyError):
        return None  # the event itself says who, when, why and the threshold


def _choices(home: Home, study_id: str) -> Iterator[PolicyChoice]:
    try:
        spec = load_study(home, study_id)
    except StudyError:
        return
    paths = sorted(local_path(home.dossiers / study_id).glob(f"*/{_SUMMARY}"))
    read = [(path.parent, _read(path)) for path in paths]
    passed = [(folder, summary) for folder, summary in read if summary.get("verdict") == PASSED]
    for folder, summary in passed:
        promise, why = _of_passed(folder, summary)
        dossier_id = str(summary["dossier_id"])
        yield PolicyChoice(study_id, spec.title, spec.task, dossier_id, promise, why)
    if not passed:
        why = _why_none(home, study_id, [summary for _, summary in read])
        yield PolicyChoice(study_id, spec.title, spec.task, None, None, why)


def _read(path: Path) -> Mapping[str, object]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _of_passed(folder: Path, summary: Mapping[str, object]) -> tuple[PolicyPromise | None, Text | None]:
    try:
        promise = _promise(folder, summary)
        review_limit(promise.policy)
    except StudyError as error:
        return None, Text(str(error), error.ja or str(error))
    except (OSError, ValueError, KeyError, TypeError):
        return None, Text(
            "its dossier is not what it was written as; build it again",
            "証拠書類が書き出されたときのままではありません。作り直してください",
        )
    return promise, None


def _promise(folder: Path, summary: Mapping[str, object]) -> PolicyPromise:
    headline, split, detector = summary["headline"], str(summary["gate_split"]), str(summary["detector"])
    if not isinstance(headline, list):
        raise TypeError("headline: expected a list")
    name = f"{POLICIES}{summary['policy_id']}.json"
    (policy,) = parse_policies([json.loads((folder / name).read_bytes())])
    claims = tuple(claims_of_headline(headline, split=split, detector=detector))
    return PolicyPromise(str(summary["title"]), str(summary["dossier_id"]), policy, claims)


def _why_none(home: Home, study_id: str, summaries: list[Mapping[str, object]]) -> Text:
    """Why a study has no dossier with gates that passed."""
    try:
        if read_registration(home, study_id) is None:
            return Text("it is not registered yet", "まだ登録されていません")
        if not Results(home, study_id).has(GATES):
            return Text("it has no result yet", "まだ結果がありません")
        verdict = gate_verdict(home, study_id)
    except SopilotError as error:
        return Text(str(error), getattr(error, "ja", None) or str(error))
    failed = [gate_name(str(row["name"])) for row in verdict.rows if not row["passed"]]
    if failed:
        en, ja = ", ".join(one.en for one in failed), "、".join(one.ja for one in failed)
        return Text(f"gates failed: {en}", f"満たしていない基準：{ja}")
    if summaries:
        return Text("its dossier is not ready", "証拠書類がそろっていません")
    return Text("it has no dossier yet", "証拠書類がまだありません")
