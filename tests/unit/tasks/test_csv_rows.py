"""Every line of a CSV file is checked, an error names its line and column, and no answer is a formula."""

import csv
import io

import pytest

from concord.tasks.csv_dialect import CsvDialect
from concord.tasks.csv_rows import (
    MOST_PROBLEMS,
    InvalidTable,
    Table,
    expected_columns,
    read_table,
    render_csv,
    render_skipped,
)
from concord.tasks.empty_rules import EmptyRule
from concord.tasks.schema import Feature, Label, TaskSchema
from concord.tasks.table_reader import TableReader
from concord.tasks.values import escape_formula

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


def read_text(text):
    with TableReader(io.BytesIO(text.encode()), "rows.csv", expected_columns(FLOWER)) as reader:
        return read_table(reader, reader, FLOWER)


def test_a_valid_file_becomes_rows_with_the_numbers_of_its_lines():
    table = read_text("note," + HEADER + '"two\nlines",1.5,5,sun\n\nx,2,6,shade\n')
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
def test_a_problem_has_its_line_column_kind_and_suggestion(cells, kind, column, meant):
    invalid = read_text(HEADER + "1,5,sun\n" + cells + "\n")
    assert isinstance(invalid, InvalidTable)
    (problem,) = invalid.problems
    assert (problem.kind, problem.line, problem.column, problem.meant) == (kind, 3, column, meant)


def test_every_missing_and_repeated_column_is_named_with_a_suggestion():
    invalid = read_text("lenght,place,place\n")
    assert [(problem.kind, problem.column, problem.meant) for problem in invalid.problems] == [
        ("repeated", "place", ""),
        ("missing", "length", "lenght"),
        ("missing", "petals", ""),
    ]


def test_all_problems_are_counted_and_the_first_are_kept():
    invalid = read_text(HEADER + "0,0,nowhere\n" * MOST_PROBLEMS)
    assert (len(invalid.problems), invalid.count, invalid.lines) == (
        MOST_PROBLEMS,
        3 * MOST_PROBLEMS,
        MOST_PROBLEMS,
    )


def test_a_dialect_can_have_decimal_commas():
    table = read_text("length;petals;place\n1,5;5;sun\n")
    assert table.dialect == CsvDialect(";", comma=True)
    assert table.rows == ({"length": 1.5, "petals": 5, "place": "sun"},)
    assert render_csv(table, ("sure",), [("0,75",)]) == "length;petals;place;sure\n1,5;5;sun;0,75\n"


def test_two_commas_are_no_number_in_any_dialect():
    invalid = read_text("length;petals;place\n1,000,5;5;sun\n2,5;5;sun\n")
    assert [problem.kind for problem in invalid.problems] == ["text"]


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+cmd", "-x", "@sum", "\t=1", "\r=1", "\n=1", "-1,5", "--1", "＝1", "＋3", "－1", "＠x"],
)
def test_what_a_spreadsheet_would_calculate_gets_an_apostrophe(cell):
    assert escape_formula(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["-1.5", "+3", "-2e-5", "rose", "", "1=1", "a@b"])
def test_numbers_and_texts_stay_as_they_are(cell):
    assert escape_formula(cell) == cell


def test_a_negative_number_with_a_comma_is_a_number_in_a_dialect_with_decimal_commas():
    assert escape_formula("-1,5", comma=True) == "-1,5"


def test_added_cells_and_headers_are_no_formulas_either():
    table = read_text("=x," + HEADER + "1,1,5,sun\n")
    lines = list(csv.reader(io.StringIO(render_csv(table, ("answer", "length"), [("@evil", "")]))))
    assert lines == [
        ["'=x", "length", "petals", "place", "answer", "concord_length"],
        ["1", "1", "5", "sun", "'@evil", ""],
    ]


FILL = {
    "petals": EmptyRule(fill=5),
    "length": EmptyRule(unknown=frozenset({0.0})),
    "place": EmptyRule(fill="sun"),
}


def read_by(text, rules, **how):
    with TableReader(io.BytesIO(text.encode()), "rows.csv", expected_columns(FLOWER)) as reader:
        return read_table(reader, reader, FLOWER, rules, **how)


def test_a_tasks_rules_fill_empty_cells_and_it_is_counted():
    table = read_by(HEADER + "1.5,,sun\n1.5,NA,\n", FILL)
    assert table.rows == ({"length": 1.5, "petals": 5, "place": "sun"},) * 2
    assert table.filled == {"petals": 2, "place": 1}
    assert table.cells[1] == ("1.5", "NA", "")


def test_a_number_that_means_unknown_is_empty_by_the_rules():
    table = read_by(HEADER + "0,5,sun\n", FILL)
    assert [problem.kind for problem in table.problems] == ["empty"]


def test_without_rules_an_empty_cell_is_wrong():
    assert isinstance(read_by(HEADER + "1.5,,sun\n", {}), InvalidTable)


def test_lines_that_are_wrong_can_be_left_out_and_are_kept_with_their_reason():
    table = read_by(HEADER + "1.5,5,sun\n=1,5,sun\n1,5\n2,5,shade\n", {}, skip_invalid=True)
    assert table.lines == (2, 5)
    lines = list(csv.reader(io.StringIO(render_skipped(table))))
    assert [line[0] for line in lines] == ["line", "3", "4"]
    assert "length takes" in lines[1][1]
    assert lines[1][2:] == ["'=1", "5", "sun"]


def test_a_thousand_lines_that_are_wrong_are_each_kept():
    table = read_by(HEADER + "1,5,sun\n" + "x,5,nowhere\n" * 1000, {}, skip_invalid=True)
    assert (len(table.rows), len(table.skipped), table.skipped[-1].reason) == (
        1,
        1000,
        "length does not admit 'x'.",
    )
