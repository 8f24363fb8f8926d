"""What of a task's drift concerns one model."""

from concord.types.drift import Difference, DriftReport, ErrorDrift, NodeAnswers
from tests.unit.training.upkeep.world import BORN, view
from training.upkeep.observe import drifted_parts


def column(name, status="drifted"):
    return Difference(
        name, status, 500, 0.4, "KS", 0.3, 0.001, 0.001, status == "drifted", 0.0, 0.0, 0.0, 0.0, exact=True
    )


def report(**parts):
    fields = {"profile_nodes": ["knn"], "features": [], "answers": []} | parts
    return DriftReport("iris", "drifted", 500, None, None, 100, 0.01, "p", 120, **fields)


def test_features_concern_those_whose_profile_was_compared():
    found = report(features=[column("petal_length"), column("petal_width", "stable")])
    assert drifted_parts(found, view("knn"), BORN) == ("petal_length",)
    assert drifted_parts(found, view("svm"), BORN) == ()


def test_answers_concern_the_version_that_gave_them():
    found = report(answers=[NodeAnswers("svm", "1", column("svm")), NodeAnswers("knn", "0", column("knn"))])
    assert drifted_parts(found, view("svm"), BORN) == ("its answers",)
    assert drifted_parts(found, view("knn"), BORN) == ()


def test_errors_concern_whoever_was_champion_before_they_rose():
    errors = ErrorDrift(300, "drifted", 0.4, 0.1, since="2026-11-10T00:00:00+00:00")
    assert drifted_parts(report(errors=errors), view("svm"), BORN) == ("errors, 0.100 to 0.400",)
    assert drifted_parts(report(errors=errors), view("svm"), "2026-11-11T00:00:00+00:00") == ()


def test_without_a_report_nothing_has_drifted():
    assert drifted_parts(None, view(), BORN) == ()
