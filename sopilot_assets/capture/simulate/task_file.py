"""The task file of the simulated procedure."""

from __future__ import annotations

from typing import Final

from sopilot_assets.capture.simulate.plan import SOP
from sopilot_assets.tasks.spec import Step
from sopilot_assets.tasks.starter import render_task

TASK_ID: Final = "filter_change"

_STEP_NAMES: Final = (
    ("Loosen the housing with the wrench", "レンチでハウジングを緩める"),
    ("Lift off the cover", "カバーを外す"),
    ("Pull out the old filter", "古いフィルターを取り出す"),
    ("Wipe the seat", "シート面を拭く"),
    ("Oil the gasket", "ガスケットに油を塗る"),
    ("Insert the new filter", "新しいフィルターを入れる"),
    ("Close the housing", "ハウジングを閉じる"),
)


def task_yaml() -> str:
    """The task file as YAML text: seven critical steps, every setting at its default."""
    steps = [
        Step(id=step, name=name, name_ja=name_ja)
        for step, (name, name_ja) in zip(SOP, _STEP_NAMES, strict=True)
    ]
    return render_task(TASK_ID, name="Filter change", name_ja="フィルター交換", steps=steps)
