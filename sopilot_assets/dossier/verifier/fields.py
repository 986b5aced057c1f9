"""JSON values that know where they stand, so that a fault names the file and the field."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None
JsonObject: TypeAlias = Mapping[str, Json]


class WrongField(ValueError):
    """A value that is not what it has to be; its text names the file, the field, and what was found."""


@dataclass(frozen=True)
class JsonField:
    """A JSON value with the ``file`` and the ``place`` in it (``report.checks[2].value``) where it stands.

    Whatever is asked of it that it is not raises `WrongField`.
    """

    file: str
    place: str
    value: Json

    def __getitem__(self, name: str) -> JsonField:
        """The field of this name of an object."""
        found = self.object()
        if name not in found:
            raise WrongField(f"{self.file}: {self._place_of(name)}: missing")
        return self._part(name, found[name])

    def __contains__(self, name: str) -> bool:
        """Whether an object has a field of this name."""
        return name in self.object()

    def get(self, name: str) -> JsonField:
        """The field of this name of an object; where there is none, its value is None."""
        return self._part(name, self.object().get(name))

    def fields(self) -> Iterator[tuple[str, JsonField]]:
        """The fields of an object by name, in their order."""
        for name, value in self.object().items():
            yield name, self._part(name, value)

    def items(self) -> list[JsonField]:
        """The items of a list."""
        if not isinstance(self.value, list):
            raise self._wrong("a list")
        return [
            JsonField(self.file, f"{self.place}[{place}]", value) for place, value in enumerate(self.value)
        ]

    def object(self) -> JsonObject:
        """The object as it is."""
        if not isinstance(self.value, Mapping):
            raise self._wrong("an object")
        return self.value

    def text(self) -> str:
        """The text."""
        if not isinstance(self.value, str):
            raise self._wrong("a text")
        return self.value

    def texts(self) -> list[str]:
        """The texts of a list."""
        return [one.text() for one in self.items()]

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            raise self._wrong("true or false")
        return self.value

    def flag_or_none(self) -> bool | None:
        """True, false or null."""
        return None if self.value is None else self.flag()

    def number(self) -> float:
        """The number."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self._wrong("a number")
        return self.value

    def number_or_none(self) -> float | None:
        """The number, None for null."""
        return None if self.value is None else self.number()

    def _part(self, name: str, value: Json) -> JsonField:
        return JsonField(self.file, self._place_of(name), value)

    def _place_of(self, name: str) -> str:
        return f"{self.place}.{name}" if self.place else name

    def _wrong(self, expected: str) -> WrongField:
        found = "nothing" if self.value is None else repr(self.value)
        shown = found if len(found) <= 60 else f"{found[:57]}..."
        return WrongField(f"{self.file}: {self.place or 'content'}: expected {expected}, found {shown}")


def json_field(files: Mapping[str, bytes], name: str) -> JsonField:
    """The content of a JSON file; `WrongField` where it is no JSON that can be read in one way only."""
    try:
        return JsonField(name, "", read_json(files[name]))
    except ValueError as error:
        raise WrongField(f"{name}: {error}") from error


def read_json(data: bytes | str) -> Json:
    """The JSON value, which says everything once: ``ValueError`` for a name that occurs twice in an object,
    of which readers take one or the other, and for numbers that JSON does not have.
    """
    value: Json = json.loads(data, object_pairs_hook=_each_name_once, parse_constant=_no_number)
    return value


def _each_name_once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"twice in one object: {sorted({one for one in names if names.count(one) > 1})}")
    return found


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number in JSON")
