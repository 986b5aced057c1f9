"""What the package needs of POSIX and Linux; it asks for that here and nowhere else.

Locks, processes that are started and ended together, limits, what ``/proc`` tells, and forked children. Small
functions with the same meaning on any system: a port to another one is a folder like this. Where there is no
POSIX, a home can be read, and whatever needs more raises `ConfigError`. Reads ``/proc``; writes nothing.
"""
