"""The page of a task's models: their versions, what they measured, and what is decided about them."""

from dataclasses import replace

import pytest

from concord.errors import Conflict, Forbidden, ServiceAway, Unauthorized
from concord.types.models import Contender, DesiredVersions, RegistryView
from frontend.data import mlflow
from frontend.views.models import comparison_result, data, versions
from tests.unit.frontend.conftest import clear_caches
from tests.unit.frontend.fake_models import FakeMlflow, FakeModels, comparison, listed, model, tried
from tests.unit.frontend.page_driver import TOKEN, confirm, labels, open_view, press, text


@pytest.fixture
def service(monkeypatch):
    monkeypatch.setattr("streamlit.components.v2.manifest_scanner.scan_component_manifests", list)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    fake = FakeModels().start()
    clear_caches()
    yield fake
    clear_caches()
    fake.stop()


@pytest.fixture
def registry(service, monkeypatch):
    fake = FakeMlflow().start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", fake.url)
    yield fake
    fake.stop()


@pytest.fixture
def see(service):
    return lambda **address: open_view("models", service.url, **address)


def tables(page):
    return [table.value for table in page.dataframe]


def button(page, label):
    return next(element for element in page.button if element.label == label)


def test_every_model_of_the_task_is_listed_with_its_versions(service, see):
    service.views = [tried(), model("knn", champion=None, registry=None), model("x", rolling=True)]
    table = tables(see())[0]
    assert list(table["Model"]) == ["forest", "knn", "x"]
    assert list(table["Answers with"].fillna("nobody")) == ["2", "nobody", "2"]
    assert list(table["Phase"]) == ["◌ tries another version", "✔ serves alone", "↻ is changing over"]
    assert table["Measured"][0] == "Accuracy 0.9"


def test_models_of_other_tasks_are_left_out(service, see):
    service.views = [model(), replace(model("other"), name="loan.other", task="loan")]
    assert list(tables(see())[0]["Model"]) == ["forest"]


def test_a_models_versions_are_listed_with_what_each_does(service, see):
    service.views = [tried()]
    table = tables(see())[1]
    assert list(table["Version"]) == ["3", "2", "1"]
    assert list(table["Role"]) == ["◌ tried beside it", "✔ answers", ""]
    assert list(table["Alias"]) == ["", "champion", ""]


def test_the_version_before_a_promotion_is_called_so(service, see):
    service.views = [model(champion="3", challenger="2", phase="watch", wanted=DesiredVersions("3", "2"))]
    assert list(tables(see())[1]["Role"])[1] == "◌ its predecessor, asked beside it"


def test_another_model_can_be_looked_at(see):
    page = see()
    page.selectbox(key="models/model/flower").select("flower.knn").run()
    assert "Versions of flower.knn" in text(page)


# What the versions measured.


def test_without_mlflow_the_one_metric_of_the_service_is_shown(see):
    page = see()
    assert tables(page)[2].to_dict("records") == [
        {"Metric": "Accuracy", "Version 3": "0.95 ★", "Version 2 (answers)": "0.9"}
    ]
    assert "MLFLOW_TRACKING_URI" in text(page)


def test_mlflow_tells_every_metric_and_the_best_is_marked(registry, see):
    table = tables(see())[2]
    assert list(table["Metric"]) == ["Accuracy", "Log loss", "house_rule"]
    assert list(table["Version 3"]) == ["0.95 ★", "0.5", "7"]
    assert list(table["Version 2 (answers)"])[:2] == ["0.9", "0.25 ★"]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"USERNAME": "ann", "PASSWORD": "secret"}, "Basic YW5uOnNlY3JldA=="),
        ({"TOKEN": "secret"}, "Bearer secret"),
    ],
)
def test_a_guarded_mlflow_is_asked_with_its_own_variables(registry, see, monkeypatch, variables, expected):
    registry.authorization = expected
    assert "**MLflow is away.**" in see().warning[0].value
    clear_caches()
    for name, value in variables.items():
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
    assert list(tables(see())[2]["Version 3"]) == ["0.95 ★", "0.5", "7"]


