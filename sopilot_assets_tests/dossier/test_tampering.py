from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from sopilot_assets.dossier.package import Dossier
from sopilot_assets.dossier.signing import SigningKey, new_key, sign
from sopilot_assets.dossier.verifier.files import dossier_id_of, sha256
from sopilot_assets.dossier.verifier.labels import canonical
from sopilot_assets.dossier.verifier.verify import DossierVerification, verify_files

FLIPS = 1000

Files = dict[str, bytes]


def bad_files(files: Mapping[str, bytes], **options: object) -> list[str]:
    return verify_files(files, use_ssh_keygen=False, **options).findings.bad_files  # type: ignore[arg-type]


def rehashed(files: Files, *names: str) -> Files:
    """The manifest told the new hashes of these files, as a careful forger would."""
    manifest = json.loads(files["manifest.json"])
    for name in names or files:
        if name in manifest["files"]:
            manifest["files"][name] = {"sha256": sha256(files[name]), "bytes": len(files[name])}
    return {**files, "manifest.json": json.dumps(manifest, indent=1, sort_keys=True).encode()}


def issued_again(files: Files, key: SigningKey) -> Files:
    """Everything about the dossier made consistent with changed content, and signed by another key."""
    summary = json.loads(files["dossier.json"])
    summary["dossier_id"] = dossier_id_of(files)
    files = {**files, "dossier.json": json.dumps(summary).encode(), "allowed_signers": key.allowed_signers}
    files = rehashed(files)
    statement = json.loads(files["statement.json"])
    for subject in statement["subject"]:
        subject["digest"]["sha256"] = sha256(files[subject["name"]])
    statement["predicate"]["dossier"] = {
        name: summary[name] for name in ("dossier_id", "study_id", "task_id", "verdict")
    }
    statement["predicate"]["result"] = "PASSED" if summary["verdict"] == "gates_passed" else "FAILED"
    files["statement.json"] = json.dumps(statement).encode()
    return {**files, "statement.sig": sign(key, files["statement.json"])}


def edited_csv(data: bytes, change: Callable[[list[dict[str, str]]], None]) -> bytes:
    rows = list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    change(rows)
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


