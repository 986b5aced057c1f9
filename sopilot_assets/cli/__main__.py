"""``python -m sopilot_assets.cli``: the command line where its program is not on the path."""

import signal

from sopilot_assets.cli import app

# a program started in the background of a shell ignores Ctrl-C, and so would all below it; a step of a campaign
# that has to end is asked by this signal
signal.signal(signal.SIGINT, signal.default_int_handler)
app(prog_name="sopilot")
