"""What the recordings of one person say together: results over weeks, what repeats, learning curves.

A room of its own above the stations: it judges nothing, no asset calls it, and who may see it is decided
apart from everything else. Reads recordings, scores and labels; written is only what is handed over to the
person. A person is a code; a recording without one is nobody's.
"""
