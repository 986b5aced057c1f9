"""The Dagster instance of a home, without Dagster's definitions, which take seconds to import."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from dagster import DagsterInstance

from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.setting_up import dagster_home

_DAGSTER_HOME: Final = "DAGSTER_HOME"


@contextmanager
def local_instance(home: Home) -> Iterator[DagsterInstance]:
    """The Dagster instance of a home; its settings read ``DAGSTER_HOME``, which is set meanwhile."""
    folder, before = str(dagster_home(home)), os.environ.get(_DAGSTER_HOME)
    os.environ[_DAGSTER_HOME] = folder
    try:
        with DagsterInstance.from_config(folder) as instance:
            yield instance
    finally:
        if before is None:
            del os.environ[_DAGSTER_HOME]
        else:
            os.environ[_DAGSTER_HOME] = before
