"""The pages, a package each: `page.py` draws it, `data.py` fetches what only this page needs."""
