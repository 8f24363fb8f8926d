"""What the pages for contributors say of the code is so: paths, packages, layers."""

import re
from configparser import ConfigParser
from pathlib import Path

import pytest

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
