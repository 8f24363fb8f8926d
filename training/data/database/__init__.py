"""A task's rows in a SQL database: SQLite, MySQL, MariaDB or PostgreSQL.

`address` names database and table, `engine` connects and explains errors, `tables` and `migrations` define
the tables, `bookkeeping` knows which table is whose, `row_store` is one task's table; `load_file` and
`loader` fill it, `read_table`, `inspection` and `export` read it.
"""
