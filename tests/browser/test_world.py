"""Every page of a whole Concord in Chromium, with rounds, labels and a fifth task.

Where `CONCORD_PICTURES` names a folder, the pictures for `docs/` are left there.
"""

import csv
import io
import os
import random
from pathlib import Path

import pytest

from concord.client import Client
from tests.browser.people import (
    EVERYWHERE,
    SOUND,
    ask,
    choose,
    needs_chromium,
    picture,
    press_by_keyboard,
    settle,
    sound,
    sound_at_every_width,
    use_token,
    wait_until_filled,
)
from tests.browser.world import MOVED, PAGES

pytestmark = needs_chromium

FULL = {
    "predict": "Fill in the form",
    "batch": "What the columns mean",
    "rounds": "Open a round",
    "nodes": "Stake over time",
    "ledger": MOVED,
    "models": "Side by side",
    "drift": "Pictures of",
    "live": "The same as a table",
}
PLOTTED = "How many held-out rows of each class"
"""How the picture of a confusion matrix, which MLflow keeps, begins to be described."""

SOURCES = {True: "From Prometheus; each value", False: "From the service's own metrics"}
"""Where the page Live says that its figures come from, by whether there is a Prometheus."""

KEPT = Path(os.environ["CONCORD_PICTURES"]) if "CONCORD_PICTURES" in os.environ else None
CONTESTED = {"Sepal length": "6.0", "Sepal width": "2.7", "Petal length": "5.1", "Petal width": "1.6"}
"""The workshop's flower, on which models do not agree."""

ROWS = 1000

GUARDED = ("predict", "rounds", "ledger", "batch")
"""The pages at which every landing looks."""


def keep(page, folder, name):
    """Leaves a picture, to be looked at."""
    picture(page, keeping(folder) / f"{name}.png")


def keeping(folder):
    """Where pictures are left: in this folder, unless another one was named."""
    return KEPT or folder


@pytest.mark.parametrize("width", [375, 1440])
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.guard] if name in GUARDED else []) for name in PAGES]
)
def test_each_page_is_whole_on_a_telephone_and_on_a_desk(filled_world, look, tmp_path, name, width):
    page = look(filled_world.at(name, task="iris"), width=width)
    page.get_by_text(FULL[name]).first.wait_for(timeout=60_000)
    if name == "predict":
        ask(page)
        page.get_by_text("How each node voted").wait_for()
    if name == "models":
        drawn = page.get_by_alt_text(PLOTTED).first
        drawn.wait_for(timeout=60_000)
        assert drawn.evaluate("async image => { await image.decode(); return image.naturalWidth; }") > 100
    if name == "live":
        page.get_by_text(SOURCES[filled_world.prometheus is not None]).wait_for(timeout=60_000)
    settle(page)
    keep(page, tmp_path, f"{name}-{width}")
    assert sound(page) == SOUND


def test_rounds_without_labels_say_nothing_of_errors(filled_world, look):
    page = look(filled_world.at("drift", task="loan_default"), width=375)
    page.get_by_text("No labels yet.").wait_for(timeout=60_000)
    assert page.get_by_text("There is no round to compare.").count() == 0


def test_an_amount_is_asked_for_with_the_tab_key_alone(filled_world, look, tmp_path):
    page = look(filled_world.at("predict", task="loan_amount"), width=375)
    page.get_by_role("button", name="Fill in the example").wait_for()
    press_by_keyboard(page, "Fill in the example")
    wait_until_filled(page)
    press_by_keyboard(page, "Ask the")
    page.get_by_text("How each node voted").wait_for()
    page.get_by_text("Spread of the votes").wait_for()
    assert sound_at_every_width(page, keeping(tmp_path), "amount") == EVERYWHERE


@pytest.mark.parametrize("width", [375, 1920])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("language", "title"), [("en", "Nodes"), ("fr", "Nœuds")])
def test_a_page_is_whole_in_every_language_and_theme(
    filled_world, look, tmp_path, width, theme, language, title
):
    page = look(filled_world.at("nodes", task="iris"), width=width, theme=theme, language=language)
    page.get_by_role("heading", name=title, exact=True).wait_for()
    settle(page)
    keep(page, tmp_path, f"nodes-{width}-{theme}-{language}")
    assert sound(page) == SOUND


