"""What the pages say in another language: nothing is missing, and nothing is said with the wrong values."""

import ast
from collections import Counter
from itertools import pairwise
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.pofile import read_po

from frontend.text import language
from tests.homes import SHIPPED
from tests.unit.frontend.page_driver import visit
from training.tasks import select

SOURCES = sorted(Path(language.__file__).parents[1].rglob("*.py"))
OTHERS = [name for name in language.NAMES if name != "en"]


def list_texts(path):
    """Texts that a module says, as the catalogue knows them: one, or one and many."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        name = getattr(node.func, "id", None) if isinstance(node, ast.Call) else None
        if name in {"_", "N_", "ngettext"}:
            texts = [message.value for message in node.args[:2] if isinstance(message, ast.Constant)]
            if texts:
                yield tuple(texts) if name == "ngettext" else texts[0]


def task_texts():
    for task in select(SHIPPED):
        schema = task.schema
        yield from (schema.title, schema.description)
        yield from (feature.description for feature in schema.features if feature.description)
        yield from (feature.name.replace("_", " ") for feature in schema.features)
        yield from (label.sentence for label in schema.labels)
        if schema.value:
            yield schema.value.sentence


def catalogue(name):
    with (language.CATALOGUES / f"{name}.po").open("rb") as file:
        return read_po(file, locale=name, abort_invalid=True)


def places(text):
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("name", OTHERS)
def test_every_text_of_the_pages_is_said_in_every_language(name):
    known = catalogue(name)
    missing = [
        text
        for path in SOURCES
        for text in list_texts(path)
        if not (known.get(text) and all(_strings(known.get(text))))
    ]
    assert missing == []


def test_no_module_that_translates_uses_the_name_of_the_translation_for_something_else():
    # A loop over `_` would make it a local variable of its function, and no translation any more.
    rebound = [
        path.name
        for path in SOURCES
        if "frontend.text.language import" in (source := path.read_text("utf-8"))
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Name) and node.id == "_" and not isinstance(node.ctx, ast.Load)
    ]
    assert rebound == []


@pytest.mark.parametrize("name", OTHERS)
def test_no_text_is_said_in_two_ways(name):
    # Babel takes the last of two without a word.
    lines = (language.CATALOGUES / f"{name}.po").read_text("utf-8").replace('"\n"', "").split("\n")
    named = [
        (before if before.startswith("msgctxt") else "", line)
        for before, line in pairwise(lines)
        if line.startswith("msgid ")
    ]
    assert [message for message, count in Counter(named).items() if count > 1] == []


@pytest.mark.parametrize("name", OTHERS)
def test_every_text_of_our_own_tasks_is_said_in_every_language(name):
    known = catalogue(name)
    assert [text for text in task_texts() if known.get(text, language.TASK) is None] == []


@pytest.mark.parametrize("name", OTHERS)
def test_no_catalogue_keeps_what_nobody_says(name):
    texts = {text for path in SOURCES for text in list_texts(path)}
    left = [
        message.id
        for message in catalogue(name)
        if message.id and message.context is None and message.id not in texts
    ]
    assert left == []


@pytest.mark.parametrize("name", OTHERS)
def test_a_translation_has_the_places_of_its_text(name):
    for message in catalogue(name):
        originals = message.id if isinstance(message.id, tuple) else (message.id,)
        expected = set().union(*map(places, originals))
        for text in _strings(message):
            assert places(text) <= expected, message.id
            # A count of one may go without saying.
            assert expected - places(text) <= {"count"}, message.id


def _strings(message):
    return message.string if isinstance(message.string, tuple) else (message.string,)


@pytest.mark.parametrize(
    ("locale", "spoken"),
    [("fr-CA", "fr"), ("FR", "fr"), ("en-GB", "en"), ("de", "en"), (None, "en"), ("", "en")],
)
def test_a_browsers_language_is_spoken_where_there_is_one(locale, spoken):
    assert language.match_browser(locale) == spoken


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("", "Prédire"),
        ("batch", "Par lot"),
        ("rounds", "Tours"),
        ("nodes", "Nœuds"),
        ("ledger", "Registre"),
        ("models", "Modèles"),
        ("drift", "Dérive"),
        ("live", "En direct"),
    ],
)
def test_a_page_is_drawn_in_the_language_of_its_address(service, open_page, path, title):
    page = visit(path, lang="fr") if path else open_page(lang="fr")
    assert [shown.value for shown in page.title] == [title]
    assert page.query_params["lang"] == "fr"


def test_numbers_are_written_as_the_language_has_them(monkeypatch):
    monkeypatch.setattr(language, "current", lambda: "fr")
    assert language.format_decimal(1234567.125) == "1\u202f234\u202f567,125"
    assert language.format_percent(0.994, 1) == "99,4\xa0%"


def test_a_text_that_no_catalogue_knows_is_said_as_it_stands(monkeypatch):
    monkeypatch.setattr(language, "current", lambda: "fr")
    assert language.task_gettext("Height of a tree") == "Height of a tree"
