"""What a person sees of drift: the verdict, errors, each column then against now, and every state without."""

from dataclasses import replace

import pytest

from concord.drift import report as rules
from concord.errors import Forbidden, JournalUnavailable, NoQuorum, UnknownName
from concord.types.drift import ErrorDrift, NodeAnswers, Shares
from frontend.views.drift import difference_text, distribution_chart
from tests.unit.frontend.conftest import clear_caches
from tests.unit.frontend.fake_drift import (
    GROWN,
    LENGTHS,
    PLACES,
    DriftService,
    difference,
    drifted,
    report,
    unknown,
)
from tests.unit.frontend.fake_service import FLOWER, LOAN
from tests.unit.frontend.page_driver import visit
from tests.unit.frontend.test_predict import text as words_of

NO_PROFILE = UnknownName("No model of flower carries a profile.", field="task", code="unknown_profile")


@pytest.fixture
def service(monkeypatch):
    fake = DriftService().start()
    monkeypatch.setenv("CONCORD_URL", fake.url)
    clear_caches()
    yield fake
    clear_caches()
    fake.stop()


@pytest.fixture
def open_drift(service, open_page):
    """Opens the page; `open_page` is what clears up afterwards."""
    return lambda **address: visit("drift", **address)


def text(page):
    return "\n".join([words_of(page), *(element.value for element in page.success)])


def tables(page):
    return [table.value for table in page.dataframe]


def test_rows_that_look_the_same_are_said_to(open_drift):
    page = open_drift()
    content = text(page)
    assert "The rows look like those that were learned from." in content
    assert "400 rows were compared with 120 rows that forest, knn learned from." in content
    assert "from 2026-11-15 07:00 to 2026-11-21 19:30 (UTC)" in content
    assert not page.exception


def test_every_column_stands_in_the_table_with_its_verdict(service, open_drift):
    service.report = report(status="drifted", features=[drifted(), difference("petals"), unknown("place")])
    [columns, *_] = tables(open_drift())
    assert list(columns["Column"]) == ["Petal length (cm)", "Petals", "Place"]
    assert list(columns["Verdict"]) == ["✕ drifted", "✔ steady", "· too few rows to say"]
    assert list(columns["Change"][:2]) == ["a large change", "a small change"]


def test_the_headline_names_what_has_drifted(service, open_drift):
    answers = [NodeAnswers("knn", "4", drifted("answer"))]
    service.report = report(status="drifted", features=[drifted(), difference("petals")], answers=answers)
    assert "The rows have drifted: Petal length (cm), answers of knn." in text(open_drift())


def test_a_drifted_column_says_how_far_and_what_is_new(service, open_drift):
    service.report = report(status="drifted", features=[drifted(outside=0.3)])
    content = text(open_drift())
    assert "It is a large change (index 0.800), and chance does not explain it." in content
    assert "30% of the rows are beyond the least or the largest that was learned from." in content


def test_a_picture_has_its_shares_as_a_table_beside_it(service, open_drift):
    service.report = report(features=[difference()], answers=[])
    shares = tables(open_drift())[1]
    assert list(shares["Values"]) == ["under 1.5", "1.5 to 3", "3 to 4.5", "4.5 and over"]
    assert list(shares["Then"]) == [25.0] * 4
    assert list(shares["Now"]) == [5.0, 10.0, 15.0, 70.0]


def test_at_first_the_pictures_are_of_the_columns_that_differ_most(service, open_drift):
    features = [difference(f"x{place}", psi=place / 100) for place in range(9)]
    service.report = report(features=features)
    page = open_drift()
    chosen = page.multiselect[0]
    assert (len(chosen.options), chosen.value) == (9, ["X8", "X7", "X6", "X5"])
    assert "#### X0" in text(chosen.set_value(["X0"]).run())


def test_a_chosen_window_is_what_is_asked_for(service, open_drift):
    page = open_drift()
    assert service.asked_for == [{"limit": "10000"}]
    page.selectbox(key="drift/days").select("the last 7 days").run()
    page.selectbox(key="drift/limit").select(1000).run()
    assert service.asked_for[-1]["limit"] == "1000"
    assert "since" in service.asked_for[-1]


