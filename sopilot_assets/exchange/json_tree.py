"""JSON of other tools, read as a model, with each fault by its line."""

from __future__ import annotations

import json
import re
from functools import partial
from json import JSONDecodeError
from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from sopilot_assets.documents.faults import describe
from sopilot_assets.documents.reading import Document, FieldPath, dotted
from sopilot_assets.exchange.said import Faults, Place, at_line
from sopilot_assets.texts.languages import Text

_Model = TypeVar("_Model", bound=BaseModel)
_DECODER: Final = json.JSONDecoder()
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_WHERE: Final = re.compile(r" at line (\d+) column \d+$")
_MOST_LINES: Final = 20


class Loose(BaseModel):
    """What is needed of an object that may hold much more."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)


class JsonText:
    """A JSON file whose values can be told by their line."""

    def __init__(self, data: bytes, faults: Faults) -> None:
        try:
            self._text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data[: error.start].count(b"\n") + 1
            faults.add(at_line(line), "expected UTF-8, found other bytes", "UTF-8 ではありません")
        faults.done()
        self._faults = faults

    def parsed(self, kind: type[_Model]) -> _Model:
        """The content as a ``kind``; raises ``ExchangeError`` with every fault."""
        try:
            return kind.model_validate_json(self._text)
        except ValidationError as error:
            self._tell(error, kind)
        self._faults.done()
        raise AssertionError("a fault was found and none was told")

    def _tell(self, error: ValidationError, kind: type[BaseModel]) -> None:
        details = error.errors(include_url=False)
        if details[0]["type"] == "json_invalid":
            what = str(details[0].get("ctx", {}).get("error", details[0]["msg"]))
            line = _WHERE.search(what)
            place = at_line(int(line[1]) if line else 1)
            why = _WHERE.sub("", what)
            self._faults.add(
                place,
                f"expected JSON, found {why}; save it again with the tool that wrote it",
                f"JSON として読めません（{why}）。書き出したツールで保存し直してください",
            )
            return
        paths: list[FieldPath] = [tuple(one["loc"]) for one in details[:_MOST_LINES]]
        for said in describe(error, kind, Document({}, {path: self.line_of(path) for path in paths})):
            self._faults.found.append(
                Text(f"{self._faults.source}, {said}", f"{self._faults.source}：{said}")
            )

    def at(self, *path: str | int) -> Place:
        """Where a value stands."""
        return partial(self._place, path)

    def _place(self, path: FieldPath) -> Text:
        return at_line(self.line_of(path), dotted(path))

    def line_of(self, path: FieldPath) -> int:
        """The line of a value, or of the nearest one around it."""
        begin = _space(self._text, 0)
        for part in path:
            inner = _child(self._text, begin, part)
            if inner is None:
                break
            begin = inner
        return self._text.count("\n", 0, begin) + 1


def _space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place


def _child(text: str, place: int, part: str | int) -> int | None:
    """Where in the list or object that begins at ``place`` the value of ``part`` begins; None for nowhere."""
    if place >= len(text) or text[place] not in "[{":
        return None
    named, number = text[place] == "{", 0
    place = _space(text, place + 1)
    try:
        while place < len(text) and text[place] not in "]}":
            key: object = number
            if named:
                key, place = _DECODER.raw_decode(text, place)
                place = _space(text, _space(text, place) + 1)
            if key == part:
                return place
            place = _space(text, _DECODER.raw_decode(text, place)[1])
            place = _space(text, place + 1) if text[place : place + 1] == "," else place
            number += 1
    except (JSONDecodeError, RecursionError):
        return None
    return None
