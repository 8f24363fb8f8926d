"""`concord drift --file` reads the data's own format, as training does."""

import numpy as np
import pytest

from concord.cli.files.column_file import read_chunks
from concord.errors import InvalidInput
from concord.tasks.profile import TrainingProfile
from training.data.dataset import generate_rows
from training.fitting.profile import build_profile
from training.tasks import select

LOAN = select(["loan_default"])[0]


@pytest.fixture(scope="module")
def profile():
    data = generate_rows(LOAN, 1)
    return TrainingProfile.from_json(build_profile(LOAN, data.rows, data, data.answers))


@pytest.fixture
def read(tmp_path, profile):
    """The columns of a file of loans; the answers last."""

    def read_(text):
        path = tmp_path / "loans.csv"
        path.write_text(text, "utf-8")
        return [column for chunk in read_chunks(path, profile.features, profile.target) for column in chunk]

    return read_


NAMES = [feature.name for feature in LOAN.schema.features]
HEADER = ",".join([*NAMES, "default"]) + "\n"
ROW = "0,5221.5,3915.4,78039.3,5,605,"


def test_the_answers_names_are_those_of_the_datas_own_format(read):
    answers = read(HEADER + "".join(ROW + f"{text}\n" for text in ("0", "1", "0.0", "1.0", "default", "")))
    assert answers[-1] == ["no_default", "default", "no_default", "default", "default", None]


def test_a_text_that_the_task_does_not_know_is_new(read):
    assert read(HEADER + ROW + "maybe\n")[-1] == ["maybe"]


def test_the_file_may_have_every_form_that_training_reads(read):
    text = "sep=;\n" + HEADER.replace(",", ";") + "0;5221,5;;78039,3;5;605;<NA>\n  \n"
    columns = read(text)
    assert (columns[1], columns[2], columns[-1]) == ([5221.5], [None], [None])


def test_signs_between_thousands_are_refused_with_what_to_write(read):
    with pytest.raises(InvalidInput, match=r"line 2: loan_amt_outstanding .*Write 5221\.5"):
        read(HEADER + ROW.replace("5221.5", '"5,221.5"') + "1\n")


def test_a_profile_of_before_has_no_names_and_is_read(profile):
    document = dict(profile.document) | {"target": dict(profile.document["target"])}
    del document["target"]["names"]
    assert TrainingProfile.from_json(document).target.read_text("0") == "0"
    assert np.isfinite(profile.target.read_values(["default"])).all()


def test_a_features_choices_stand_there_as_they_are():
    part = {"choices": {"1": 0.5, "2": 0.5}}
    profile = TrainingProfile.from_json({"rows": 2, "features": {"grade": part}})
    assert [profile.features[0].read_text(text) for text in ("1", "1.0", "")] == ["1", "1.0", None]
