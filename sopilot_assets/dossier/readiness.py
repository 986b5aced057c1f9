"""Whether a dossier may be handed out: every input that is missing is a blocker by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sized
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Final

import pandas as pd

from sopilot_assets.dossier.inputs import DossierInputs, Pictures
from sopilot_assets.studies.spec import parse_study


def _by(station: str) -> str:
    return f"Run `sopilot study run`, or materialize {station}."


REQUIRED: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "study_yaml": ("the pre-registration of the study", "Write studies/<study>.yaml and register it."),
        "registration": ("the registration of the study", "Run `sopilot study register`."),
        "task_yaml": ("the task file", "Put the task's YAML file into tasks/."),
        "task_lock": ("the lock of the task", "Run `sopilot task lock`."),
        "cases": ("the judged recordings", "Score recordings of the task."),
        "detections": ("what each detector says of each recording", _by("split_evaluations")),
        "split_manifest": ("the manifest of the splits", _by("split_manifests")),
        "leakage": ("the proof that no group spans two splits", _by("split_manifests")),
        "policies": ("the fitted policies", _by("critical_policies")),
        "policy_id": ("a feasible policy", "Label more recordings of the dev split, then fit again."),
        "evaluations": ("the figures on each split", _by("split_evaluations")),
        "gate_report": ("the gates", _by("gate_reports")),
        "gate_values": ("the values that the gates saw", _by("gate_reports")),
        "shadow": ("the comparison with the baseline", _by("shadow_reports")),
        "errors": ("the list of misses and false alarms", _by("error_packets")),
        "stills": ("pictures of the misses and false alarms", _by("error_packets")),
        "label_events": ("the chain of label events", "Import a label sheet: `sopilot label import`."),
        "label_head": ("the end of the chain of label events", "Run `sopilot label list TASK --chain`."),
        "looks": ("the ledger of looks at the held-out splits", _by("split_evaluations")),
        "repeats": ("repeated measurements", "Run `sopilot measure repeat`."),
        "agreement": ("the agreement between raters", "Have a second person label: `sopilot label import`."),
        "drift": ("the drift figures", _by("split_evaluations")),
        "versions": ("the versions of what made it", "Give the versions to the dossier."),
    }
)
"""Every input that a dossier needs: what it is, and what to do where it is missing."""

_OF_A_POLICY: Final = frozenset({"evaluations", "shadow", "errors", "stills", "looks", "drift"})
_NEEDS_POLICY: Final = "It comes with a feasible policy."
_MAY_BE_EMPTY: Final = frozenset({"errors", "stills"})


@dataclass(frozen=True, slots=True)
class Blocker:
    """One reason why a dossier is not ready: the input, what is wrong with it, what to do."""

    input: str
    reason: str
    remedy: str

    def as_dict(self) -> dict[str, str]:
        """The same as a JSON object."""
        return {"input": self.input, "reason": self.reason, "remedy": self.remedy}


def blockers(inputs: DossierInputs) -> list[Blocker]:
    """Every reason why these inputs make no complete dossier, missing inputs first; empty when ready."""
    given = _given(inputs)
    closed = _OF_A_POLICY if inputs.results.policies and not inputs.results.policy_id else frozenset()
    missing = [
        Blocker(name, f"{what}: missing", _NEEDS_POLICY if name in closed else remedy)
        for name, (what, remedy) in REQUIRED.items()
        if _is_missing(given[name], name)
    ]
    return missing + list(_contradictions(inputs))


def _given(inputs: DossierInputs) -> dict[str, object]:
    """Every required input by name."""
    protocol, tables, results, labels = inputs.protocol, inputs.tables, inputs.results, inputs.labels
    return {
        **{
            name: getattr(protocol, name) for name in ("study_yaml", "registration", "task_yaml", "task_lock")
        },
        **{field.name: getattr(tables, field.name) for field in fields(tables)},
        "split_manifest": results.manifest,
        "policies": results.policies,
        "policy_id": results.policy_id,
        "evaluations": results.figures,
        "gate_report": results.gates,
        "gate_values": results.gates and results.gates.values,
        "shadow": results.shadow,
        "drift": results.drift,
        "stills": inputs.pictures.stills,
        "label_events": labels.events,
        "label_head": labels.head,
        "agreement": labels.agreement,
        "versions": inputs.versions,
    }


def _is_missing(value: object, name: str) -> bool:
    if value is None:
        return True
    if name in _MAY_BE_EMPTY:
        return False
    return isinstance(value, Sized) and len(value) == 0


def _contradictions(inputs: DossierInputs) -> Iterator[Blocker]:
    """Inputs that are there and cannot be what they claim."""
    for name, why in inputs.stale.items():
        yield Blocker(name, why, "Materialize the study's assets again, from split_manifests on.")
    if inputs.protocol.study_yaml and inputs.protocol.registration:
        sha256 = parse_study(inputs.protocol.study_yaml, source="study.yaml").sha256()
        if sha256 != inputs.protocol.registration.current.spec_sha256:
            yield Blocker(
                "registration",
                "the study file says something else than what was registered",
                "Restore the registered file, or make a new study.",
            )
    if inputs.results.policy_id and inputs.results.policies:
        policy = inputs.results.policy
        if policy is None or not policy.feasible:
            yield Blocker(
                "policy_id",
                f"{inputs.results.policy_id} is not a feasible policy among those fitted",
                "Materialize critical_policies again.",
            )
    if (
        inputs.labels.events
        and inputs.labels.head
        and inputs.labels.events[-1].event_id != inputs.labels.head
    ):
        yield Blocker(
            "label_events",
            f"the last event is not {inputs.labels.head[:12]}…, with which the chain ends",
            "Run `sopilot label list TASK --chain`.",
        )
    if inputs.labels.agreement and inputs.labels.agreement.kappa is None:
        what, remedy = REQUIRED["agreement"]
        yield Blocker("agreement", f"{what}: {inputs.labels.agreement.reason or 'unknown'}", remedy)
    if inputs.tables.cases is not None:
        yield from _mixed(inputs.tables.cases)
    yield from _splits(inputs)
    if inputs.tables.errors is not None and inputs.pictures.stills is not None:
        yield from _without_stills(inputs.tables.errors, inputs.pictures.stills, inputs.pictures)


def _mixed(cases: pd.DataFrame) -> Iterator[Blocker]:
    """Scores that do not go together: one policy cannot be judged on the scores of two products."""
    judged = cases.loc[(cases["problem"] == "") & cases["expected"].notna()]
    for column in ("algorithm", "backend", "reference_id", "decided_by"):
        found = sorted(set(judged[column])) if column in judged else []
        if len(found) > 1:
            yield Blocker(
                "cases",
                f"the recordings were scored by {len(found)} versions of {column}: {', '.join(found)[:200]}",
                "Run `sopilot score run --stale`, then materialize split_manifests again.",
            )


def _splits(inputs: DossierInputs) -> Iterator[Blocker]:
    if inputs.results.figures is None or not inputs.results.detector:
        return
    for split in ("dev", "test", "challenge"):
        if inputs.results.detector not in inputs.results.figures.get(split, {}):
            yield Blocker(
                "evaluations",
                f"no figures of {inputs.results.detector} on the {split} split",
                "Materialize split_evaluations again.",
            )


def _without_stills(
    errors: pd.DataFrame, stills: Mapping[str, bytes], pictures: Pictures
) -> Iterator[Blocker]:
    shown = {name.partition("/")[0] for name, data in stills.items() if data}
    wrong = errors.loc[errors["error"] != "undecided", "case_id"]
    lacking = sorted(set(wrong) - shown - pictures.erased)
    if lacking:
        why = pictures.lacking.get(lacking[0], "")
        yield Blocker(
            "stills",
            f"no picture of {len(lacking)} misses or false alarms, e.g. "
            f"{lacking[0]}{f' ({why})' if why else ''}",
            "Restore their videos and materialize error_packets again.",
        )
