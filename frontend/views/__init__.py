"""One module a page; each has `show(url)`, and `frontend/app.py` lists them."""