@pytest.mark.guard
def test_from_an_answer_to_the_truth_to_the_stake_that_moved(filled_world, look, tmp_path):
    with Client(filled_world.url) as client:
        before = {node.node: node.stake for node in client.nodes("iris")}
    page = look(filled_world.at("predict", task="iris"))
    for name, value in CONTESTED.items():
        page.get_by_role("spinbutton", name=name).fill(value)
    page.get_by_role("button", name="Ask the").click()
    page.get_by_text("How each node voted").wait_for()
    use_token(page, filled_world.token)
    choose(page, "The truth was", "virginica")
    page.get_by_role("button", name="This was true").click()
    page.get_by_role("button", name="Record it").wait_for()
    settle(page)
    assert sound(page) == SOUND
    page.get_by_role("button", name="Record it").click()
    page.get_by_text("Stake was gained by").wait_for(timeout=60_000)
    settle(page)
    keep(page, tmp_path, "truth-1440")
    assert sound(page) == SOUND
    with Client(filled_world.url) as client:
        after = {node.node: node.stake for node in client.nodes("iris")}
    assert before.keys() == after.keys()
    assert before != after
    assert filled_world.token not in page.content()


def test_a_file_of_a_thousand_rows_is_answered(filled_world, look, tmp_path):
    draw = random.Random(1)
    out = io.StringIO()
    lines = csv.writer(out)
    lines.writerow(["sepal_length", "sepal_width", "petal_length", "petal_width", "note"])
    for number in range(ROWS):
        row = [round(draw.uniform(low, high), 1) for low, high in ((4, 8), (2, 4.5), (1, 7), (0.1, 2.5))]
        lines.writerow([*row, "=1+1" if number == 0 else f"flower {number}"])
    page = look(filled_world.at("batch", task="iris"))
    page.locator("input[type=file]").set_input_files(
        {"name": "flowers.csv", "mimeType": "text/csv", "buffer": out.getvalue().encode()}
    )
    page.get_by_role("button", name="Ask about 1,000 rows").click(timeout=60_000)
    page.get_by_text("All 1,000 rows are answered").wait_for(timeout=120_000)
    settle(page)
    keep(page, tmp_path, "batch-answered-1440")
    assert sound(page) == SOUND
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download the answers").click()
    with Path(downloading.value.path()).open(newline="", encoding="utf-8-sig") as file:
        answers = list(csv.DictReader(file))
    assert len(answers) == ROWS
    assert answers[0]["note"] == "'=1+1"
    assert [answer["note"] for answer in answers[1:]] == [f"flower {number}" for number in range(1, ROWS)]
    assert {answer["status"] for answer in answers} == {"ok"}
    assert len({answer["id"] for answer in answers}) == ROWS


@pytest.mark.guard
def test_a_file_with_faults_is_not_sent_and_says_where(filled_world, look, tmp_path):
    page = look(filled_world.at("batch", task="iris"), width=375)
    text = "sepal_length,sepal_width,petal_length,petal_width\n5,3,1.5,0.2\nlong,3,1.5,\n"
    page.locator("input[type=file]").set_input_files(
        {"name": "flowers.csv", "mimeType": "text/csv", "buffer": text.encode()}
    )
    page.get_by_text("2 things in the file are wrong").wait_for(timeout=60_000)
    settle(page)
    keep(page, tmp_path, "batch-faults-375")
    assert sound(page) == SOUND


def test_a_task_that_is_one_file_more_has_a_form_that_works(filled_world, look, tmp_path):
    page = look(filled_world.at("predict"))
    choose(page, "Task", "Penguin")
    page.get_by_role("combobox", name="Island").wait_for()
    page.get_by_role("spinbutton", name="Bill length (mm)").wait_for()
    ask(page)
    page.get_by_text("This is a gentoo penguin.").first.wait_for()
    settle(page)
    keep(page, tmp_path, "fifth-1440")
    assert sound(page) == SOUND


@pytest.mark.guard
def test_a_round_is_opened_by_its_address_and_explains_itself(filled_world, look, tmp_path):
    with Client(filled_world.url, token=filled_world.token) as client:
        found = next(client.all_rounds(task="iris", label="known"))
    page = look(filled_world.at("rounds", round=found.id))
    page.get_by_text(found.id).first.wait_for(timeout=60_000)
    settle(page)
    keep(page, tmp_path, "round-1440")
    assert sound(page) == SOUND


@pytest.mark.guard
def test_a_ledger_is_verified_on_its_page(filled_world, look):
    page = look(filled_world.at("ledger"))
    page.get_by_role("button", name="Verify").click()
    page.get_by_text("The ledger is sound").wait_for(timeout=60_000)
    assert sound(page) == SOUND
