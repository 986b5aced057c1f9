"""A headline is never without its number of people and its bad end, whatever gates were chosen."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict

import pytest

from sopilot_assets.dossier.package import Dossier, build_dossier
from sopilot_assets.dossier.plain import PROFILES as EXPLAINED
from sopilot_assets.dossier.signing import SigningKey
from sopilot_assets.dossier.verifier.claims import BAD_END_ALLOWED
from sopilot_assets.dossier.verifier.report import report_lines
from sopilot_assets.dossier.verifier.verify import verify_files
from sopilot_assets.intervals import wilson
from sopilot_assets.studies.claims import WORST_ALLOWED, claim, claims_of_values
from sopilot_assets.studies.profiles import PROFILES
from sopilot_assets_tests.dossier.made_up import study_inputs
from sopilot_assets_tests.dossier.test_tampering import issued_again


@pytest.fixture(scope="module")
def few(key: SigningKey) -> Dossier:
    """A dossier whose lax gates passed on one person with a critical recording and three others."""
    return build_dossier(study_inputs(12, power=6.0, profile_name="legacy_poc"), key)


def page_of(dossier: Dossier) -> str:
    return dossier.files["index.html"].decode()


def test_gates_that_passed_on_a_few_people_are_amber_and_say_how_bad_it_may_be(few: Dossier) -> None:
    assert few.verdict == "gates_passed"
    assert not few.summary.carried
    page = page_of(few)
    assert "All gates passed" not in page
    assert "すべての基準を満たしています" not in page
    for verdict in re.findall(r'<div class="verdict (\w+)">', page):
        assert verdict == "too_few"
    head = page.split("</header>")[0]
    assert "Gates passed, but by too few people for a statement" in head
    assert "Missed: 0 of 1 critical recordings, by 1 person; up to 80 % is possible." in head
    assert "by 3 people; up to 59 % is possible." in head
    assert "It takes at least 35 people with a critical recording (here 1" in page
    assert "legacy_poc holds the limits of the system before" in page


def test_enough_people_are_green_and_say_it_too(key: SigningKey) -> None:
    many = build_dossier(study_inputs(640, power=6.0), key)
    assert many.summary.carried
    head = page_of(many).split("</header>")[0]
    assert '<div class="verdict gates_passed"><b>All gates passed</b><p>Missed: 0 of 42' in head
    assert "up to 9 % is possible" in head
    assert "TOO FEW" not in "\n".join(report_lines(verify_files(many.files)))
    assert "So many people allow a statement about people like these" in page_of(many)


def test_many_people_who_were_fitted_on_too_allow_no_statement_about_others(key: SigningKey) -> None:
    by_chance = "legacy_poc\nsplit: {strategy: random_stratified}"
    leaking = build_dossier(study_inputs(620, power=5.0, profile_name=by_chance), key)
    assert leaking.summary.carried
    page = page_of(leaking)
    assert "allow a statement" not in page
    assert "That is no statement about other people, however many these are" in page
    assert "人数にかかわらず、ほかの人についての結論は出せません" in page


def test_the_report_of_the_verifier_warns_whatever_the_dossier_says(few: Dossier) -> None:
    report = "\n".join(report_lines(verify_files(few.files)))
    assert "all gates passed" in report
    assert "TOO FEW PEOPLE for a statement: miss rate 0 of 1, 1 people, up to 80 % possible" in report


def test_the_page_is_in_both_languages(few: Dossier) -> None:
    page = page_of(few)
    english, japanese = page.split('<section id="ja" lang="ja">')
    for text in (
        "In plain words",
        "The procedure, and what is critical",
        "Glossary",
        "By site",
        "Wipe the seat",
    ):
        assert text in english
    for text in (
        "わかりやすく言うと",
        "手順と「重大」の意味",
        "用語",
        "拠点別",
        "座面を拭く",
        "最悪 80 % の可能性",
        "north",
    ):
        assert text in japanese
    assert "By type of deviation" in english
    assert "手順の抜け" in japanese


@pytest.mark.parametrize(
    "change",
    [
        {"carried": True},
        {"claims": []},
        {"groups": []},
        {"claims": "bad_end"},
        {"groups": "errors"},
    ],
)
def test_the_verifier_computes_the_headline_again(
    few: Dossier, key: SigningKey, change: Mapping[str, object]
) -> None:
    summary = json.loads(few.files["dossier.json"])
    for name, value in change.items():
        if isinstance(value, str):
            summary[name][0][value] = 0.01
        else:
            summary[name] = value
    forged = issued_again({**few.files, "dossier.json": json.dumps(summary).encode()}, key)
    assert verify_files(forged, use_ssh_keygen=False).findings.bad_files == ["dossier.json"]


def test_a_dossier_made_before_the_claims_still_verifies(few: Dossier, key: SigningKey) -> None:
    summary = json.loads(few.files["dossier.json"])
    for name in ("claims", "carried", "groups"):
        del summary[name]
    summary["version"] = "sopilot_dossier_v1"
    before = issued_again({**few.files, "dossier.json": json.dumps(summary).encode()}, key)
    found = verify_files(before, signer=key.public)
    assert found.ok, found.findings.failed
    assert "TOO FEW PEOPLE" in "\n".join(report_lines(found))


def test_product_and_verifier_allow_the_same() -> None:
    assert dict(BAD_END_ALLOWED) == dict(WORST_ALLOWED)
    for figure, people in (("miss_rate", 35), ("false_positive_rate", 16)):
        for count, carried in ((people - 1, False), (people, True)):
            one = claim(figure, errors=0, n=count, people=count, point=0.0, bad_end=wilson(0, count)[1])
            assert one.carried is carried


def test_every_profile_is_explained() -> None:
    assert set(EXPLAINED) == set(PROFILES)


def test_the_claims_of_gate_values_are_those_of_the_headline(few: Dossier) -> None:
    values = json.loads(few.files["results/gates.json"])["values"]
    assert [asdict(one) for one in claims_of_values(values)] == [
        pytest.approx(asdict(one)) for one in few.summary.claims
    ]


def test_nothing_decided_allows_no_statement() -> None:
    nothing = claim("miss_rate", errors=0, n=0, people=0, point=None, bad_end=None)
    assert not nothing.carried
    assert "unknown" in nothing.text.en
