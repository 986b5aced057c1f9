"""``python -m sopilot_assets.cli``: the command line where its program is not on the path."""

from sopilot_assets.cli import app

app(prog_name="sopilot")
