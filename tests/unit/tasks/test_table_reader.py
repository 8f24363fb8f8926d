"""One reader for all tables: whatever form a file has, its rows are read alike or its fault is named."""

import gzip
import io

import pytest

from concord.errors import DataError
from concord.tasks.class_names import AnswerTexts
from concord.tasks.csv_dialect import CsvDialect, ExpectedColumns
from concord.tasks.numbers import NumberFault, read_number
from concord.tasks.schema import Feature
from concord.tasks.table_reader import TableReader, UnreadableTable
from concord.tasks.values import InvalidValue, check_value

EXPECTED = ExpectedColumns(frozenset({"length", "width", "species"}), frozenset({"length", "width"}))
HEADER = "length,width,species"
ROWS = [["5.1", "3.5", "setosa"], ["6.0", "2.7", "versicolor"]]
GOOD = "\n".join([HEADER, *map(",".join, ROWS)]) + "\n"


def open_text(text, encoding="utf-8"):
    return TableReader(io.BytesIO(text if isinstance(text, bytes) else text.encode(encoding)), "f", EXPECTED)


def cells(text):
    with open_text(text) as reader:
        return [line.cells for line in reader.valid_lines()]


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace(",", ";"),
        GOOD.replace(",", "\t"),
        GOOD.replace(",", "|"),
        "sep=,\n" + GOOD,
        '"sep=;"\r\n' + GOOD.replace(",", ";"),
        "\ufeffsep=;\n" + GOOD.replace(",", ";"),
        GOOD + "  \n\n",
        "\n\n" + GOOD,
        GOOD + ",,\n",
        GOOD.replace("\n", ",,\n"),
        HEADER + ",,\n" + GOOD.partition("\n")[2],
        gzip.compress(GOOD.encode()),
    ],
    ids=[
        "semicolons",
        "tabs",
        "bars",
        "sep line",
        "quoted sep line",
        "sep line after a mark",
        "a line of blanks",
        "blank lines first",
        "a line of empty cells",
        "two empty trailing columns",
        "trailing names only",
        "gzip",
    ],
)
def test_the_same_rows_are_read_in_every_form(text):
    assert cells(text) == ROWS


def test_lines_are_counted_as_an_editor_does_below_a_sep_line_too():
    with open_text("sep=,\n\n" + GOOD) as reader:
        assert (reader.header_line, [line.number for line in reader]) == (3, [4, 5])


def test_a_cell_in_a_column_without_a_name_is_a_fault():
    with pytest.raises(DataError, match="f, line 2: 5 cells where the header names 3 columns"):
        cells(HEADER + ",,\n5.1,3.5,setosa,,x\n")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"PK\x03\x04", "sheet"), (b"\xd0\xcf\x11\xe0", "sheet"), (b"", "empty"), (b"\n \n", "empty"),
        (GOOD.encode("utf-16"), "encoding"), (GOOD.encode("utf-16-le"), "encoding"), (b"\xff", "encoding"),
    ],
)  # fmt: skip
def test_what_is_no_table_says_which_kind_it_is(content, kind):
    with pytest.raises(DataError, match=r"f is|f, line") as caught:
        open_text(content)
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("numbers", "dialect"),
    [
        (["1,5", "2,25"], CsvDialect(";", comma=True)),
        (["1.5", "2.25"], CsvDialect(";")),
        (["1,5", "1.5"], CsvDialect(";")),
        (["26.648", "3200"], CsvDialect(";", is_ambiguous=True)),
        (["26,648", "3200"], CsvDialect(";", is_ambiguous=True)),
        (["26.648", "1,5"], CsvDialect(";", comma=True)),
        (["26.648", "0.123"], CsvDialect(";")),
        (["26.648", "1.234.567"], CsvDialect(";", comma=True)),
        (["1.234,50"], CsvDialect(";", comma=True)),
        (["3200"], CsvDialect(";")),
    ],
)
def test_the_numbers_tell_the_sign_of_decimals(numbers, dialect):
    with open_text("length;width;species\n" + "".join(f"{number};1;a\n" for number in numbers)) as reader:
        assert reader.dialect == dialect


