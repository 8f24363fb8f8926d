"""Every page of a whole Concord in Chromium before anything was asked; first of the files that share one."""

import pytest

from tests.browser.people import SOUND, needs_chromium, picture, settle, sound
from tests.browser.world import PAGES

pytestmark = needs_chromium

EMPTY = {
    "predict": "Nothing has been asked yet.",
    "batch": "No file yet.",
    "rounds": "There are no rounds yet.",
    "nodes": "No labels yet:",
    "ledger": "Is it sound?",
    "models": "One version serves, so there is nothing to compare.",
    "drift": "Are the rows that are asked now",
    "live": "Nothing has been asked yet",
}


@pytest.mark.parametrize("width", [375, 1440])
@pytest.mark.parametrize("name", PAGES)
def test_before_anything_was_asked_each_page_says_what_to_do(world, look, tmp_path, name, width):
    page = look(world.at(name, task="iris"), width=width)
    page.get_by_text(EMPTY[name]).first.wait_for(timeout=60_000)
    settle(page)
    picture(page, tmp_path / f"empty-{name}-{width}.png")
    assert sound(page) == SOUND