def test_plots_of_the_chosen_versions_are_shown_with_a_description(registry, see):
    page = see()
    pictures = [element.proto.imgs[0] for element in page.get("image")]
    assert [element.caption for element in pictures] == ["Version 3", "Version 2 (answers)", "Version 3"]
    assert "version 3 of flower.forest" in pictures[0].alt
    assert "Version 2 (answers): no such picture" in text(page)


def test_other_versions_can_be_put_side_by_side(registry, see):
    page = see()
    page.multiselect[0].set_value(["3"]).run()
    assert list(tables(page)[2].columns) == ["Metric", "Version 3"]


def test_no_version_chosen_is_said(registry, see):
    page = see()
    page.multiselect[0].set_value([]).run()
    assert "Choose at least one version" in text(page)


def test_a_version_without_a_run_is_told_of(registry, see):
    del registry.metrics["run3"]
    page = see()
    assert "no training run of version 3" in text(page)
    assert list(tables(page)[2].columns) == ["Metric", "Version 2 (answers)"]


def test_runs_without_pictures_are_said_to_have_none(registry, see):
    registry.plots.clear()
    assert "keep no pictures" in text(see())


def test_mlflow_that_is_away_is_said_to_be_and_the_rest_is_there(service, see, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ann:secret@127.0.0.1:9")
    page = see()
    assert "**MLflow is away.**" in page.warning[0].value
    assert "secret" not in text(page)
    assert tables(page)[2]["Version 3"][0] == "0.95 ★"


def test_mlflow_that_answers_with_an_error_is_away_too(registry, see):
    registry.broken = True
    assert "status 500" in see().warning[0].value


def test_what_is_no_picture_is_not_shown(registry, see):
    registry.plots["run3"]["roc.png"] = b"<svg onload=alert(1)>"
    assert r"roc.png is no picture" in see().warning[0].value


def test_an_answer_without_end_is_not_read_to_its_end(registry, see, monkeypatch):
    monkeypatch.setattr(mlflow, "LARGEST", 40)
    assert "too large" in see().warning[0].value


def test_runs_are_asked_for_once(registry, see):
    see()
    asked = len(registry.requests)
    see()
    assert len(registry.requests) == asked


@pytest.mark.parametrize(
    ("address", "link"),
    [
        ("http://127.0.0.1:7490", "http://127.0.0.1:7490/#/models/flower.forest"),
        (
            "https://ann:secret@mlflow.example.org/base/",
            "https://mlflow.example.org/base/#/models/flower.forest",
        ),
    ],
)
def test_a_link_leads_to_mlflows_page_and_takes_no_password_along(address, link):
    assert mlflow.page_link(address, "models", "flower.forest") == link


def test_the_link_is_the_address_that_browsers_reach(registry, see, monkeypatch):
    monkeypatch.setenv("CONCORD_REGISTRY_PAGE", "https://mlflow.example.org")
    assert see().get("link_button")[0].proto.url == "https://mlflow.example.org/#/models/flower.forest"


# States.


def test_a_registry_that_is_away_is_told_in_the_services_words(service, see):
    problem = "The registry http://mlflow:5000 does not serve (ConnectError)."
    service.views = [model(registry=None, problem=problem)]
    page = see()
    assert "**forest: not everything could be looked at.** The registry" in page.warning[0].value
    assert "knows no registry" not in text(page)


def test_a_service_without_a_registry_says_what_an_operator_does(service, see):
    service.views = [model(registry=None)]
    assert "knows no registry" in text(see())


def test_a_registry_without_versions_says_so(service, see):
    service.views = [model(registry=RegistryView(None, None, []))]
    assert "The registry has no version" in text(see())


def test_a_challenger_that_was_dropped_is_told_of(service, see):
    service.views = [tried(dropped="It answered NaN.")]
    assert "the version beside it answers no more.** It answered NaN." in see().warning[0].value


def test_a_node_that_changes_over_is_said_to(service, see):
    service.views = [model(rolling=True)]
    assert "**forest is changing over.**" in text(see())


def test_a_task_without_models_says_so(service, see):
    service.views = []
    assert "This task has no models yet" in text(see())


def test_a_service_that_is_away_is_told():
    assert "The consensus service is away" in open_view("models", "http://127.0.0.1:9").error[0].value


# Compared on labelled rounds.


def test_one_version_is_compared_with_nothing(see):
    page = see()
    assert "One version serves" in text(page)
    assert "Compare on labelled rounds" not in labels(page)


def test_a_comparison_says_which_is_better_and_how_sure_that_is(service, see):
    service.views = [tried()]
    page = press(see(), "Compare on labelled rounds")
    content = text(page)
    assert "### :green[:material/trending_up: Version 3 is better.]" in content
    assert "160 labelled rounds were answered by both. Looked at from 2026-01-31 09:00 UTC on." in content
    assert "scores +0.038 against version 2; the true difference is between +0.012 and +0.062" in content
    assert list(tables(page)[-1]["Share of right answers"]) == ["0.900", "0.938"]


def test_a_comparison_stays_until_the_versions_are_others(service, see):
    service.views = [tried()]
    page = press(see(), "Compare on labelled rounds")
    page.run()
    assert "is better" in text(page)
    service.views = [replace(tried(), champion="1", wanted=DesiredVersions("1", "3"))]
    data.clear_cache()
    page.run()
    assert "is better" not in text(page)


def test_too_few_rounds_have_no_interval(service, see):
    service.views = [tried()]
    service.compared = comparison(
        champion=Contender("2", None),
        challenger=Contender("3", None),
        rounds=0,
        difference=None,
        low=None,
        high=None,
        verdict="too_few",
    )
    page = press(see(), "Compare on labelled rounds")
    assert "too few labelled rounds" in text(page)
    assert not page.get("arrow_vega_lite_chart")


@pytest.mark.parametrize(
    "error",
    [Unauthorized("Show a token."), Forbidden("Token crm labels flower. Rounds need one that reads.")],
)
def test_rounds_that_are_not_open_take_a_token(service, see, error):
    service.views, service.compared = [tried()], error
    page = press(see(), "Compare on labelled rounds")
    assert f"**Nothing was compared.** {error.message}" in page.error[0].value
    assert "Who reads rounds here shows a token" in text(page)


def test_the_interval_is_drawn_around_the_difference():
    data = comparison_result.draw_interval(comparison()).to_dict()["datasets"]
    assert next(iter(data.values())) == [{"low": 0.0125, "high": 0.0625, "difference": 0.0375, "zero": 0.0}]


# Decided.


def test_a_visitor_decides_nothing(see):
    page = see()
    assert "changing things is not" in text(page)
    assert not [label for label in labels(page) if label.startswith(("Promote", "Roll back"))]


def test_a_promotion_says_what_it_does_and_goes_with_what_was_seen(service, see):
    service.appointed = model(champion="3", challenger="2", phase="watch", wanted=DesiredVersions("3", "2"))
    page = press(see(token=TOKEN), "Promote version 3")
    assert "**forest** answers with version 3 instead of version 2." in text(page)
    assert service.decided == []
    page = confirm(page, "better in spring")
    assert service.decided == [
        (
            "/v1/models/flower.forest/promote",
            {"why": "better in spring", "version": "3", "expect": {"champion": "2", "challenger": None}},
        )
    ]
    assert page.success[0].value == "**forest** changes over to version 3."
    assert list(tables(page)[0]["Answers with"]) == ["3", "2"]


def test_another_version_can_be_chosen(service, see):
    page = see(token=TOKEN)
    page.selectbox(key="models/version/flower.forest").select("1").run()
    confirm(press(page, "Try version 1"))
    assert service.decided[0][0] == "/v1/models/flower.forest/challenge"
    assert service.decided[0][1]["version"] == "1"


def test_a_rollback_goes_to_the_version_before(service, see):
    page = press(see(token=TOKEN), "Roll back")
    assert "answers with version 1 again, instead of version 2" in text(page)
    confirm(page)
    assert service.decided[0] == (
        "/v1/models/flower.forest/rollback",
        {"why": "It was mended.", "expect": {"champion": "2", "challenger": None}},
    )


def test_a_rollback_to_the_image_is_called_that(service, see):
    service.views = [model(previous="packaged")]
    assert "answers with the version in its image again" in text(press(see(token=TOKEN), "Roll back"))


def test_a_challenger_is_dismissed(service, see):
    service.views = [tried()]
    page = press(see(token=TOKEN), "Dismiss version 3")
    assert "Version 3 is not asked beside **forest** any more." in text(page)
    confirm(page)
    assert service.decided[0] == (
        "/v1/models/flower.forest/dismiss",
        {"why": "It was mended.", "expect": {"champion": "2", "challenger": "3"}},
    )


def test_what_makes_no_sense_now_cannot_be_pressed_and_says_why(service, see):
    service.views = [model(previous=None)]
    page = see(token=TOKEN)
    assert (button(page, "Roll back").disabled, button(page, "Dismiss").disabled) == (True, True)
    assert "not promoted" in button(page, "Roll back").help
    service.views = [tried()]
    data.clear_cache()
    page = see(token=TOKEN)
    assert button(page, "Try version 3").disabled
    assert "dismiss it first" in button(page, "Try version 3").help


def test_without_a_registry_nothing_can_be_brought_in(service, see):
    service.views = [model(registry=None)]
    assert button(see(token=TOKEN), "Promote").disabled


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (Conflict("flower.forest has champion 3 by now."), "look at how things are now"),
        (Unauthorized("This token is not known."), "a token that administers"),
        (ServiceAway("The registry does not serve."), "what was done is not done twice"),
    ],
)
def test_a_refusal_is_told_in_the_services_words_and_the_dialog_stays(service, see, error, hint):
    service.appointed = error
    page = confirm(press(see(token=TOKEN), "Promote version 3"))
    assert f"**This was refused.** {error.message}" in page.error[0].value
    assert hint in text(page)
    assert "Cancel" in labels(page)


