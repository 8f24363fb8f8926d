"""What the pages for contributors say of the code is so: paths, packages, layers."""

import re
from configparser import ConfigParser
from pathlib import Path

import pytest

from concord.tasks.cells import NOTHING
from training.registry import versions

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PATH = re.compile(r"`((?:concord|training|frontend|bentos|benchmarks|tests|helm|k8s|\.ci)/[\w./-]+)`")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_that_a_page_names_exists(page):
    paths = set(PATH.findall(page.read_text("utf-8"))) - {"training/tasks/size.py"}
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("root", ["concord", "training", "frontend"])
def test_every_package_has_its_paragraph(root):
    packages = {path.parent.name for path in (ROOT / root).glob("*/__init__.py")}
    described = set(re.findall(rf"^\*\*`{root}/(\w+)`", ARCHITECTURE, flags=re.MULTILINE))
    assert described == packages


def test_the_layers_are_those_that_are_checked():
    contracts = ConfigParser()
    contracts.read(ROOT / ".importlinter", "utf-8")
    layers = contracts["importlinter:contract:layers"]["layers"].replace("concord.", "").split("\n")
    assert "\n".join(filter(None, layers)) in ARCHITECTURE


def test_every_text_of_an_empty_cell_is_in_the_table_of_what_is_read():
    page = (ROOT / "docs" / "data.md").read_text("utf-8")
    (line,) = re.findall(r"^\| an empty cell.*$", page, re.MULTILINE)
    named = set(re.findall(r"`([^`]+)`", line))
    # The page says "and its like" of what C's library writes for no number, and of signs before it.
    unlisted = {text for text in NOTHING if "#" in text or text.startswith("-")} - {"1.#IND", "#N/A"}
    assert NOTHING - {""} - unlisted <= named


def test_every_tag_that_a_version_carries_is_named_with_its_meaning():
    tags = {
        value for name, value in vars(versions).items() if name.endswith("_TAG") and name != "PREVIOUS_TAG"
    }
    page = (ROOT / "docs" / "models.md").read_text("utf-8")
    assert {tag for tag in tags if f"| `{tag}` |" not in page} == set()
