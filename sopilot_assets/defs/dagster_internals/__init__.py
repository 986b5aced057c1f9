"""The parts of Dagster that are not public, each in one module.

Nothing else imports ``dagster._*``, dagster-celery, dagster-graphql or dagster-webserver.
``test_a_new_dagster.py`` says for each module what to look at when a new version of Dagster changes it. Reads
and writes the databases below ``DAGSTER_HOME``, as Dagster does, and the files that runs hold beside them.
"""
