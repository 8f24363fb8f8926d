"""`docs/operating.md` says of the server's limits what `concord/http/limits.py` has."""

import re
from pathlib import Path

import pytest

from concord.http import limits
from concord.http.connection import StreamingProtocol
from concord.http.limits import SPARE_FILES, Limits, Refusal

PAGE = (Path(__file__).parents[3] / "docs" / "operating.md").read_text("utf-8")
SECTION = PAGE.partition("## What the server refuses before the application")[2].partition("\n## ")[0]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in SECTION.splitlines()
    if line.startswith("|")
]
REFUSALS = [value for value in vars(limits).values() if isinstance(value, Refusal)]


def row(begin):
    """The row whose first cell begins so."""
    (found,) = [cells for cells in ROWS if cells[0].startswith(begin)]
    return found


@pytest.mark.parametrize(
    ("begin", "name"),
    [
        ("a request's head", "head_bytes"),
        ("its headers", "headers"),
        ("time for a head", "head_seconds"),
        ("time for a body", "body_seconds"),
        ("pieces of a body", "pieces"),
        ("bytes of bodies", "body_bytes"),
        ("requests under way", "requests"),
        ("connections", "connections"),
        ("time without a request", "idle_seconds"),
        ("time in which", "answer_seconds"),
        ("bytes of answers", "unread_bytes"),
        ("bytes that are read and dropped", "discarded_bytes"),
    ],
)
def test_a_limit_is_what_the_page_says(begin, name):
    assert float(re.sub(r"[^\d]", "", row(begin)[1])) == getattr(Limits(), name)


def test_the_numbers_within_its_text_are_those_of_the_limits():
    told = re.findall(r"\d+", row("pieces of a body")[0] + row("connections, or")[0])
    assert told == [str(Limits().piece_bytes), str(SPARE_FILES)]


def test_the_page_names_every_refusal_by_its_status_and_code():
    named = {cells[3].strip("`"): cells[2] for cells in ROWS}
    assert [refusal for refusal in REFUSALS if str(refusal.status) not in named.get(refusal.code, "")] == []


def test_bodies_of_page_and_mlflow_have_the_time_that_the_page_says():
    assert re.findall(r"for (\d+) s and of any size", SECTION) == [
        f"{StreamingProtocol.limits.body_seconds:.0f}"
    ]
