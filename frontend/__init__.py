"""The web page, for people who have never seen a terminal.

It speaks HTTP to the consensus service and builds every form from the task's schema, so a new task
appears by itself. It imports no training code and no service, and it decides nothing: what a page
shows is what the service said.

`app.py` lists the pages. Each is a module of `views/`, which draws it, and has a folder of its name for
what it alone shows; `asking/` fetches, and what several pages share stands here.
"""