def test_a_decision_that_others_made_meanwhile_closes_the_dialog(service, see):
    page = press(see(token=TOKEN), "Roll back")
    service.views = [model(previous=None)]
    data.clear_cache()
    page.run()
    assert "Cancel" not in labels(page)


def test_a_dialog_that_is_cancelled_changes_nothing(service, see):
    page = press(press(see(token=TOKEN), "Roll back"), "Cancel")
    assert service.decided == []
    assert "Cancel" not in labels(page)


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (model(), {"champion": "2", "challenger": None}),
        (tried(), {"champion": "2", "challenger": "3"}),
        (tried(wanted=DesiredVersions(None, "@challenger")), {"champion": "2", "challenger": "3"}),
        (model(wanted=DesiredVersions("models:/flower.forest/7")), {"champion": "7", "challenger": None}),
        (model(champion=None, wanted=DesiredVersions()), None),
    ],
    ids=["alone", "tried", "alias", "uri", "unknown"],
)
def test_what_was_seen_is_what_the_entry_names_or_the_node_says(view, expected):
    assert data.expected_versions(view) == expected


def test_the_page_speaks_french(registry, service, see):
    service.views = [tried()]
    page = see(lang="fr")
    assert tables(page)[2]["Version 3 (à côté)"][0] == "0,95 ★"
    assert "La version 3 est meilleure." in text(press(page, "Comparer sur les tours étiquetés"))


def test_numbers_have_as_many_digits_as_mean_something():
    assert [versions.format_metric(value) for value in (0.123456, 1234567.0, 0.00012344, 1.0)] == [
        "0.1235", "1,235,000", "0.0001234", "1",
    ]  # fmt: skip


def test_none_is_best_where_all_are_equal_or_nobody_knows_which_way_is_better():
    measured = {"1": {"accuracy": 0.5, "fit_seconds": 1}, "2": {"accuracy": 0.5, "fit_seconds": 2}}
    assert versions.BEST not in str(versions.list_metrics(model(), measured))


def test_a_version_of_another_metric_has_an_empty_cell():
    rows = versions.list_metrics(model(), {"1": {"r2": 0.5}, "2": {"mae": 2.0}})
    assert [row["Version 1"] for row in rows] == ["0.5", None]


def test_a_listed_version_without_a_metric_is_no_number():
    assert versions._format_measured(replace(listed("1"), metric=None, value=None)) is None
