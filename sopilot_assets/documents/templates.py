"""YAML files for people to edit, rendered from the templates of a package."""

from __future__ import annotations

import json
from importlib.resources import files

from jinja2 import Environment, StrictUndefined


def render_yaml(package: str, template: str, **values: object) -> str:
    """The text of ``<package>/templates/<template>``; a value that is missing is an error.

    Free text passes through the filter ``quoted``, numbers through ``number``.
    """
    text = files(package).joinpath("templates", template).read_text(encoding="utf-8")
    environment = Environment(
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        autoescape=False,  # noqa: S701 - escaping for HTML would damage YAML
    )
    environment.filters["quoted"] = _quoted
    environment.filters["number"] = repr
    return environment.from_string(text).render(**values)


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)  # a JSON string is a YAML string
