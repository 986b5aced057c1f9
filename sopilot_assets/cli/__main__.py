"""``python -m sopilot_assets.cli``: the command line where its program is not on the path."""

import signal

from sopilot_assets.cli import app

# a program started in the background of a shell ignores this signal, and so would all below it; by it a step
# of a campaign is asked to end
signal.signal(signal.SIGINT, signal.default_int_handler)
app(prog_name="sopilot")
