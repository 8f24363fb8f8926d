"""Opens pages without a browser, and reads and presses what a person would."""

from pathlib import Path

from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

APP = Path(__file__).parents[3] / "frontend" / "app.py"

TOKEN = "q3Vt0lhN2Xw9f-8dYpZk_7RsBmE4uA1cJg5oKiTxW6U"


def _draw(name, url):
    from importlib import import_module

    from frontend.text import language

    language.choose()
    import_module(f"frontend.views.{name}.page").show(url)


def open_view(name, url, *, token=None, **address):
    """Opens a view; with a token, as a person who has typed one."""
    page = AppTest.from_function(_draw, kwargs={"name": name, "url": url}, default_timeout=20)
    for key, value in address.items():
        page.query_params[key] = value
    if token:
        page.session_state["access/token"] = token
    return run(page)


def run(page):
    """Draws the page anew; what the code raises is a failure and not a red box."""
    page.run()
    assert not page.exception, [error.message for error in page.exception]
    return page


def text(page):
    """Everything that the page says, in one string."""
    kinds = (
        page.title,
        page.subheader,
        page.markdown,
        page.error,
        page.warning,
        page.info,
        page.success,
        page.code,
    )
    return "\n".join(element.value for kind in kinds for element in kind)


def labels(page):
    return [button.label for button in page.button]


def press(page, label):
    next(button for button in page.button if button.label == label).click()
    return run(page)


def confirm(page, reason="It was mended."):
    """Gives a reason in the dialog and presses its button."""
    page.text_input[0].set_value(reason)
    page.button(key="confirm/yes").click()
    return run(page)


def visit(path, **address):
    """The page at a path, with what its address says, drawn once."""
    page = AppTest.from_file(str(APP), default_timeout=20)
    # AppTest itself knows only pages that are files.
    page._page_hash = calc_hash(path)
    for name, value in address.items():
        page.query_params[name] = value
    return page.run()
