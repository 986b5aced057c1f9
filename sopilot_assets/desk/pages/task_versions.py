"""The versions of a procedure: who changed it when and why, and two of them side by side."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from sopilot_assets.desk.call import Call
from sopilot_assets.desk.roles import TRAINERS
from sopilot_assets.desk.routing import DeskRoute
from sopilot_assets.tasks.versions import compare_versions
from sopilot_assets.texts.languages import Text


def versions_page(call: Call) -> Response:
    """The history of a procedure, and the two states that were chosen side by side."""
    asked = call.request.query_params
    found = compare_versions(
        call.home, call.param("task_id"), before=asked.get("before", ""), after=asked.get("after", "")
    )
    name = found.task.names
    return call.page(
        "task_versions.html.j2",
        title=Text(f"Versions: {name.en}", f"版の比較：{name.ja}"),
        values={"found": found},
    )


ROUTES: Final = (DeskRoute("/tasks/{task_id}/versions", versions_page, TRAINERS),)
