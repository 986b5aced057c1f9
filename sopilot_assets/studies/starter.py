"""The first version of a study file: commented text for people to edit."""

from __future__ import annotations

import re

from upath import UPath

from sopilot_assets.documents.templates import render_yaml
from sopilot_assets.errors import StudyError
from sopilot_assets.labels.events import Source
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import publish_bytes
from sopilot_assets.studies.spec import GateProfileName, ScoreOrigin, StudySpec, parse_study, study_path
from sopilot_assets.tasks.spec import TASK_ID_PATTERN


def new_study(
    home: Home, study_id: str, *, task: str, title: str, scores: ScoreOrigin = ScoreOrigin.CURRENT
) -> UPath:
    """The path of a new, commented ``studies/<study_id>.yaml`` with all defaults spelt out.

    `StudyError` when the file exists already or an argument is not valid; nothing is written then.
    """
    if not re.fullmatch(TASK_ID_PATTERN, study_id):
        raise StudyError(
            "study id: expected a-z, 0-9 and _, starting with a letter, at most 48 characters, found "
            f"{study_id!r}."
        )
    path = study_path(home, study_id)
    if path.exists():
        raise StudyError(f"{path}: this study file exists already. Edit it, or choose another id.")
    text = render_study(study_id, task=task, title=title, scores=scores)
    parse_study(text, source=path)
    publish_bytes(path, text.encode("utf-8"))
    return path


def render_study(study_id: str, *, task: str, title: str, scores: ScoreOrigin = ScoreOrigin.CURRENT) -> str:
    """The text of a commented study file with every default; what it holds is not checked."""
    defaults = StudySpec(study_id="any", title="any", task="any")
    return render_yaml(
        "sopilot_assets.studies",
        "study.yaml.j2",
        study_id=study_id,
        task=task,
        title=title,
        scores=scores,
        profiles=[profile.value for profile in GateProfileName],
        defaults=defaults,
        # an existing installation has no other labels
        label_sources=[Source.IMPORTED] if scores is ScoreOrigin.IMPORTED else defaults.label_sources,
    )
