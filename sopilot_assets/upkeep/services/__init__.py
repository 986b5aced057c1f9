"""The installation as services of systemd: its units written, compared, looked at and removed.

Reads the home's settings and what systemd says of the units; writes unit files, an environment file and an
account outside of the home, and gives a home that belongs to root to that account.
"""
