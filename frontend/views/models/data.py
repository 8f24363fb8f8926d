"""Reads which versions the nodes serve."""

import re
from collections.abc import Mapping
from typing import Final

import streamlit as st

from concord.types.models import ModelView
from frontend.data import service

FRESH_SECONDS: Final = 3
"""How old a list may be: a node that changes over is watched while it does."""

_REFERENCE: Final = re.compile(r"(?:models:/[^/@]+/)?(?P<version>[1-9][0-9]*)")


@st.cache_data(ttl=FRESH_SECONDS, show_spinner="…")
def list_models(url: str) -> list[ModelView]:
    """Every node's model, with its versions."""
    return service.connect(url).models()


def expected_versions(view: ModelView) -> Mapping[str, str | None] | None:
    """Champion and challenger as a view shows them; None where no champion is known to be expected."""
    champion = _version_number(view.wanted.champion) or view.champion
    if champion is None:
        return None
    challenger = _version_number(view.wanted.challenger) or (view.wanted.challenger and view.challenger)
    return {"champion": champion, "challenger": challenger}


def clear_cache() -> None:
    """Drops what is kept of models and nodes."""
    list_models.clear()
    service.clear_cache()


def _version_number(reference: str | None) -> str | None:
    """The number that an entry names, alone or behind its model; an alias is none."""
    match = _REFERENCE.fullmatch(reference) if reference else None
    return match["version"] if match else None