def test_the_same_report_is_asked_once_for_all(service, open_drift):
    open_drift()
    open_drift()
    assert len(service.asked_for) == 1


def test_what_a_token_opened_is_shown_to_nobody_else(service, open_drift):
    open_drift()
    page = open_drift()
    page.session_state["access/token"] = "a-token-of-somebody"
    page.run()
    assert len(service.asked_for) == 2


def test_errors_that_have_grown_are_said_with_their_course(service, open_drift):
    service.report = report(errors=GROWN)
    page = open_drift()
    assert "**Errors have grown:** the share of wrong answers went from 4.0% to 31.0%." in text(page)
    assert "noticed at a round of 2026-11-20 08:30" in text(page)
    assert list(tables(page)[0]["Mean error"]) == [4.0, 31.0]


def test_errors_that_have_not_grown_are_no_alarm(service, open_drift):
    service.report = report(errors=ErrorDrift(500, "steady", 0.05))
    page = open_drift()
    assert page.success[0].value == "No change was seen: the share of wrong answers is 5.0%."


def test_an_error_of_a_value_is_told_by_the_usual_one():
    assert difference_text.describe_error_measure(LOAN) == "the mean error (50% is an error of 300.00 EUR)"


def test_without_labels_the_page_says_where_they_come_from(open_drift):
    content = text(open_drift())
    assert "**No labels yet.**" in content
    assert "concord feedback labels.csv" in content


def test_what_the_detector_misses_is_passed_on(service, open_drift):
    service.report = report(errors=ErrorDrift(240, "too_few_rows", problem="River is not installed."))
    assert "240 labelled rounds were looked at. River is not installed." in text(open_drift())


def test_too_few_rounds_say_how_many_it_takes(service, open_drift):
    service.report = report(status="too_few_rows", rows=40, features=[unknown()], answers=[])
    assert "40 rounds were compared, and it takes 100." in text(open_drift())


def test_no_round_says_what_to_do(service, open_drift):
    service.report = report(
        status="too_few_rows", rows=0, since=None, until=None, features=[unknown(rows=0)], answers=[]
    )
    content = text(open_drift())
    assert "**There is no round to compare.** It takes 100." in content
    assert "look further back, or ask on the page Predict" in content


def test_models_that_learned_from_too_little_are_told_from_too_few_rounds(service, open_drift):
    service.report = report(status="too_few_rows", profile_rows=12, features=[unknown(rows=400)])
    assert "**The models learned from too little to compare with:** 12 rows" in text(open_drift())


def test_answers_with_too_few_rows_of_then_are_not_blamed_on_those_of_now(service, open_drift):
    alone = replace(unknown("answer", rows=400), shares=PLACES)
    service.report = report(answers=[NodeAnswers("forest", "3", alone)])
    content = text(open_drift())
    assert "There are too few rows of then to compare with; it takes 100." in content
    assert "Only 400 rows" not in content


def test_models_without_a_profile_are_to_be_trained_anew(service, open_drift):
    service.report = NO_PROFILE
    page = open_drift()
    assert "**The models of Flower do not say what they learned from.**" in page.warning[0].value
    assert page.code[0].value == "uv run concord train flower"


def test_a_node_that_is_new_is_named(open_drift):
    assert "knn v4: too new to say." in text(open_drift())


def test_a_service_that_asks_for_a_token_gets_one_from_the_hint(service, open_drift):
    service.report = Forbidden("This token may not read rounds.")
    page = open_drift()
    assert "**Drift takes a token that reads rounds here.** This token may not read rounds." in text(page)
    assert [element.label for element in page.text_input] == ["Token"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (JournalUnavailable("The journal is away."), "**The service made no report.** The journal is away."),
        (NoQuorum("No node has ever answered."), "is not ready"),
    ],
)
def test_a_refusal_is_said_in_words(service, open_drift, error, expected):
    service.report = error
    assert expected in text(open_drift())


