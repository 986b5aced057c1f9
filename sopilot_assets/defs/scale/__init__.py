"""More than one machine: runs go through Celery to workers, which share PostgreSQL and an object store.

Defines nothing for Dagster, and needs the extra ``scale``. Reads the queue; writes what the runs write.
"""
