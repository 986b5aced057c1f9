"""Text for people and text from outside: sentences in two languages, names and cells that are safe to show.

Reads and writes nothing.
"""
