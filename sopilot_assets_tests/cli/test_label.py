"""`sopilot labels`: from a sheet to labels that count."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sopilot_assets.labels.chain import read_chain
from sopilot_assets.labels.sheet_files import read_sheet, write_sheet
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets_tests.cli.running import rows, sopilot
from sopilot_assets_tests.labels.made_up import TASK, key_of, register

NAMES = tuple(f"take_{n}{'_bad_freeze' if n % 3 == 0 else ''}.mp4" for n in range(12))


@pytest.fixture
def registered(home: Home) -> Home:
    register(home, *NAMES)
    return home


def answered(home: Home, sheet: Path, who: str, answers: dict[str, str]) -> None:
    """Write a blind sheet, fill it in and import it."""
    sopilot(home, "label", "prepare", TASK, sheet, "--who", who)
    found = read_sheet(sheet)
    by_key = {key_of(name): answer for name, answer in answers.items()}
    filled = [{**row.cells, "critical_expected": by_key.get(row.cells["key"], "")} for row in found.rows]
    write_sheet(sheet, found.columns, filled)
    sopilot(home, "label", "import", TASK, sheet)


TRUTH = {name: "yes" if "bad" in name else "no" for name in NAMES}


def test_from_sheets_to_settled_labels(registered: Home, tmp_path: Path) -> None:
    home = registered
    answered(home, tmp_path / "ann.csv", "ann", TRUTH)
    answered(home, tmp_path / "bob.json", "bob", {**TRUTH, NAMES[0]: "no", NAMES[1]: "unsure"})
    (status,) = rows(home, "label", "list", "--count", TASK)
    assert (status["labelled"], status["blind"], status["two_raters"], status["disputed"]) == (11, 11, 12, 1)
    (disputed,) = rows(home, "label", "list", "--disputed", TASK)
    assert (disputed["key"], disputed["yes"], disputed["no"]) == (key_of(NAMES[0]), "ann", "bob")
    told = sopilot(home, "label", "list", "--disputed", TASK).stdout
    assert "cohen 0.79" in told
    assert "--disputed" in told

    own = sopilot(home, "label", "prepare", TASK, tmp_path / "own.csv", "--who", "ann", "--disputed").stdout
    assert "1 on which ann differs; a third person settles these" in " ".join(own.split())
    sheet = tmp_path / "chief.csv"
    assert (
        "1 recordings"
        in sopilot(home, "label", "prepare", TASK, sheet, "--who", "chief", "--disputed").stdout
    )
    found = read_sheet(sheet)
    write_sheet(sheet, found.columns, [{**found.rows[0].cells, "critical_expected": "yes"}])
    asked = sopilot(home, "label", "import", TASK, sheet, exit_code=1).stderr
    assert "--adjudicates where it settles" in asked
    filled = read_sheet(sheet)
    of_bob = [{**row.cells, "who": "bob"} for row in filled.rows]
    write_sheet(tmp_path / "bobs.csv", filled.columns, of_bob)
    third = sopilot(home, "label", "import", TASK, tmp_path / "bobs.csv", "--adjudicates", exit_code=1).stderr
    assert "expected a third person" in " ".join(third.split())
    sopilot(home, "label", "import", TASK, sheet, "--adjudicates")
    assert rows(home, "label", "list", "--count", TASK)[0]["labelled"] == 12
    state = {str(row["key"]): row for row in rows(home, "label", "list", TASK)}
    assert (state[key_of(NAMES[0])]["expected"], state[key_of(NAMES[0])]["adjudicated"]) == (1.0, True)
    assert "25 events" in sopilot(home, "label", "list", TASK, "--chain").stdout


def test_a_sheet_does_not_overwrite_what_another_third_person_settled(
    registered: Home, tmp_path: Path
) -> None:
    home = registered
    answered(home, tmp_path / "ann.csv", "ann", TRUTH)
    answered(home, tmp_path / "bob.csv", "bob", {**TRUTH, NAMES[0]: "no"})
    for who, answer in (("cyd", "yes"), ("dan", "no")):
        sheet = tmp_path / f"{who}.csv"
        sopilot(home, "label", "prepare", TASK, sheet, "--who", who, "--disputed")
        (row,) = read_sheet(sheet).rows
        write_sheet(sheet, tuple(row.cells), [{**row.cells, "critical_expected": answer}])
    sopilot(home, "label", "import", TASK, tmp_path / "cyd.csv", "--adjudicates")
    refused = sopilot(home, "label", "import", TASK, tmp_path / "dan.csv", "--adjudicates", exit_code=1)
    assert f"{key_of(NAMES[0])} by cyd" in " ".join(refused.stderr.split())
    state = {str(one["key"]): one["expected"] for one in rows(home, "label", "list", TASK)}
    assert state[key_of(NAMES[0])] == 1.0
    assert "already" in sopilot(home, "label", "import", TASK, tmp_path / "cyd.csv", "--adjudicates").stdout


def test_a_sheet_imported_twice_adds_nothing(registered: Home, tmp_path: Path) -> None:
    answered(registered, tmp_path / "ann.csv", "ann", TRUTH)
    again = sopilot(registered, "label", "import", TASK, tmp_path / "ann.csv").stdout
    assert "0 new labels, 12 were there already" in again
    empty = sopilot(registered, "label", "prepare", TASK, tmp_path / "more.csv", "--who", "ann").stdout
    assert "0 recordings" in empty
    every = sopilot(
        registered, "label", "prepare", TASK, tmp_path / "more.csv", "--who", "ann", "--all"
    ).stdout
    assert "12 recordings, 12 of them new in it, 12 filled in" in every


def test_nothing_of_a_bad_sheet_is_taken(registered: Home, tmp_path: Path) -> None:
    sheet = tmp_path / "bad.csv"
    sheet.write_text(f"key,critical_expected\n{key_of(NAMES[1])},no\ntake_99.mp4,yes\n", "utf-8")
    refused = sopilot(
        registered, "label", "import", TASK, sheet, "--who", "ann", "--source", "blind_human", exit_code=1
    )
    assert "line 3, column key" in refused.stderr
    assert "Traceback" not in refused.output
    assert read_chain(registered, TASK) == []


@pytest.mark.parametrize("command", ["list --count", "list", "list --chain", "list --disputed", "prepare"])
def test_a_task_that_is_not_there_is_named(registered: Home, tmp_path: Path, command: str) -> None:
    more = (tmp_path / "s.csv", "--who", "ann") if command == "prepare" else ()
    assert (
        "no such task file"
        in sopilot(registered, "label", *command.split(), "nope", *more, exit_code=1).stderr
    )
    assert not (tmp_path / "s.csv").exists()


def test_one_label_by_hand(registered: Home) -> None:
    words = ("label", "add", TASK, NAMES[2])
    sopilot(registered, *words, "no", "--who", "ann", "--note", "all there", "--seen", "over_time:boil")
    findings = ("--with-findings", "--verdict", "disagree", "--deviation", "missing_step:pour=no")
    sopilot(registered, *words, "no", "--who", "bob", *findings)
    blind = sopilot(registered, *words, "no", "--who", "cyd", "--verdict", "agree", exit_code=1)
    assert "without the columns verdict" in blind.stderr
    first, second = rows(registered, "label", "list", TASK, "--events")
    assert (first["source"], first["note"], second["source"]) == ("blind_human", "all there", "human")
    assert second["deviations"][0]["agree"] is False


def test_a_verdict_that_somebody_contests_shows_everywhere_until_it_is_answered(registered: Home) -> None:
    key, words = key_of(NAMES[2]), ("label", "add", TASK, NAMES[2], "no")
    page = local_path(registered.review(key))
    page.write_text("<body>\n<main>\n<p>all else</p></main>", "utf-8")
    contest = ("--who", "ann", "--with-findings", "--verdict", "disagree", "--note", "it was <poured>")
    told = sopilot(registered, *words, *contest).stdout
    assert f"{key} is contested now" in told
    shown = sopilot(registered, "recording", "show", NAMES[2])
    assert "Contested: ann, " in shown.stdout
    assert "it was <poured>" in shown.stdout
    assert "異議あり" in sopilot(registered, "recording", "show", NAMES[2], "--lang", "ja").stdout
    listed = {str(row["key"]): row["contested"] for row in rows(registered, "score", "list")}
    assert {one: said for one, said in listed.items() if said} == {key: "ann: it was <poured>"}
    assert "contested" in sopilot(registered, "score", "list").stdout
    assert "it was &lt;poured&gt;" in page.read_text("utf-8")
    index = local_path(registered.reviews / "index.html")
    assert 'data-contested="yes"' in index.read_text("utf-8")

    sopilot(registered, *words, "--who", "chief", "--adjudicates")
    assert "Contested" not in sopilot(registered, "recording", "show", NAMES[2]).stdout
    assert page.read_text("utf-8") == "<body>\n<main>\n<p>all else</p></main>"
    assert 'data-contested="yes"' not in index.read_text("utf-8")

    assert "contested now" in sopilot(registered, *words, *contest).stdout
    assert "0 new labels" in sopilot(registered, *words, *contest).stdout
    sopilot(registered, *words, "--who", "chief", "--adjudicates")
    assert "Contested" not in sopilot(registered, "recording", "show", NAMES[2]).stdout


def test_who_answers_an_objection_does_not_label_blind(registered: Home) -> None:
    words = ("label", "add", TASK, NAMES[2])
    sopilot(registered, *words, "no", "--who", "ann", "--with-findings", "--verdict", "disagree")
    sopilot(registered, *words, "yes", "--who", "chief", "--adjudicates")
    state = {str(one["key"]): one for one in rows(registered, "label", "list", TASK)}
    assert state[key_of(NAMES[2])]["label_source"] == "human"
    assert state[key_of(NAMES[2])]["expected"] == 1.0
    for who, answer in (("bob", "yes"), ("cyd", "no")):
        sopilot(registered, "label", "add", TASK, NAMES[3], answer, "--who", who)
    sopilot(registered, "label", "add", TASK, NAMES[3], "no", "--who", "chief", "--adjudicates")
    state = {str(one["key"]): one for one in rows(registered, "label", "list", TASK)}
    assert state[key_of(NAMES[3])]["label_source"] == "blind_human"
    assert state[key_of(NAMES[3])]["adjudicated"] is True


def test_prefilled_labels_are_marked_and_give_way(registered: Home) -> None:
    sopilot(registered, "label", "add", TASK, NAMES[0], "no", "--who", "ann")
    told = sopilot(registered, "label", "prefill", TASK)
    assert "11 guessed by file name, 3 of them critical" in told.stdout
    assert "Research gates" in told.stderr
    assert rows(registered, "label", "list", "--count", TASK)[0]["labelled"] == 12
    nobody = sopilot(registered, "label", "prefill", TASK, "--pattern", "fell_over")
    assert "No file name matches 'fell_over'" in nobody.stderr
    nothing = sopilot(registered, "label", "prefill", TASK, "--pattern", "fell_over", "--only-matching")
    assert "Nothing to guess" in nothing.stdout
    people = rows(registered, "label", "list", "--count", TASK, "--sources", "blind_human,human")
    assert people[0]["labelled"] == 1


def test_a_chain_without_a_noted_event_is_refused(registered: Home) -> None:
    sopilot(registered, "label", "add", TASK, NAMES[0], "no", "--who", "ann")
    noted = read_chain(registered, TASK)[-1].event_id
    check = ("label", "list", TASK, "--chain", "--head")
    sopilot(registered, *check, noted[:12])
    assert "without it" in sopilot(registered, *check, "0" * 12, exit_code=1).stderr
    refused = sopilot(registered, "label", "list", TASK, "--head", noted[:12], exit_code=1).stderr
    assert "--head: expected with --chain" in refused


def test_simulated_raters_fill_in_sheets(registered: Home, tmp_path: Path) -> None:
    truth = tmp_path / "labels.jsonl"
    lines = [
        {"file": f"videos/{name}", "critical_expected": answer == "yes"} for name, answer in TRUTH.items()
    ]
    truth.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    options = ("--miss", 0, "--false-alarm", 0, "--unsure", 0)
    words = ("sample", "label", TASK, "--truth", truth, "--out", tmp_path / "sheets")
    sopilot(registered, *words, *map(str, options))
    for who in ("r1", "r2"):
        sopilot(registered, "label", "import", TASK, tmp_path / "sheets" / f"{TASK}.{who}.csv")
    (status,) = rows(registered, "label", "list", "--count", TASK)
    assert (status["positives"], status["negatives"], status["blind"]) == (4, 8, 12)
    assert "cohen 1.00" in str(status["kappa"])


def test_json_is_json_inside(registered: Home) -> None:
    for row in rows(registered, "score", "list"):
        assert isinstance(row["deviations"], list)
        assert row["deviations"][0]["type"] == "missing_step"
    one = json.loads(sopilot(registered, "recording", "show", NAMES[0], "--json").stdout)
    assert one["score"]["deviations"][0]["steps"] == ["pour"]
    sopilot(registered, "label", "add", TASK, NAMES[0], "yes", "--who", "ann", "--seen", "freeze")
    (event,) = rows(registered, "label", "list", TASK, "--events")
    assert event["seen"] == [{"type": "freeze", "steps": []}]


def test_prepare_says_why_there_is_nothing_to_label(home: Home, tmp_path: Path) -> None:
    sopilot(home, "task", "create", TASK, "--name", "Tea")
    sheet = tmp_path / "ann.csv"
    for more in ((), ("--all",), ("--disputed",)):
        refused = sopilot(home, "label", "prepare", TASK, sheet, "--who", "ann", *more, exit_code=1)
        assert "expected trainee recordings to label, found none" in refused.stderr
        assert not sheet.exists()
    register(home, *NAMES)
    said = sopilot(home, "label", "prepare", TASK, sheet, "--who", "chief", "--disputed").stdout
    assert "raters agree" in said
    answered(home, sheet.with_name("bob.csv"), "bob", TRUTH)
    done = sopilot(home, "label", "prepare", TASK, sheet.with_name("more.csv"), "--who", "bob").stdout
    assert "all 12 recordings have an answer" in done


def test_a_single_label_shows_nothing_so_its_help_says_who_has_seen_the_findings(home: Home) -> None:
    said = " ".join(sopilot(home, "label", "add", "--help").stdout.replace("│", " ").split())
    assert "Show what the product says" not in said
    assert "has seen what the product says" in said
