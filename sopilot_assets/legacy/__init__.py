"""An existing installation of the old system: its database read, its reports reproduced."""