def test_where_commas_separate_cells_decimals_have_points():
    with open_text(HEADER + "\n26.648,1,setosa\n") as reader:
        assert reader.dialect == CsvDialect()


@pytest.mark.parametrize(
    ("text", "dialect", "kind", "meant"),
    [
        ("1,234", CsvDialect(), "thousands", "1234"),
        ("1,234,567.5", CsvDialect(), "thousands", "1234567.5"),
        ("1 234", CsvDialect(), "thousands", "1234"),
        ("1\u202f234", CsvDialect(), "thousands", "1234"),
        ("1'234.5", CsvDialect(), "thousands", "1234.5"),
        ("3,5", CsvDialect(), "comma", "3.5"),
        ("0,123", CsvDialect(), "comma", "0.123"),
        ("26.648", CsvDialect(";", comma=True), "thousands", "26648"),
        ("1.234,5", CsvDialect(";", comma=True), "thousands", "1234,5"),
        ("26.648", CsvDialect(";", is_ambiguous=True), "ambiguous", "26648 / 26.6480"),
        ("much", CsvDialect(), "text", ""),
    ],
)
def test_what_is_no_number_has_its_kind_and_what_to_write(text, dialect, kind, meant):
    assert read_number(text, dialect) == NumberFault(kind, meant)


@pytest.mark.parametrize(
    ("text", "dialect", "number"),
    [
        ("26.648", CsvDialect(), 26.648), ("1,234", CsvDialect(";", comma=True), 1.234),
        ("-1,5", CsvDialect(";", comma=True), -1.5), ("3200", CsvDialect(";", is_ambiguous=True), 3200),
        ("1e3", CsvDialect(), 1000.0),
    ],
)  # fmt: skip
def test_numbers_are_read_as_the_file_writes_them(text, dialect, number):
    assert read_number(text, dialect) == number


PLACE = Feature("country", "choice", "DE", choices=("DE", "FR", "NA"))


@pytest.mark.parametrize("text", ["", " ", "<NA>", "#N/A", "n/a", "NaN", "null", "None"])
def test_what_says_nothing_is_empty_in_numbers_and_choices(text):
    for feature in (PLACE, Feature("x", "number", 1.0)):
        value = check_value(feature, text)
        assert isinstance(value, InvalidValue)
        assert value.kind == "empty"


def test_a_choice_that_is_declared_is_no_empty_cell():
    assert check_value(PLACE, "NA") == "NA"


@pytest.mark.parametrize(
    ("text", "label"), [("0", "no"), ("1.0", "yes"), (" 0.0", "no"), ("yes", "yes"), ("2", None), ("", None)]
)
def test_a_cell_of_answers_means_a_class_by_its_name_or_its_number(text, label):
    assert AnswerTexts(["no", "yes"], {"0": "no", "1": "yes"}).find(text) == label


def test_without_numbers_for_names_no_number_means_a_class():
    assert AnswerTexts(["no", "yes"], {}).find("1") is None


def test_a_table_of_thousands_of_columns_is_refused_before_they_are_compared():
    header = ",".join(f"c{number}" for number in range(20_000))
    with pytest.raises(UnreadableTable, match="20,000 columns, and 1,000 are admitted"):
        TableReader(io.BytesIO(header.encode()), "wide.csv")


def test_a_table_that_is_expected_to_be_wide_may_be_wider_by_a_hundred():
    names = [f"c{number}" for number in range(2_100)]
    expected = ExpectedColumns(frozenset(names[:2_000]))
    with TableReader(io.BytesIO(",".join(names).encode()), "wide.csv", expected) as table:
        assert len(table.header) == 2_100
