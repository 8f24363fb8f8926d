"""Fit, predict, data load, labels, drift and the page read every form of a table alike, and refuse alike."""

import json

import pytest
from click.testing import CliRunner

from concord.cli.files import label_file, table_file
from concord.cli.files.column_file import read_chunks
from concord.errors import ConcordError
from concord.tasks.csv_rows import InvalidTable
from concord.tasks.profile import TrainingProfile
from frontend.views.batch.uploads import UnreadableFile, read_upload
from training.__main__ import main
from training.data.dataset import generate_rows, read_file
from training.fitting.profile import build_profile
from training.tasks import select

(IRIS,) = select(["iris"])
ROUND = "0123456789abcdef" * 2
LINES = [["sepal_length", "sepal_width", "petal_length", "petal_width", "species", "id"]]
LINES += [
    ["5.1", "3.5", "1.4", "0.2", "setosa", ROUND],
    ["6.0", "2.7", "5.1", "1.6", "virginica", ROUND[::-1]],
]
LENGTHS = [5.1, 6.0]


def text(separator=",", end="\n"):
    return "".join(separator.join(line) + end for line in LINES)


def fit(path):
    return [round(float(row[0]), 3) for row in read_file(IRIS, path).rows]


def predict(path):
    return [row["sepal_length"] for row in table_file.load(path, IRIS.schema).rows]


def data_load(path):
    url = f"sqlite:///{path.with_suffix('.sqlite')}"
    done = CliRunner().invoke(main, ["data", "load", "iris", str(path), "--to", url, "--json"])
    if done.exit_code:
        raise ConcordError(done.stderr)
    assert json.loads(done.stdout)["refused"] == 0
    return LENGTHS[: json.loads(done.stdout)["loaded"]]


def labels(path):
    found = label_file.load(path, "id", "species", {"setosa", "virginica"})
    assert [one.label for one in found] == ["setosa", "virginica"]
    return LENGTHS


def drift(path):
    data = generate_rows(IRIS, 1)
    profile = TrainingProfile.from_json(build_profile(IRIS, data.rows, data, data.answers))
    return [cell for chunk in read_chunks(path, profile.features, profile.target) for cell in chunk[0]]


def page(path):
    found = read_upload(path.read_bytes(), IRIS.schema)
    if isinstance(found, UnreadableFile | InvalidTable):
        raise ConcordError(str(found))
    return [row["sepal_length"] for row in found.rows]


READERS = [fit, predict, data_load, labels, drift, page]
every_reader = pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)


@pytest.mark.parametrize(
    "written",
    [
        text(";"), text("\t"), text("|"), "sep=;\n" + text(";"), "sep=,\n" + text(), text(end=",,\n"),
        text() + "  \n\n", "\n\n" + text(), text() + ",,,,,\n",
    ],
    ids=[
        "semicolons", "tabs", "bars", "sep line", "sep line of commas", "two empty trailing columns",
        "blank lines", "blank lines first", "a line of empty cells",
    ],
)  # fmt: skip
@every_reader
def test_every_form_of_a_table_is_read(read, written, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(written, "utf-8")
    assert read(path) == LENGTHS


@every_reader
def test_a_spreadsheet_is_refused_as_one(read, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(b"PK\x03\x04\xffrest")
    with pytest.raises(ConcordError, match=r"is a spreadsheet|kind='sheet'"):
        read(path)


@pytest.mark.parametrize(
    ("separator", "number", "meant"), [(",", '"1,234"', "1234"), (";", "26.648", "26648 / 26.6480")]
)
@pytest.mark.parametrize(
    "read", [each for each in READERS if each is not labels], ids=lambda read: read.__name__
)
def test_signs_between_thousands_are_refused_with_what_to_write(read, separator, number, meant, tmp_path):
    path = tmp_path / "rows.csv"
    head = separator.join(LINES[0])
    path.write_text(f"{head}\n{separator.join([number, '3', '1', '1', 'setosa', ROUND])}\n", "utf-8")
    with pytest.raises(ConcordError, match=meant):
        read(path)
