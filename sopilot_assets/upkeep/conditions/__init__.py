"""What can be wrong with an installation: one list of questions, and one answer to each.

Doctor prints the answers, alerts are raised while a condition lasts, asset checks and the state of a campaign
wrap them, the daily report ranks those of a finished day. From when on something counts as wrong stands in
the settings and nowhere else. Reads the home and what Dagster keeps there; writes nothing.
"""
