"""The layers' file speaks of every module there is; `lint-imports` proves the rest."""

from configparser import ConfigParser
from pathlib import Path
from pkgutil import iter_modules

ROOT = Path(__file__).parents[2]


def test_every_module_of_the_library_but_the_journal_may_not_import_sqlalchemy():
    layers = ConfigParser()
    layers.read(ROOT / ".importlinter", "utf-8")
    listed = layers["importlinter:contract:sql"]["source_modules"].split()
    there = {f"concord.{module.name}" for module in iter_modules([str(ROOT / "concord")])}
    assert {name for name in listed if name.startswith("concord.")} == there - {"concord.journal"}
