"""Starts the page: `python -m frontend`, followed by options of `streamlit run`.

Streamlit serves by uvicorn and has no option for the protocol, so uvicorn's configuration is made with ours.
No other site may show the page within itself.
"""

import functools
import sys
from pathlib import Path
from typing import Final

import uvicorn
from streamlit.web import cli

from concord.http.connection import StreamingProtocol

APP: Final = Path(__file__).with_name("server.py")

HEADERS: Final = [
    ("content-security-policy", "frame-ancestors 'self'"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
]
"""On every answer of the page."""


def main() -> None:
    """Runs the page until it is ended."""
    uvicorn.Config = functools.partial(  # type: ignore[misc, assignment]
        uvicorn.Config, http=StreamingProtocol, headers=HEADERS, server_header=False
    )
    sys.argv = ["streamlit", "run", str(APP), *sys.argv[1:]]
    cli.main()


if __name__ == "__main__":
    main()
