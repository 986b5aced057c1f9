"""Station of adoption: a policy of a verified dossier sets the limits of its task, until that is over."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from sopilot_assets.dossier.signing import list_keys
from sopilot_assets.dossier.verifier.detectors import POLICIES
from sopilot_assets.dossier.verifier.evidence import REGISTRATION
from sopilot_assets.dossier.verifier.files import MANIFEST, read_files, sha256
from sopilot_assets.dossier.verifier.signature import SignatureFault
from sopilot_assets.dossier.verifier.tables import CASES_FILE, DETECTIONS_FILE
from sopilot_assets.dossier.verifier.verify import verify_files
from sopilot_assets.errors import DossierError, StudyError
from sopilot_assets.reference.ledger import reference_rows
from sopilot_assets.scoring.ledger import algorithm_version
from sopilot_assets.stations.adoptions import standings
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.studies.adoptions import (
    AdoptionEvent,
    AdoptionHappening,
    adoptions,
    ended,
    say_adoption,
)
from sopilot_assets.studies.calibrated import PROBABILITY_DIGITS
from sopilot_assets.studies.cases import read_cases
from sopilot_assets.studies.policies import DEV, Policy, parse_policies
from sopilot_assets.studies.risk_control import most_misses
from sopilot_assets.tasks import TaskSpec, load_task

PASSED: Final = "gates_passed"
_FAULTS_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Adoptable:
    """A policy that can be adopted now: its verified dossier, its task, and what the event says of it."""

    dossier: PolicyDossier
    task: TaskSpec
    fields: Mapping[str, object]

    @property
    def review(self) -> float:
        """From which critical probability on a person has to look."""
        return float(str(self.fields["review"]))


@dataclass(frozen=True, slots=True)
class PolicyDossier:
    """A verified, signed dossier with gates that passed: its policy, its cases, whose key signed it, and
    whether enough people stand behind its figures.
    """

    files: Mapping[str, bytes]
    summary: Mapping[str, object]
    policy: Policy
    cases: pd.DataFrame
    signer: str

    @property
    def dossier_id(self) -> str:
        """The id by its content."""
        return str(self.summary["dossier_id"])

    @property
    def enough_people(self) -> bool:
        """Whether its figures allow a statement about others."""
        return self.summary.get("carried") is True


def adopt_policy(
    home: Home,
    study_id: str,
    *,
    by: str,
    reason: str,
    run_id: str,
    written_at: str,
    task_id: str | None = None,
    dossier_id: str | None = None,
    signer: str | None = None,
) -> tuple[AdoptionEvent, PolicyDossier]:
    """The event by which the selected policy of a study decides for its task from now on; one before it is
    replaced.

    ``task_id`` is the task that is meant, where somebody said so. ``dossier_id`` chooses among several
    dossiers with gates that passed; ``signer`` is the key or fingerprint
    that has to have signed it, by default one of the home's own. Raises `DossierError` for a dossier that
    does not verify, `StudyError` for a policy that cannot decide, each with the reason.
    """
    found = adoptable(home, study_id, task_id=task_id, dossier_id=dossier_id, signer=signer)
    said = {**found.fields, "happened": AdoptionHappening.ADOPTED.value, "who": by, "reason": reason}
    event = say_adoption(home, found.task.task_id, said, run_id=run_id, written_at=written_at)
    return event, found.dossier


def adoptable(
    home: Home,
    study_id: str,
    *,
    task_id: str | None = None,
    dossier_id: str | None = None,
    signer: str | None = None,
) -> Adoptable:
    """The policy of a study as it would be adopted now; raises as `adopt_policy` does, and writes nothing."""
    dossier = policy_dossier(home, study_id, dossier_id=dossier_id, signer=signer)
    policy, task = dossier.policy, load_task(home.tasks / f"{dossier.policy.task}.yaml")
    if task_id not in (None, task.task_id):
        raise StudyError(f"study {study_id}: is about {task.task_id}, and cannot decide for {task_id}.")
    review = review_limit(policy)
    refuse_left_open(dossier, review)
    fields: dict[str, object] = {
        "study_id": study_id,
        "policy_id": policy.policy_id,
        "detector": policy.detector,
        "review": review,
        "dossier_id": dossier.dossier_id,
        "dossier_sha256": sha256(dossier.files[MANIFEST]),
        "signer": dossier.signer,
        "task_version": task.version,
        **_conditions(home, dossier, task),
    }
    now = standings(home, {task.task_id: task}).get(task.task_id)
    if now is not None and now.decides and now.said.dossier_sha256 == fields["dossier_sha256"]:
        raise StudyError(
            f"policy {policy.policy_id}: decides for {task.task_id} already, since {now.said.at} by "
            f"{now.said.who}. There is nothing to do.",
            ja=f"ポリシー {policy.policy_id}：{now.said.who} により {now.said.at[:16]} から"
            "すでに採用されています。操作は不要です。",
        )
    return Adoptable(dossier, task, fields)


def withdraw_policy(
    home: Home, task_id: str, *, by: str, reason: str, run_id: str, written_at: str
) -> AdoptionEvent:
    """The event that takes the policy of a task back; `StudyError` where none is adopted."""
    events = adoptions(home).read(task_id)
    if not events or events[-1].happened is AdoptionHappening.WITHDRAWN:
        raise StudyError(
            f"task {task_id}: no policy is adopted, so there is nothing to withdraw.",
            ja=f"作業 {task_id}：採用中のポリシーがないため、取り下げるものがありません。",
        )
    happened = AdoptionHappening.WITHDRAWN
    return ended(home, events[-1], happened, who=by, reason=reason, run_id=run_id, written_at=written_at)


def policy_dossier(
    home: Home, study_id: str, *, dossier_id: str | None = None, signer: str | None = None
) -> PolicyDossier:
    """The study's dossier with gates that passed, verified; `DossierError` with the reason where there is
    none, or more than one to choose from.
    """
    found = {
        path: _verdict(path) for path in sorted(local_path(home.dossiers / study_id).glob("*/dossier.json"))
    }
    passed = {said: path.parent for path, (said, verdict) in found.items() if verdict == PASSED}
    if dossier_id is not None:
        passed = {name: path for name, path in passed.items() if name == dossier_id}
    if len(passed) != 1:
        listed = ", ".join(f"{said} ({verdict})" for said, verdict in found.values()) or "none"
        raise DossierError(
            f"study {study_id}: expected one dossier with the verdict {PASSED}"
            f"{f' and the id {dossier_id}' if dossier_id else ''}, found {listed}. "
            + (
                "Name one with --dossier."
                if len(passed) > 1
                else f"`sopilot study run {study_id}` makes one; `sopilot dossier list` shows all."
            ),
            ja=f"検証 {study_id}：基準をすべて満たした証拠書類が一つだけ必要です（現在：{listed}）。",
        )
    (folder,) = passed.values()
    return _verified(home, study_id, folder, signer)


def review_limit(policy: Policy) -> float:
    """The least critical probability of a score row, in its six digits, from which the policy's detector
    calls a recording critical.

    Raises `StudyError` where the detector is no rising function of that probability alone: then no limit on
    it gives what the dossier says.
    """
    model, threshold = policy.model, policy.threshold
    columns = () if model is None else tuple(one.column for one in model.features)
    if model is None or threshold is None or columns != ("critical_probability",):
        judged_by = "other figures than that" if model is None else ", ".join(columns)
        raise StudyError(
            f"policy {policy.policy_id}: its detector {policy.detector} goes by {judged_by}; expected one "
            "that goes by the critical probability alone, such as calibrated_v1, since decisions have limits "
            "on that. Name calibrated_v1 alone under `detectors` of a new study.",
            ja=f"ポリシー {policy.policy_id}：検出器 {policy.detector} は重大な逸脱の確率だけでは"
            "決まらないため、採用できません。新しい検証で calibrated_v1 だけを指定してください。",
        )
    steps = 10**PROBABILITY_DIGITS
    probability = np.arange(steps + 1) / steps
    critical = model.probability(pd.DataFrame({"critical_probability": probability})) >= threshold
    if model.features[0].coefficient <= 0 or not critical.any():
        raise StudyError(
            f"policy {policy.policy_id}: no critical probability reaches its threshold {threshold:g}; "
            "expected a detector that rises with it. Fit it on more labels in a new study.",
            ja=f"ポリシー {policy.policy_id}：どの確率でもしきい値 {threshold:g} に達しません。"
            "ラベルを増やして、新しい検証を行ってください。",
        )
    return float(probability[int(np.argmax(critical))])


def refuse_left_open(dossier: PolicyDossier, review: float) -> None:
    """Nothing; `StudyError` for a limit below which critical recordings lie that the detector left open, more
    than its promise bears: in the study they were no misses, and now they would pass.
    """
    policy, cases = dossier.policy, dossier.cases
    risk = policy.fit.risk
    if risk is None:
        raise StudyError(
            f"policy {policy.policy_id}: says nothing of the misses it allows. Fit it again.",
            ja=f"ポリシー {policy.policy_id}：見逃しの上限が記録されていません。検証をやり直してください。",
        )
    rows = csv.DictReader(io.StringIO(dossier.files[DETECTIONS_FILE].decode(), newline=""))
    cluster = {row["case_id"]: row["cluster"] for row in rows if row["split"] == DEV}
    critical, left_open = cases["expected"] == 1, cases["decision"] == "not_verifiable"
    below = critical & left_open & (cases["critical_probability"] < review)
    people, decided = (
        set(cases["case_id"][chosen].map(cluster).dropna()) for chosen in (below, critical & ~left_open)
    )
    everybody = risk.persons + len(people - decided)
    bears = most_misses(everybody, target=risk.target, confidence=risk.confidence)
    if people and risk.allowed + len(people) > (bears or 0):
        raise StudyError(
            f"policy {policy.policy_id}: its limit {review:g} would let critical recordings of {len(people)} "
            f"people pass that its detector left open on dev; with {risk.allowed} missed before, at most "
            f"{bears or 0} people are borne by a miss rate of {risk.target:g} at {100 * risk.confidence:g}% "
            "confidence. Label more people, then a new study.",
            ja=f"ポリシー {policy.policy_id}：しきい値 {review:g} では、検出器が判断を保留した"
            f" {len(people)} 人の重大な逸脱が合格になります。もっと多くの人の録画をラベル付けし、"
            "新しい検証を行ってください。",
        )


def _verified(home: Home, study_id: str, folder: Path, signer: str | None) -> PolicyDossier:
    try:
        files = read_files(folder)
        outcome = verify_files(files, signer=signer)
    except (OSError, ValueError, SignatureFault) as error:
        raise DossierError(
            f"{folder}: cannot be verified ({error}). Build it again.",
            ja=f"{folder.name}：証拠書類を検証できません（{error}）。作り直してください。",
        ) from error
    if not outcome.ok:
        faults = "; ".join(
            f"{one.file}: {one.what}: stated {one.stated}, found {one.found}"
            for one in outcome.findings.failed[:_FAULTS_SHOWN]
        )
        raise DossierError(
            f"{folder}: {len(outcome.findings.failed)} comparisons do not agree ({faults}). `sopilot dossier "
            f"verify {folder}` lists them; build it again.",
            ja=f"{folder.name}：証拠書類の {len(outcome.findings.failed)} か所が一致しません（{faults}）。"
            "作り直してください。",
        )
    own = [key.fingerprint for key in list_keys(home.keys)]
    if signer is None and outcome.signer not in own:
        raise DossierError(
            f"{folder}: expected a signature by a key of this home ({', '.join(own) or 'there is none'}), "
            f"found one by {outcome.signer}. Name the key that you trust with --signer.",
            ja=f"{folder.name}：この環境の鍵による署名ではありません（署名：{outcome.signer}）。"
            "信頼する鍵はコマンドの --signer で指定できます。",
        )
    if (outcome.dossier["study_id"], outcome.dossier["verdict"]) != (study_id, PASSED):
        raise DossierError(
            f"{folder}: is of study {outcome.dossier['study_id']}. Build {study_id}'s again.",
            ja=f"{folder.name}：別の検証 {outcome.dossier['study_id']} の証拠書類です。作り直してください。",
        )
    name = f"{POLICIES}{outcome.dossier['policy_id']}.json"
    (policy,) = parse_policies([json.loads(files[name])])
    return PolicyDossier(
        files, outcome.dossier, policy, read_cases(files[CASES_FILE], name=CASES_FILE), outcome.signer
    )


def _verdict(path: Path) -> tuple[str, str]:
    try:
        content = json.loads(path.read_bytes())
        return str(content["dossier_id"]), str(content["verdict"])
    except (ValueError, KeyError, TypeError) as error:
        raise DossierError(f"{path}: expected what a dossier says of itself, found {error}.") from error


def _conditions(home: Home, dossier: PolicyDossier, task: TaskSpec) -> dict[str, object]:
    """The conditions of the study's cases, which have to be those of now, `StudyError` else; and by which
    reference they were scored.
    """
    registered = json.loads(dossier.files[REGISTRATION])["current"]["task_fingerprint"]
    judged = dossier.cases[(dossier.cases["problem"] == "") & dossier.cases["expected"].notna()]
    reference = reference_rows(home).get(task.task_id, {})
    pairs = {
        "task_fingerprint": (str(registered), task.fingerprint()),
        "model_id": (_one(judged["backend"]), str(reference.get("model_id"))),
        "algorithm": (_one(judged["algorithm"]), algorithm_version()),
    }
    other = [f"{name} {then[:40]}, now {now[:40]}" for name, (then, now) in pairs.items() if then != now]
    if other:
        raise StudyError(
            f"policy {dossier.policy.policy_id}: was fitted on scores made otherwise than now "
            f"({'; '.join(other)}). `sopilot score run --stale`, then a new study.",
            ja=f"ポリシー {dossier.policy.policy_id}：現在とは違う条件の判定で作られています"
            f"（{'; '.join(other)}）。判定を更新してから、新しい検証を行ってください。",
        )
    conditions: dict[str, object] = {name: now for name, (_, now) in pairs.items()}
    # no condition: golds may become better, and `PolicyStanding.other_reference` says that they changed
    return {**conditions, "reference_id": _one(judged["reference_id"])}


def _one(values: pd.Series) -> str:
    """The one value, or all of them."""
    return ", ".join(sorted(set(values)))
