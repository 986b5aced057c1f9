"""A campaign: the installation looks after itself for some days, one cycle of steps after another.

`plan` says what was asked for, `records` what happened, `deciding` what is next; `cycle` works through the
steps of one cycle, each a command that a person could type; `ending` sums up, `standing` says how it goes.
"""
