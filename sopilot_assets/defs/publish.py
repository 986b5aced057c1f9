"""What outcomes look like in Dagster: the metadata, picture, table and page of every partition."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import dagster as dg

from sopilot_assets.capture.registry import file_names
from sopilot_assets.defs.partitions import range_held
from sopilot_assets.defs.resources import HomeResource, Watcher
from sopilot_assets.defs.web.addresses import PageAddresses
from sopilot_assets.stations.outcome import ReferenceOutcome, StationOutcome
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell, Ledger

RawMetadata: TypeAlias = dict[
    str,
    str
    | int
    | float
    | bool
    | dg.MarkdownMetadataValue
    | dg.PathMetadataValue
    | dg.TableMetadataValue
    | dg.UrlMetadataValue,
]

_PROGRESS_LINES: Final = 10
_LISTED: Final = 20
"""Reasons in the log's line about recordings without a result."""
_LONGEST_TABLE: Final = 200
"""Rows of one table; the page loads all of them at once."""


def in_ledger(ledger: Callable[[Home], Ledger]) -> dict[str, str | dg.TableSchema]:
    """Where an asset keeps its rows, in the home of the environment, and their columns: metadata of its
    definition.
    """
    kept = ledger(HomeResource().home)
    columns = [dg.TableColumn(column.name, str(column.type)) for column in kept.schema]
    return {
        "dagster/table_name": kept.name,
        "dagster/uri": (kept.folder / kept.name).as_uri(),
        "dagster/column_schema": dg.TableSchema(columns),
    }


def in_folder(*names: str) -> dict[str, str]:
    """Where an asset keeps its files, in the home of the environment: metadata of its definition."""
    return {"dagster/uri": HomeResource().home.root.joinpath(*names).as_uri()}


def rows_in(ledger: Ledger) -> dict[str, int]:
    """How many rows count in a ledger now: metadata of a materialization."""
    return {"dagster/row_count": int(ledger.query("select count(*) as rows from latest")["rows"].iloc[0])}


def publish_outcomes(
    context: dg.AssetExecutionContext,
    outcomes: Sequence[StationOutcome],
    *,
    home: Home,
    table_name: str = "table",
) -> None:
    """Attach each outcome to its partition of the running asset; ``table_name`` says what its table lists."""
    shown = ShownHome.of(home)
    with range_held(context):
        for outcome in outcomes:
            metadata = outcome_metadata(outcome, shown, table_name=table_name)
            context.add_asset_metadata(metadata, partition_key=str(outcome.key))
    problems: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.problem is not None:
            problems.setdefault(outcome.problem, []).append(str(outcome.key))
    if problems:
        count = sum(map(len, problems.values()))
        listed = "\n".join(f"  {_some(keys)}: {why}" for why, keys in list(problems.items())[:_LISTED])
        message = f"{count} of {len(outcomes)} recordings have a problem:\n{listed}"
        context.log.warning(message)


def _some(keys: Sequence[str]) -> str:
    return keys[0] if len(keys) == 1 else f"{keys[0]} and {len(keys) - 1} more"


@dataclass(frozen=True, slots=True)
class ShownHome:
    """What metadata call the files of a home: the addresses of its pages, and the file names of recordings by
    video id.
    """

    addresses: PageAddresses
    names: Mapping[str, str]

    @classmethod
    def of(cls, home: Home) -> ShownHome:
        """As they are now."""
        names = file_names(home).items()
        return cls(PageAddresses.of(home), {key.rpartition("-")[2]: name for key, name in names})

    def named(self, metadata: Mapping[str, Cell], video_id: str) -> dict[str, Cell]:
        """The metadata of a recording, with a file's name beside each hash that stands for a recording."""
        named: dict[str, Cell] = {"file": self.names.get(video_id)}
        for name, value in metadata.items():
            named[name] = value
            if name in _HASHES and str(value) in self.names:
                named[f"{name}_file"] = self.names[str(value)]
        return named

    def with_file(self, row: Mapping[str, Cell]) -> dict[str, Cell]:
        """The row of a table that lists recordings by their ``key``, with the file's name after it."""
        key = str(row["key"])
        return {"key": key, "file": self.names.get(key.rpartition("-")[2]), **row}


