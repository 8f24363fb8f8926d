"""Alembic's steps from one version of our own tables to the next; a task's tables are not among them."""