@pytest.fixture(scope="module")
def forger(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return new_key(tmp_path_factory.mktemp("forger"), "forger")


def test_an_untouched_dossier_has_no_bad_file(files: Files) -> None:
    found = verify_files(files)
    assert found.ok
    assert found.findings.failed == []


@pytest.mark.whole
def test_a_thousand_flipped_bytes_are_found_in_their_file(files: Files) -> None:
    rng = np.random.default_rng(20260223)
    names = sorted(files)
    sizes = np.array([len(files[name]) for name in names])
    # half of them over the bytes, half over the files, so that small ones are hit as well
    targets = [
        *rng.choice(len(names), FLIPS // 2, p=sizes / sizes.sum()),
        *rng.integers(0, len(names), FLIPS // 2),
    ]
    missed = []
    for target in targets:
        name = names[int(target)]
        changed = bytearray(files[name])
        place = int(rng.integers(len(changed)))
        changed[place] ^= 1 << int(rng.integers(8))
        if name not in bad_files({**files, name: bytes(changed)}, figures=False):
            missed.append((name, place))
    assert missed == []


@pytest.mark.parametrize(
    "name", ["rows/cases.csv", "rows/detections.csv", "dossier.json", "results/gates.json"]
)
def test_a_flipped_byte_never_crashes_the_figures(files: Files, name: str) -> None:
    rng = np.random.default_rng(5)
    for place in rng.integers(0, len(files[name]), 6):
        changed = bytearray(files[name])
        changed[place] ^= 1 << int(rng.integers(8))
        assert name in bad_files({**files, name: bytes(changed)})


def relabel(rows: list[dict[str, str]]) -> None:
    rows[3]["expected"] = "1.0" if rows[3]["expected"] == "0.0" else "0.0"


def redetect(rows: list[dict[str, str]]) -> None:
    column = next(name for name in rows[0] if name.endswith("_v2.detected"))
    rows[3][column] = "False" if rows[3][column] == "True" else "True"


def resplit(rows: list[dict[str, str]]) -> None:
    next(row for row in rows if row["split"] == "test")["split"] = "dev"


def rescore(rows: list[dict[str, str]]) -> None:
    rows[0]["score"] = "12.5"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("rows/cases.csv", relabel),
        ("rows/cases.csv", rescore),
        ("rows/detections.csv", redetect),
        ("rows/detections.csv", resplit),
    ],
)
def test_an_edited_row_is_found_even_when_all_is_hashed_and_signed_again(
    files: Files, forger: SigningKey, name: str, change: Callable[[list[dict[str, str]]], None]
) -> None:
    edited = {**files, name: edited_csv(files[name], change)}
    assert name in bad_files(edited)
    assert name in bad_files(rehashed(edited, name))
    assert name in bad_files(issued_again(edited, forger))


def test_an_edited_row_without_any_figure_is_found_by_the_hash_of_what_was_split(
    files: Files, forger: SigningKey
) -> None:
    def rename(rows: list[dict[str, str]]) -> None:
        rows[0]["original_name"] = "other.mp4"

    edited = {**files, "rows/cases.csv": edited_csv(files["rows/cases.csv"], rename)}
    assert bad_files(issued_again(edited, forger)) == ["rows/cases.csv"]


@pytest.mark.parametrize("change", ["drop the last", "drop one", "swap two", "rewrite one", "add one again"])
def test_the_chain_of_labels_tells_every_change(files: Files, forger: SigningKey, change: str) -> None:
    lines = files["rows/label_events.jsonl"].splitlines(keepends=True)
    if change == "drop the last":
        lines.pop()
    elif change == "drop one":
        del lines[7]
    elif change == "swap two":
        lines[4], lines[5] = lines[5], lines[4]
    elif change == "rewrite one":
        event = json.loads(lines[7])
        event["critical_expected"] = not event["critical_expected"]
        body = {name: value for name, value in event.items() if name != "event_id"}
        lines[7] = canonical({**event, "event_id": sha256(canonical(body))}) + b"\n"
    else:
        lines.insert(7, lines[7])
    edited = {**files, "rows/label_events.jsonl": b"".join(lines)}
    assert "rows/label_events.jsonl" in bad_files(rehashed(edited, "rows/label_events.jsonl"))
    assert "rows/label_events.jsonl" in bad_files(issued_again(edited, forger))


def test_a_swapped_policy_is_found(files: Files, forger: SigningKey) -> None:
    name, policy = next(
        (name, policy)
        for name, policy in ((one, json.loads(files[one])) for one in files if one.startswith("protocol/pol"))
        if policy["detector"] == "guarded_binary_v2"
    )
    policy["guardrails"] = {"min_dtw": 0.9, "max_distance": 0.11, "max_span": 1.5}
    edited = {**files, name: json.dumps(policy).encode()}
    assert name in bad_files(rehashed(edited, name))
    assert name in bad_files(issued_again(edited, forger))

    # with an id of its own it is another policy, by which the stated detections do not come out
    body = {field: value for field, value in policy.items() if field != "policy_id"}
    policy["policy_id"] = f"critical-policy-{sha256(canonical(body))[:12]}"
    other = f"protocol/policies/{policy['policy_id']}.json"
    swapped = {
        **{one: data for one, data in files.items() if one != name},
        other: json.dumps(policy).encode(),
    }
    found = bad_files(swapped)
    assert {name, other, "rows/detections.csv"} <= set(found)


def test_another_policy_of_the_study_in_its_place_is_found(files: Files, dossier: Dossier) -> None:
    name = f"protocol/policies/{dossier.summary.policy_id}.json"
    other = next(one for one in files if one.startswith("protocol/policies/") and one != name)
    assert name in bad_files({**files, name: files[other]})


@pytest.mark.parametrize("where", ["manifest.json", "statement.json"])
def test_a_stripped_hash_is_found(files: Files, where: str) -> None:
    content = json.loads(files[where])
    if where == "manifest.json":
        del content["files"]["rows/cases.csv"]
    else:
        content["subject"] = [one for one in content["subject"] if one["name"] != "rows/cases.csv"]
    found = bad_files({**files, where: json.dumps(content).encode()})
    assert {"rows/cases.csv", where} <= set(found)


@pytest.mark.parametrize(
    "name", ["stills", "rows/repeats.csv", "statement.sig", "allowed_signers", "manifest.json"]
)
def test_a_removed_file_is_named(files: Files, name: str) -> None:
    gone = next(one for one in files if one.startswith(name))
    assert gone in bad_files({one: data for one, data in files.items() if one != gone})


def test_an_added_file_is_named(files: Files) -> None:
    assert "rows/more.csv" in bad_files({**files, "rows/more.csv": b"case_id\n"})


def test_a_dossier_issued_by_somebody_else_is_not_by_the_key_that_is_expected(
    files: Files, forger: SigningKey, key: SigningKey
) -> None:
    summary = json.loads(files["dossier.json"]) | {"title": "A better title"}
    forged = issued_again({**files, "dossier.json": json.dumps(summary).encode()}, forger)
    assert verify_files(forged).ok
    assert bad_files(forged, signer=key.fingerprint) == ["statement.sig"]
    assert bad_files(files, signer=key.public) == []


def gates_passed(files: Files, change: Callable[[dict[str, object]], None]) -> DossierVerification:
    gates = json.loads(files["results/gates.json"])
    change(gates)
    return verify_files({**files, "results/gates.json": json.dumps(gates).encode()}, use_ssh_keygen=False)


def test_gates_that_do_not_follow_from_their_values_are_named(files: Files) -> None:
    def pretend(gates: dict[str, object]) -> None:
        report = gates["report"]
        assert isinstance(report, dict)
        for check in report["checks"]:
            check["passed"] = True
        report["overall_pass"] = True

    found = gates_passed(files, pretend)
    wrong = {line.what for line in found.findings.failed}
    assert "gate clustered_miss_rate_ci95_high: passed" in wrong
    assert "verdict" in wrong
