"""Opens a page of the menu by its address, as a person's browser does, without passing by the first one."""

from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from tests.unit.frontend.conftest import APP


def visit(path, **address):
    """The page at a path, with what its address says, drawn once."""
    page = AppTest.from_file(str(APP), default_timeout=20)
    # AppTest itself knows only pages that are files.
    page._page_hash = calc_hash(path)
    for name, value in address.items():
        page.query_params[name] = value
    return page.run()
