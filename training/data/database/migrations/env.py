"""What Alembic runs: migrate over the connection that `bookkeeping.migrate` hands in, in its transaction."""

from alembic import context

from training.data.database.tables import OURS

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=OURS,
    # A journal in the same database has a version of its own.
    version_table="concord_data_version",
    transactional_ddl=False,
)
context.run_migrations()
