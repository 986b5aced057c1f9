"""A task file changes where its content changes, and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from upath import UPath

from sopilot_assets.errors import TaskError
from sopilot_assets.tasks import DeviationType, Severity, Step, TaskSpec, Weights, parse_task
from sopilot_assets.tasks.rewriting import rewritten
from sopilot_assets.tasks.starter import render_task

SOURCE = UPath("tasks/tea.yaml")
STEPS = (
    Step(id="boil", name="Boil water", name_ja="湯を沸かす"),
    Step(id="pour", name="Pour it", after=("boil",)),
    Step(id="wait", name="Wait", critical=False, after=()),
)
STARTED = render_task("tea", name="Tea", steps=STEPS)
BY_HAND = """\
# ours, not the desk's
task_id: tea
name: Tea   # as on the shelf
version: 3
steps:
# water first
- id: boil          # kettle
  name: >-
    Boil
    water
# then
- {id: pour, name: 'Pour it'}
- id: wait
  critical: false   # may be skipped
  name: Wait
# points
weights: {miss: 1, swap: 0, deviation: 1, time: 0}
pass_score: 95
"""


def changed(text: str, **fields: object) -> str:
    after = parse_task(text, source=SOURCE).model_copy(update=fields)
    result = rewritten(text.encode(), after, source=SOURCE).decode()
    assert parse_task(result, source=SOURCE) == after
    return result


def test_a_value_is_replaced_and_every_other_byte_stays() -> None:
    assert changed(BY_HAND, pass_score=90.0) == BY_HAND.replace("95", "90")
    assert changed(BY_HAND, name="Green tea") == BY_HAND.replace("name: Tea  ", 'name: "Green tea"  ')
    assert rewritten(BY_HAND.encode(), parse_task(BY_HAND, source=SOURCE), source=SOURCE) == BY_HAND.encode()


def test_fields_that_were_not_there_come_where_they_belong() -> None:
    text = changed(BY_HAND, name_ja="茶", accepted_miss=0.1)
    assert 'name: Tea   # as on the shelf\nname_ja: "茶"\nversion: 3\n' in text
    assert text.endswith("pass_score: 95\naccepted_miss: 0.1\n")
    assert changed(text, name_ja=None) == text.replace('name_ja: "茶"\n', "")
    weights = Weights(miss=2.0, swap=0.0, deviation=1.0, time=0.0)
    assert 'weights: {"miss": 2.0, "swap": 0.0, "deviation": 1.0, "time": 0.0}\n' in changed(
        BY_HAND, weights=weights
    )
    graver = {**parse_task(BY_HAND, source=SOURCE).severity, DeviationType.OVER_TIME: Severity.CRITICAL}
    assert '\nseverity:\n  missing_step: "critical"\n' in changed(BY_HAND, severity=graver)


def test_steps_move_and_go_with_what_is_written_above_and_behind_them() -> None:
    boil, pour, wait = STEPS
    text = changed(STARTED, steps=(wait, boil, pour.model_copy(update={"instruction": "Slowly."})))
    places = [text.index(f'id: "{one}"') for one in ("wait", "boil", "pour")]
    assert places == sorted(places)
    assert '    instruction: "Slowly."\n    after: ["boil"]\n' in text
    assert text.index("# 0-100: at least pass_score") > places[-1]
    begin = STARTED.index("# 0-100: at least")
    assert text[-(len(STARTED) - begin) :] == STARTED[begin:]
    fewer = changed(STARTED, steps=(boil,))
    assert "Pour it" not in fewer
    new = Step(id="drink", name='Drink: "all"', name_ja="飲む", critical=False, after=("boil",))
    more = changed(STARTED, steps=(boil, new))
    assert '  - id: "drink"\n    name: "Drink: \\"all\\""\n    name_ja: "飲む"\n    critical: false\n' in more


def test_steps_in_block_style_keep_their_comments_when_they_move() -> None:
    text = BY_HAND.replace("- {id: pour, name: 'Pour it'}", "- id: pour\n  name: 'Pour it'")
    boil, pour, wait = parse_task(text, source=SOURCE).steps
    moved = changed(text, steps=(pour, boil, wait))
    assert moved.index("# then\n- id: pour") < moved.index("# water first\n- id: boil          # kettle")
    assert moved.endswith("# points\n" + text.partition("# points\n")[2])
    critical = changed(text, steps=(boil, pour, wait.model_copy(update={"critical": True})))
    assert critical == text.replace("  critical: false   # may be skipped\n", "")


def test_steps_in_one_line_are_written_anew() -> None:
    boil, pour, wait = parse_task(BY_HAND, source=SOURCE).steps
    text = changed(BY_HAND, steps=(wait, pour.model_copy(update={"critical": False}), boil))
    assert '# then\n- {"id": "pour", "name": "Pour it", "critical": false}\n# water first\n- id: boil' in text
    whole = (
        BY_HAND.partition("steps:")[0] + "steps: [{id: boil, name: Boil}, {id: wait, name: Wait}]  # two\n"
    )
    text = changed(whole, steps=(wait, boil))
    assert text.startswith(BY_HAND.partition("steps:")[0])
    assert text.endswith("]  # two\n")


@pytest.mark.parametrize("text", [STARTED.replace("\n", "\r\n"), "\ufeff" + STARTED, STARTED.rstrip("\n")])
def test_files_of_other_systems_stay_what_they_are(text: str) -> None:
    spec = parse_task(text.encode(), source=SOURCE)
    after = spec.model_copy(update={"pass_score": 91.0, "steps": spec.steps[::2]})
    result = rewritten(text.encode(), after, source=SOURCE).decode()
    assert result.startswith("\ufeff") == text.startswith("\ufeff")
    assert result.count("\n") == result.count("\r\n") or "\r" not in text
    assert parse_task(result.encode(), source=SOURCE) == after


def test_what_would_be_damaged_is_refused() -> None:
    odd = BY_HAND.replace("- id: wait", "- # odd - this\n  id: wait").replace("- id: boil", "-\n  id: boil")
    odd = odd.replace("- {id: pour, name: 'Pour it'}", "- id: pour\n  name: 'Pour it'")
    spec = parse_task(odd, source=SOURCE)
    after = spec.model_copy(update={"steps": (*spec.steps, Step(id="drink", name="Drink"))})
    with pytest.raises(TaskError, match=r"Edit the file itself.*Nothing was changed"):
        rewritten(odd.encode(), after, source=SOURCE)


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_whatever_changes_the_file_says_it_afterwards(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([STARTED, BY_HAND]))
    before = parse_task(text, source=SOURCE)
    names = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12)
    ids = data.draw(st.permutations(["boil", "pour", "wait", "drink"]).map(lambda all_: all_[:3]))
    steps = tuple(
        Step(
            id=one,
            name=data.draw(names),
            instruction=data.draw(st.none() | names),
            critical=data.draw(st.booleans()),
            after=data.draw(st.sampled_from([None, ()])),
        )
        for one in ids
    )
    scores = data.draw(st.floats(0, 80, allow_nan=False))
    after = TaskSpec.model_validate(
        {**dict(before), "steps": steps, "name_ja": data.draw(st.none() | names), "retrain_score": scores}
    )
    result = rewritten(text.encode(), after, source=SOURCE)
    assert parse_task(result, source=SOURCE) == after
    assert rewritten(result, after, source=SOURCE) == result
