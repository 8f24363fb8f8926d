"""The versions of Python that the classifiers name are those that are tested."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_version_of_python_that_is_named_is_tested():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = re.findall(r"Python :: (3\.\d+)", " ".join(project["classifiers"]))
    own = (ROOT / ".python-version").read_text("utf-8").strip()
    (others,) = re.findall(r"for version in ((?:3\.\d+ ?)+);", (ROOT / ".ci" / "full").read_text("utf-8"))
    assert sorted(named) == sorted([own, *others.split()])
