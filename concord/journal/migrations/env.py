"""What Alembic runs: migrate over the connection that `Journal.migrate` hands in, in its transaction."""

from alembic import context

from concord.journal.tables import NAMES

context.configure(
    connection=context.config.attributes["connection"], target_metadata=NAMES, transactional_ddl=False
)
context.run_migrations()
