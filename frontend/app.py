"""The page's entry, for `streamlit run frontend/app.py`: reads the address, routes to the views.

A page is a function in a module of `frontend/views/`; this file only lists them. (A folder `pages/`
would be found by Streamlit itself, past this list.)
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import streamlit as st

from concord.settings import Settings
from frontend import access, language
from frontend.language import mark, say
from frontend.views import drift, live, predict, rounds
