"""A task's rows in a SQL database: SQLite, MySQL, MariaDB or PostgreSQL.

`address` says which database and table are meant, `engine` reaches it and turns its faults into sentences,
`tables` names every table, `migrations` brings our own to this version, `store` is one task's table,
`loading` brings a file into it, `reading` gives its rows to those who learn.
"""
