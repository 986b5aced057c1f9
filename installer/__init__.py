"""The folder that sopilot is installed from on a machine without a network; `make bundle` makes it."""
