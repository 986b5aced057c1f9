"""Two people change a task at once: what each of them changed stands; where both did, the second one's."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sopilot_assets.tasks import Step, TaskSpec
from sopilot_assets.tasks.editing import StepEdit, TaskEdit, edit_of
from sopilot_assets.tasks.merging import merged

BASE = edit_of(
    TaskSpec(
        task_id="tea",
        name="Tea",
        version=1,
        steps=tuple(Step(id=one, name=one.title()) for one in ("boil", "pour", "wait")),
    )
)
BOIL, POUR, WAIT = BASE.steps
NEW = StepEdit("drink", "Drink", "")


def with_number(edit: TaskEdit, name: str, text: str) -> TaskEdit:
    return replace(edit, numbers={**edit.numbers, name: text})


def test_different_fields_go_together_and_of_the_same_field_mine_stands() -> None:
    theirs = with_number(replace(BASE, name="Green tea", name_ja="緑茶"), "pass_score", "92")
    mine = with_number(replace(BASE, name="Black tea"), "retrain_score", "75")
    found = merged(BASE, theirs, mine)
    assert (found.name, found.name_ja) == ("Black tea", "緑茶")
    assert (found.numbers["pass_score"], found.numbers["retrain_score"]) == ("92", "75")


def test_steps_of_both_go_together() -> None:
    theirs = replace(BASE, steps=(NEW, BOIL, replace(POUR, instruction="Slowly."), WAIT))
    mine = replace(BASE, steps=(BOIL, replace(POUR, critical=False), WAIT))
    both = replace(POUR, instruction="Slowly.", critical=False)
    assert merged(BASE, theirs, mine).steps == (NEW, BOIL, both, WAIT)
    mine = replace(BASE, steps=(WAIT, BOIL, POUR))
    assert merged(BASE, theirs, mine).steps == (NEW, WAIT, BOIL, replace(POUR, instruction="Slowly."))


def test_steps_that_both_added_stand_where_each_put_them() -> None:
    theirs, late = replace(BASE, steps=(BOIL, NEW, POUR, WAIT)), StepEdit("row 3", "Wash up", "")
    mine = replace(BASE, steps=(BOIL, POUR, WAIT, late))
    assert merged(BASE, theirs, mine).steps == (BOIL, NEW, POUR, WAIT, late)
    fewer = replace(BASE, steps=(BOIL, WAIT))
    assert merged(BASE, theirs, fewer).steps == (BOIL, NEW, WAIT)


def test_a_step_that_one_removed_is_gone_unless_the_other_changed_it() -> None:
    fewer = replace(BASE, steps=(BOIL, WAIT))
    assert merged(BASE, fewer, BASE).steps == (BOIL, WAIT)
    assert merged(BASE, BASE, fewer).steps == (BOIL, WAIT)
    changed = replace(POUR, name="Pour slowly")
    assert merged(BASE, fewer, replace(BASE, steps=(BOIL, changed, WAIT))).steps == (BOIL, changed, WAIT)
    assert changed in merged(BASE, replace(BASE, steps=(BOIL, changed, WAIT)), fewer).steps


EDITS = st.builds(
    lambda name, number, steps: with_number(
        replace(BASE, name=name, steps=tuple(steps)), "pass_score", number
    ),
    st.sampled_from(["Tea", "A", "B"]),
    st.sampled_from(["90", "91", "92"]),
    st.permutations([BOIL, POUR, WAIT, NEW]).flatmap(lambda all_: st.integers(1, 4).map(lambda n: all_[:n])),
)


@given(EDITS, EDITS)
def test_who_changed_nothing_gets_what_the_other_says(one: TaskEdit, other: TaskEdit) -> None:
    assert merged(one, other, one) == other
    assert merged(one, one, other) == other
    assert merged(one, other, other) == other
