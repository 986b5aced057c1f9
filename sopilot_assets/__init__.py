"""Scores recorded work against a standard operating procedure, as partitioned Dagster assets."""

import os

__version__ = "0.2.0"

# onnxruntime tells its maker of each process and its models unless this is said before it is loaded
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
