"""What a night costs in which nothing is over its time."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sopilot_assets.store.home import Home

pytestmark = pytest.mark.whole

APPLY = """
import sys
from sopilot_assets.cli import app
try:
    app(["--home", sys.argv[1], "retention", "apply"])
except SystemExit as ended:
    assert not ended.code
print(sorted({"matplotlib", "scipy.stats", "sopilot_assets.evidence.gate_reports"} & set(sys.modules)))
"""


def test_with_nothing_to_remove_nothing_that_computes_is_loaded(home: Home) -> None:
    done = subprocess.run(
        [sys.executable, "-c", APPLY, str(home.root)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
