"""What may be seen of people: faces, and regions that a task masks, are covered in what is shown.

Reads videos, settings and tasks; writes nothing, since pictures are given to whoever shows them. What is
judged, embedded or measured never passes here.
"""
