"""The web page, for people who do not use a terminal.

It speaks HTTP to the consensus service and builds every form from a task's schema, so a new task appears by
itself. It imports no training code and decides nothing. `app.py` lists the pages; each is a package of
`views/`. `data/` fetches and caches, `text/` translates and formats, `charts/` makes charts, and
`components/` draws what several pages show.
"""
