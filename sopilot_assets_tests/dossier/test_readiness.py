from __future__ import annotations

import json

import pytest

from sopilot_assets.dossier.inputs import DossierInputs
from sopilot_assets.dossier.package import Dossier, build_dossier
from sopilot_assets.dossier.readiness import REQUIRED, blockers
from sopilot_assets.dossier.signing import SigningKey
from sopilot_assets.dossier.verifier.verify import verify_files
from sopilot_assets_tests.dossier.made_up import changed, without


def names(inputs: DossierInputs) -> list[str]:
    return [one.input for one in blockers(inputs)]


def test_complete_inputs_have_no_blocker(inputs: DossierInputs, dossier: Dossier) -> None:
    assert blockers(inputs) == []
    assert dossier.ready
    assert dossier.verdict == "gates_failed"


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_a_dossier_without_one_input_is_a_draft_that_names_it(
    inputs: DossierInputs, key: SigningKey, name: str
) -> None:
    draft = build_dossier(without(inputs, name), key)
    assert name in [one.input for one in draft.blockers]
    assert (draft.ready, draft.verdict) == (False, "not_ready")
    found = verify_files(draft.files, use_ssh_keygen=False, figures=False)
    assert found.ok
    assert found.as_dict()["verdict"] == "not_ready"
    page = draft.files["index.html"].decode()
    assert "Draft, not ready" in page
    assert f"<li>{name}: " in page


@pytest.mark.parametrize("name", ["cases", "detections", "leakage", "looks", "repeats"])
def test_an_empty_table_is_a_missing_one(inputs: DossierInputs, name: str) -> None:
    assert name in names(changed(inputs, "tables", **{name: getattr(inputs.tables, name).iloc[:0]}))


@pytest.mark.parametrize("name", ["study_yaml", "task_yaml", "task_lock"])
def test_an_empty_file_is_a_missing_one(inputs: DossierInputs, name: str) -> None:
    assert name in names(changed(inputs, "protocol", **{name: b""}))


def test_no_errors_need_no_pictures(inputs: DossierInputs) -> None:
    assert inputs.tables.errors is not None
    assert (
        names(changed(changed(inputs, "tables", errors=inputs.tables.errors.iloc[:0]), "pictures", stills={}))
        == []
    )


def test_an_error_without_a_picture_is_named_with_its_reason(inputs: DossierInputs) -> None:
    assert inputs.tables.errors is not None
    assert inputs.pictures.stills is not None
    case = str(inputs.tables.errors["case_id"].iloc[0])
    stills = {name: data for name, data in inputs.pictures.stills.items() if not name.startswith(case)}
    (blocker,) = blockers(changed(inputs, "pictures", stills=stills, lacking={case: "the video is gone"}))
    assert blocker.input == "stills"
    assert case in blocker.reason
    assert "the video is gone" in blocker.reason


def test_a_study_that_says_something_else_than_was_registered_blocks(inputs: DossierInputs) -> None:
    assert inputs.protocol.study_yaml is not None
    other = inputs.protocol.study_yaml.replace(b"miss_rate_target: 0.2", b"miss_rate_target: 0.3")
    assert names(changed(inputs, "protocol", study_yaml=other)) == ["registration"]
    assert names(changed(inputs, "protocol", study_yaml=b"# a comment\n" + inputs.protocol.study_yaml)) == []


def test_an_infeasible_policy_blocks(inputs: DossierInputs) -> None:
    policies = [one.model_copy(update={"feasible": False}) for one in inputs.results.policies]
    assert names(changed(inputs, "results", policies=policies)) == ["policy_id"]


def test_what_waits_for_a_policy_says_so(inputs: DossierInputs) -> None:
    waiting = without(without(inputs, "evaluations"), "drift")
    closed = {one.input: one.remedy for one in blockers(without(waiting, "policy_id"))}
    assert closed["drift"] == closed["evaluations"] == "It comes with a feasible policy."
    assert {"sopilot study run" in one.remedy for one in blockers(waiting)} == {True}


def test_repeats_are_told_apart_from_recordings(inputs: DossierInputs, dossier: Dossier) -> None:
    assert inputs.tables.repeats is not None
    shifted = inputs.tables.repeats.loc[inputs.tables.repeats["kind"] == "shifted"]
    page = dossier.files["index.html"].decode()
    assert f"{len(shifted)} times in all, {shifted['key'].nunique()} recordings moved" in page


def test_a_shorter_chain_than_the_ledger_knows_blocks(inputs: DossierInputs) -> None:
    assert names(changed(inputs, "labels", events=inputs.labels.events[:-1])) == ["label_events"]


def test_a_split_that_was_not_evaluated_blocks(inputs: DossierInputs) -> None:
    assert inputs.results.figures is not None
    some = {split: value for split, value in inputs.results.figures.items() if split != "challenge"}
    assert names(changed(inputs, "results", figures=some)) == ["evaluations"]


def test_a_draft_that_calls_itself_ready_does_not_verify(inputs: DossierInputs, key: SigningKey) -> None:
    files = dict(build_dossier(without(inputs, "repeats"), key).files)
    summary = json.loads(files["dossier.json"])
    summary["readiness"] = {"ready": True, "blockers": []}
    files["dossier.json"] = json.dumps(summary).encode()
    failed = verify_files(files, use_ssh_keygen=False).findings.failed
    assert any(line.what == "ready to hand out" and "repeats" in line.found for line in failed)


def test_without_a_policy_held_out_recordings_stay_closed(inputs: DossierInputs, key: SigningKey) -> None:
    draft = build_dossier(without(inputs, "policy_id"), key)
    assert {line.split for line in draft.summary.headline} == {"dev"}
