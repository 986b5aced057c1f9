"""More than one machine: runs go through Celery to workers, which share PostgreSQL and an object store."""
