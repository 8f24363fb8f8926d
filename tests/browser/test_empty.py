"""Every page of a whole Concord in Chromium before anything was asked; first of the files that share one."""

import pytest

from tests.browser.people import SOUND, needs_chromium, picture, settle, sound
from tests.browser.world import MOVED, PAGES

pytestmark = needs_chromium

EMPTY = {
    "predict": ["Nothing has been asked yet."],
    "batch": ["No file yet."],
    "rounds": ["There are no rounds yet."],
    "nodes": ["No labels yet:"],
    "ledger": ["Who gained and who lost"],
    "models": ["One version serves, so there is nothing to compare."],
    "drift": ["There is no round to compare.", "No labels yet."],
    "live": ["Nothing has been asked yet"],
}


@pytest.mark.parametrize("width", [375, 1440])
@pytest.mark.parametrize("name", PAGES)
def test_before_anything_was_asked_each_page_says_what_to_do(world, look, tmp_path, name, width):
    page = look(world.at(name, task="iris"), width=width)
    for said in EMPTY[name]:
        page.get_by_text(said).first.wait_for(timeout=60_000)
    settle(page)
    picture(page, tmp_path / f"empty-{name}-{width}.png")
    # No ledger that `concord up` started is empty, since it opens the accounts: what is missing are gains.
    assert page.get_by_text(MOVED).count() == 0
    assert sound(page) == SOUND
