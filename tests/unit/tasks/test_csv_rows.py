"""Every line of a sheet is checked, a fault has its line, column and a word, and no answer is a formula."""

import csv
import io

import pytest

from concord.tasks.csv_rows import MOST_PROBLEMS, Faulty, Table, Writing, numbered, read, render
from concord.tasks.schema import Feature, Label, TaskSchema
from concord.tasks.values import safe

FLOWER = TaskSchema(
    "flower",
    "Flower",
    "Which flower it is.",
    (
        Feature("length", "number", 1.4, "cm", 0.1, 30.0),
        Feature("petals", "integer", 5, "", 1, 40),
        Feature("place", "choice", "shade", choices=("sun", "shade")),
    ),
    labels=(Label("rose", "A rose."), Label("thistle", "A thistle.")),
)
HEADER = "length,petals,place\n"


def sheet(text, writing=None):
    writing = writing or Writing()
    return read(list(numbered(io.StringIO(text, newline=""), writing.separator)), FLOWER, writing)


def test_a_good_sheet_becomes_rows_with_the_numbers_of_its_lines():
    table = sheet("note," + HEADER + '"two\nlines",1.5,5,sun\n\nx,2,6,shade\n')
    assert isinstance(table, Table)
    assert table.rows == (
        {"length": 1.5, "petals": 5, "place": "sun"},
        {"length": 2, "petals": 6, "place": "shade"},
    )
    assert (table.lines, table.unsent) == ((2, 5), ("note",))


@pytest.mark.parametrize(
    ("cells", "kind", "column", "meant"),
    [
        (",5,sun", "empty", "length", ""),
        ('"1,5",5,sun', "comma", "length", "1.5"),
        ("long,5,sun", "text", "length", ""),
        ("1e99,5,sun", "large", "length", ""),
        ("31,5,sun", "range", "length", ""),
        ("1,5.5,sun", "whole", "petals", ""),
        ("1,5,Sun", "choice", "place", "sun"),
        ("1,5,", "empty", "place", ""),
        ("1,5", "cells", None, "3"),
    ],
)
def test_a_fault_has_its_line_its_column_a_word_and_what_was_meant(cells, kind, column, meant):
    faulty = sheet(HEADER + "1,5,sun\n" + cells + "\n")
    assert isinstance(faulty, Faulty)
    (found,) = faulty.problems
    assert (found.kind, found.line, found.column, found.meant) == (kind, 3, column, meant)


def test_every_missing_and_repeated_column_is_named_with_what_stands_there_instead():
    faulty = sheet("lenght,place,place\n")
    assert [(one.kind, one.column, one.meant) for one in faulty.problems] == [
        ("repeated", "place", ""),
        ("missing", "length", "lenght"),
        ("missing", "petals", ""),
    ]


def test_all_faults_are_counted_and_the_first_are_kept():
    faulty = sheet(HEADER + "0,0,nowhere\n" * MOST_PROBLEMS)
    assert (len(faulty.problems), faulty.count, faulty.lines) == (
        MOST_PROBLEMS,
        3 * MOST_PROBLEMS,
        MOST_PROBLEMS,
    )


def test_decimals_follow_a_comma_where_a_sheet_writes_them_so():
    table = sheet("length;petals;place\n1,5;5;sun\n", Writing(";", comma=True))
    assert table.rows == ({"length": 1.5, "petals": 5, "place": "sun"},)
    assert render(table, ("sure",), [("0,75",)]) == "length;petals;place;sure\n1,5;5;sun;0,75\n"


def test_two_commas_are_no_number_in_any_sheet():
    faulty = sheet("length;petals;place\n1,000,5;5;sun\n", Writing(";", comma=True))
    assert [one.kind for one in faulty.problems] == ["text"]


@pytest.mark.parametrize("cell", ["=1+1", "+cmd", "-x", "@sum", "\t=1", "\r=1", "-1,5", "--1"])
def test_what_a_spreadsheet_would_calculate_gets_an_apostrophe(cell):
    assert safe(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["-1.5", "+3", "-2e-5", "rose", "", "1=1", "a@b"])
def test_numbers_and_texts_stay_as_they_are(cell):
    assert safe(cell) == cell


def test_a_negative_number_with_a_comma_is_one_where_decimals_are_written_so():
    assert safe("-1,5", comma=True) == "-1,5"


def test_added_cells_and_headers_are_no_formulas_either():
    table = sheet("=x," + HEADER + "1,1,5,sun\n")
    written = list(csv.reader(io.StringIO(render(table, ("answer", "length"), [("@evil", "")]))))
    assert written == [
        ["'=x", "length", "petals", "place", "answer", "concord_length"],
        ["1", "1", "5", "sun", "'@evil", ""],
    ]
