"""Alembic's migrations of the journal, packaged with it and run by `Journal.migrate`."""
