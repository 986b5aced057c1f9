"""What may be seen of people: faces are covered, and regions that a task masks, in whatever is shown or handed over.

Reads videos and ``settings.yaml``; writes nothing: pictures to show are given to whoever shows them. What is
judged, embedded or measured never passes here.
"""