def test_a_service_that_is_away_is_said(service, open_drift):
    service.stop()
    assert "**The consensus service is away.**" in text(open_drift())
    service.start()


def test_without_tasks_there_is_nothing_to_compare(service, open_drift):
    service.schemas = {}
    assert "**There is no task yet.**" in text(open_drift())


def test_looking_again_asks_anew(service, open_drift):
    page = open_drift()
    page.button(key="drift/again").click().run()
    assert len(service.asked_for) == 2


def test_the_page_speaks_french(service, open_drift):
    service.report = report(status="drifted", features=[drifted()], errors=GROWN)
    content = text(open_drift(lang="fr"))
    assert "Les lignes ont dérivé" in content
    assert "**Les erreurs ont augmenté :**" in content


def test_text_of_others_is_no_markup(service, open_drift):
    service.report = report(status="drifted", features=[drifted("a*b")])
    content = text(open_drift())
    assert r"A\*b" in content
    assert "#### A*b" not in content


def test_what_is_called_moderate_is_what_the_rule_calls_so():
    assert difference_text.MODERATE == rules.LEAST_PSI


@pytest.mark.parametrize(("p", "expected"), [(1e-12, "< 0.0001"), (0.0004, "0.0004"), (0.25, "0.250")])
def test_a_p_value_is_written_as_people_do(p, expected):
    assert difference_text.format_p_value(p) == expected


def test_a_difference_that_is_no_chance_may_be_too_small_to_matter():
    content = difference_text.describe_difference(difference(significant=True, psi=0.03), 100)
    assert content.startswith("It is a little different (index 0.030)")


def test_values_never_learned_from_are_a_reason_of_their_own():
    content = difference_text.describe_difference(drifted(psi=0.01, unseen=0.2), 100)
    assert content.startswith("Many of its values are new")


def test_a_choice_never_learned_from_has_a_bar_of_its_own():
    assert [tuple(element) for element in distribution_chart.list_bins(PLACES)] == [
        ("sun", 0.5, 0.48),
        ("shade", 0.5, 0.5),
        ("never learned from", 0.0, 0.02),
    ]


def test_rare_choices_are_drawn_as_one_and_nothing_is_lost():
    names = [f"place {place}" for place in range(30)]
    shares = Shares([1 / 30] * 30 + [0.0], [1 / 30] * 30 + [0.0], choices=names)
    result = distribution_chart.list_bins(shares)
    assert len(result) == distribution_chart.MOST_CHOICES + 1
    assert result[-1].name == "18 rarer ones"
    assert sum(element.now for element in result) == pytest.approx(1.0)


def test_bins_whose_ends_are_close_keep_names_of_their_own():
    shares = Shares([0.25] * 4, [0.25] * 4, edges=[1e-9, 2e-9, 3e-9])
    assert len({element.name for element in distribution_chart.list_bins(shares)}) == 4


def test_a_column_that_was_constant_is_one_bin():
    assert [tuple(element) for element in distribution_chart.list_bins(Shares([1.0], [1.0]))] == [
        ("any number", 1.0, 1.0)
    ]


@pytest.mark.parametrize("shares", [LENGTHS, PLACES])
@pytest.mark.parametrize("is_light", [True, False])
def test_a_picture_draws_two_bars_a_bin(shares, is_light):
    chart = distribution_chart.draw_distribution(shares, is_light=is_light).to_dict()
    [data] = chart["datasets"].values()
    assert len(data) == 2 * len(distribution_chart.list_bins(shares))


def test_a_picture_is_told_to_those_who_do_not_see_it():
    assert distribution_chart.describe_distribution("Place", PLACES) == (
        "Shares of the rows of Place, then and now. sun: 50%, now 48%; shade: 50%, now 50%; "
        "never learned from: 0%, now 2%."
    )


def test_a_column_that_the_schema_does_not_know_keeps_its_name():
    assert difference_text.format_column(FLOWER, "stem_height") == "Stem height"