_HASHES: Final = frozenset(("compared_with", "gold_id"))


def outcome_metadata(outcome: StationOutcome, shown: ShownHome, *, table_name: str) -> RawMetadata:
    """The file's name and the scalars of an outcome, why it has no result, its table, its picture and its
    review page.
    """
    metadata = _in_words(shown.named(outcome.metadata, outcome.key.video_id))
    if outcome.problem is not None:
        metadata["problem"] = outcome.problem
    if outcome.table:
        metadata[table_name] = table(outcome.table, columns=tuple(outcome.table[0]))
    if outcome.picture_png is not None:
        metadata["picture"] = picture(outcome.picture_png, title=str(outcome.key))
    if outcome.page is not None:
        metadata |= page(outcome.page, shown.addresses)
    return metadata


def reference_metadata(reference: ReferenceOutcome) -> RawMetadata:
    """What a task's reference says about itself, and its steps as a table."""
    metadata = scalars(reference.metadata)
    if reference.reference_id is not None:
        metadata["reference_id"] = reference.reference_id
    if reference.problem is not None:
        metadata["problem"] = reference.problem
    if reference.table:
        metadata["steps"] = table(reference.table, columns=tuple(reference.table[0]))
    if reference.verifiability:
        metadata["verifiability"] = table(reference.verifiability, columns=tuple(reference.verifiability[0]))
    return metadata


def scalars(values: Mapping[str, Cell]) -> RawMetadata:
    """The values that are there, with six decimals; numbers plot over time, and the UI cannot read NaN."""
    rounded = {name: round(value, 6) if isinstance(value, float) else value for name, value in values.items()}
    return {name: value for name, value in rounded.items() if value is not None and value == value}  # noqa: PLR0124


def picture(png: bytes, *, title: str) -> dg.MarkdownMetadataValue:
    """A small picture that the UI shows in place."""
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{base64.b64encode(png).decode('ascii')})")


def page(path: Path, addresses: PageAddresses) -> RawMetadata:
    """A page of the home: its path to copy, if it is there already, and where the web page shows it, or makes
    it first; browsers do not follow a link from there to a file.
    """
    link: RawMetadata = {"review_link": dg.MetadataValue.url(addresses[path])}
    return {"review_page": dg.MetadataValue.path(path.absolute()), **link} if path.exists() else link


def table(rows: Sequence[Mapping[str, Cell]], *, columns: Sequence[str]) -> dg.TableMetadataValue:
    """The first 200 rows as a table with these columns; a cell without a value stays empty."""
    shown = rows[:_LONGEST_TABLE]
    kinds = {name: _kind([row.get(name) for row in shown]) for name in columns}
    return dg.MetadataValue.table(
        [dg.TableRecord({name: _cell(row.get(name)) for name in columns}) for row in shown],
        schema=dg.TableSchema([dg.TableColumn(name, kinds[name]) for name in columns]),
    )


def progress(context: dg.AssetExecutionContext, watcher: Watcher, doing: str) -> Callable[[int, int], None]:
    """A callback that tells watcher and log ``done of total`` about ten times; each line of the log is an
    event that has to be stored.
    """

    def report(done: int, total: int) -> None:
        if done == total or done % max(1, total // _PROGRESS_LINES) == 0:
            watcher.told(doing, done, total)
            message = f"{doing} {done} of {total}"
            context.log.info(message)

    return report


def _in_words(values: Mapping[str, Cell]) -> RawMetadata:
    """The same, with numbers as text: the UI plots every number over the partitions, and a line through
    recordings, whose keys are hashes, says nothing.
    """
    return {
        name: str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
        for name, value in scalars(values).items()
    }


def _cell(value: Cell) -> str | int | float | bool:
    return "" if value is None else value


def _kind(values: Sequence[Cell]) -> str:
    kinds = {dg.TableMetadataValue.infer_column_type(value) for value in values}
    return kinds.pop() if len(kinds) == 1 else "string"
