"""Dagster's own web server as an ASGI app, with the code server that it shows.

Of an asset whose partitions are still to come Dagster says that none is missing, and shows it in green. Here
it counts none of them, and shows the asset as not made yet.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

from dagster import DagsterInstance
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_graphql.schema.asset_graph import GrapheneAssetNode
from dagster_graphql.schema.pipelines.pipeline import GraphenePartitionStats
from dagster_graphql.schema.util import ResolveInfo
from dagster_webserver.version import __version__
from dagster_webserver.webserver import DagsterWebserver

Asgi: TypeAlias = Callable[..., Awaitable[None]]

_STATEMENT_TIMEOUT_MS: Final = 15_000
_POOL_RECYCLE_S: Final = 3600
_POOL_MAX_OVERFLOW: Final = 20
"""As Dagster's own command has them; they matter with Postgres only."""


_stats_of_partitions: Final = GrapheneAssetNode.resolve_partitionStats


async def _stats_where_there_are_partitions(
    node: GrapheneAssetNode, info: ResolveInfo
) -> GraphenePartitionStats | None:
    stats = await _stats_of_partitions(node, info)
    return stats if stats is not None and stats.numPartitions else None


@contextmanager
def dagster_page(instance: DagsterInstance, workspace: Path, *, read_only: bool) -> Iterator[Asgi]:
    """The app, while the code servers run that the file ``workspace`` names."""
    # graphene finds what answers a field by its name
    setattr(GrapheneAssetNode, "resolve_partitionStats", _stats_where_there_are_partitions)  # noqa: B010
    instance.optimize_for_webserver(_STATEMENT_TIMEOUT_MS, _POOL_RECYCLE_S, _POOL_MAX_OVERFLOW)
    with WorkspaceProcessContext(
        instance,
        version=__version__,
        read_only=read_only,
        workspace_load_target=WorkspaceFileTarget([str(workspace)]),
    ) as context:
        yield DagsterWebserver(context, "", None).create_asgi_app()
