"""`concord drift --file` finds no drift in the very file that the models learned from."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from concord.cli import main
from training.data.dataset import read_file
from training.fitting.profile import build_profile
from training.task import Answer
from training.tasks import select

IRIS = select(["iris"])[0]

GRADED = Answer("days", grade=lambda days: "setosa" if days < 50 else "versicolor")
NAMED = Answer("days", names={str(day): "setosa" if day < 50 else "versicolor" for day in range(150)})


@pytest.fixture
def drift(tmp_path):
    """Compares a file with the profile of what was learned from it; returns the report."""

    def drift(answer):
        task, file, profile = (
            replace(IRIS, answers=(answer,)),
            tmp_path / "iris.csv",
            tmp_path / "profile.json",
        )
        lines = (f"{5 + day % 7 / 10},{3 + day % 5 / 10},4.1,1.2,{day}" for day in range(150))
        names = [feature.name for feature in IRIS.schema.features]
        file.write_text("\n".join([",".join([*names, "days"]), *lines]), "utf-8")
        data = read_file(task, file)
        profile.write_text(json.dumps(build_profile(task, data.rows, data, data.answers)), "utf-8")
        command = ["drift", "iris", "--file", str(file), "--profile", str(profile), "--json"]
        return json.loads(CliRunner().invoke(main, command, catch_exceptions=False).stdout)

    return drift


def test_a_column_that_is_graded_from_a_number_is_not_compared(drift):
    report = drift(GRADED)
    assert (report["status"], report["target"]) == ("steady", None)


def test_a_column_whose_texts_stand_for_classes_is_compared(drift):
    report = drift(NAMED)
    assert (report["status"], report["target"]["status"]) == ("steady", "steady")
