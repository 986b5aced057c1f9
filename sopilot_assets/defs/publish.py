"""What outcomes look like in Dagster: the metadata, picture, table and page of every partition."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import dagster as dg

from sopilot_assets.defs.partitions import range_held
from sopilot_assets.defs.resources import Watcher
from sopilot_assets.stations.outcome import ReferenceOutcome, StationOutcome
from sopilot_assets.store.ledgers import Cell

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
_LONGEST_TABLE: Final = 200
"""Rows of one table; the page loads all of them at once."""


def publish_outcomes(
    context: dg.AssetExecutionContext,
    outcomes: Sequence[StationOutcome],
    *,
    table_name: str = "table",
) -> None:
    """Attach each outcome to its partition of the running asset; ``table_name`` says what its table lists."""
    with range_held(context):
        for outcome in outcomes:
            metadata = outcome_metadata(outcome, table_name=table_name)
            context.add_asset_metadata(metadata, partition_key=str(outcome.key))
    problems = [outcome for outcome in outcomes if outcome.problem is not None]
    if problems:
        listed = "\n".join(f"  {outcome.key}: {outcome.problem}" for outcome in problems[:20])
        message = f"{len(problems)} of {len(outcomes)} recordings have no result:\n{listed}"
        context.log.warning(message)


def outcome_metadata(outcome: StationOutcome, *, table_name: str) -> RawMetadata:
    """The scalars of an outcome, why it has no result, its table, its picture and its review page."""
    metadata = _in_words(outcome.metadata)
    if outcome.problem is not None:
        metadata["problem"] = outcome.problem
    if outcome.table:
        metadata[table_name] = table(outcome.table, columns=tuple(outcome.table[0]))
    if outcome.picture_png is not None:
        metadata["picture"] = picture(outcome.picture_png, title=str(outcome.key))
    if outcome.page is not None:
        metadata |= page(outcome.page)
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


def page(path: Path) -> RawMetadata:
    """A page on this machine: its path to copy, and its address."""
    absolute = Path(path).absolute()
    return {
        "review_page": dg.MetadataValue.path(absolute),
        "review_link": dg.MetadataValue.url(absolute.as_uri()),
    }


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
