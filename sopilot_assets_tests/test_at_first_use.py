"""Modules that are loaded when they are first used."""

from __future__ import annotations

import subprocess
import sys

WITHOUT_CELERY = """
import inspect, sys
from sopilot_assets.at_first_use import at_first_use
with at_first_use():
    from sopilot_assets.defs.scale import worker
sys.modules["celery"] = None  # as where the extra is not installed
inspect.getmodule(at_first_use.__code__, "elsewhere.py")
assert worker.__name__ == "sopilot_assets.defs.scale.worker" and worker.__file__
for _ in range(2):
    try:
        worker.start
    except ModuleNotFoundError as error:
        print(error.name)
"""
BY_TWENTY = """
from concurrent.futures import ThreadPoolExecutor
from sopilot_assets.at_first_use import at_first_use
with at_first_use():
    from sopilot_assets.scoring import ledger
with ThreadPoolExecutor(20) as pool:
    found = list(pool.map(lambda _: ledger.scores_ledger, range(20), timeout=60))
print(len(set(found)), found[0].__name__, type(ledger).__name__)
"""


def said_by(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout


def test_a_module_that_cannot_be_loaded_is_in_nobodys_way_until_it_is_used() -> None:
    assert said_by(WITHOUT_CELERY) == "celery\ncelery\n"


def test_threads_that_use_a_module_at_the_same_time_all_get_it_whole() -> None:
    assert said_by(BY_TWENTY) == "1 scores_ledger module\n"
