"""What keeps an installation going: set-up, campaigns, backups, alerts, daily report, doctor, retention.

Reads everything in a home; each part writes only into the folder or ledger that carries its name, but for
retention, erasing and upgrades, which remove or change what lies elsewhere.
"""
