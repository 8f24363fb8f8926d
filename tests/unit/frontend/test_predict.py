"""What a person meets on the page: the form, the answer, and every state without one."""

from dataclasses import replace

import pytest

from concord.errors import InvalidInput, JournalUnavailable, Overloaded
from concord.tasks.schema import Feature, TaskSchema
from concord.types.answers import Pool
from frontend.data import service as pages_service
from tests.unit.frontend.fake_service import FLOWER, loan_verdict, no_quorum, silent, verdict, vote

pytestmark = pytest.mark.usefixtures("service")


def text(page):
    """Everything that the page says, in one string."""
    kinds = (page.title, page.subheader, page.markdown, page.error, page.warning, page.info, page.code)
    return "\n".join(element.value for kind in kinds for element in kind)


def press(page, label):
    next(button for button in page.button if button.label.startswith(label)).click()
    return page.run()


def ask(page):
    return press(press(page, "Fill in"), "Ask")


def test_the_page_offers_every_task_of_the_service(open_page):
    page = open_page()
    assert page.selectbox[0].options == ["Flower", "Loan"]


def test_a_task_that_is_new_to_the_service_appears_with_a_form(service, open_page):
    page = open_page()
    service.schemas["tree"] = replace(
        FLOWER, task="tree", title="Tree", features=(Feature("height", "number", 9.0, "m"),)
    )
    pages_service.clear_cache()
    page.run()
    page.selectbox(key="task").select("tree").run()
    assert [number.label for number in page.number_input] == ["Height (m)"]


def test_the_address_names_the_task(open_page):
    assert open_page(task="loan").selectbox(key="task").value == "loan"


def test_a_chosen_task_is_written_to_the_address(open_page):
    page = open_page()
    page.selectbox(key="task").select("loan").run()
    assert page.query_params["task"] == "loan"


def test_an_address_that_names_no_task_shows_the_first(open_page):
    assert open_page(task="nonsense").selectbox(key="task").value == "flower"


def test_two_tasks_with_one_title_are_told_apart_by_their_names(service, open_page):
    service.schemas["workshop"] = replace(FLOWER, task="workshop")
    assert open_page().selectbox[0].options == ["Flower (flower)", "Loan", "Flower (workshop)"]


def test_the_form_asks_for_what_the_schema_says(open_page):
    page = open_page()
    length, petals = page.number_input
    assert (length.label, length.min, length.max) == ("Petal length (cm)", 0.1, 30.0)
    assert (petals.label, petals.min, petals.max, petals.step) == ("Petals", 1, 40, 1)
    assert page.selectbox[1].options == ["sun", "shade"]


def test_the_form_starts_empty(open_page):
    page = open_page()
    assert [widget.value for widget in (*page.number_input, page.selectbox[1])] == [None, None, None]


def test_the_example_fills_the_form(open_page):
    page = press(open_page(), "Fill in")
    assert [widget.value for widget in (*page.number_input, page.selectbox[1])] == [1.4, 5, "shade"]


def test_an_example_outside_its_own_range_is_left_out(service, open_page):
    service.schemas = {
        "odd": replace(FLOWER, task="odd", features=(Feature("size", "number", 9.0, "", 0, 1),))
    }
    assert press(open_page(), "Fill in").number_input[0].value is None


def test_bounds_that_a_browser_cannot_hold_are_left_to_the_service(service, open_page):
    service.schemas = {
        "big": replace(FLOWER, task="big", features=(Feature("n", "integer", 1, "", 0, 1e30),))
    }
    assert open_page().number_input[0].label == "N"


def test_what_was_entered_is_what_is_asked(service, open_page):
    page = press(open_page(), "Fill in")
    page.number_input[0].set_value(7.25)
    press(page, "Ask")
    assert service.asked == [{"petal_length": 7.25, "petals": 5, "place": "shade"}]


def test_an_empty_form_is_not_asked_and_says_so_beside_each_input(service, open_page):
    page = press(open_page(), "Ask")
    assert [error.value for error in page.error] == ["Fill this in."] * 3
    assert "3 entries are missing" in text(page)
    assert service.asked == []


def test_a_filled_form_is_no_longer_said_to_be_empty(open_page):
    page = press(press(open_page(), "Ask"), "Fill in")
    assert not page.error
    assert "missing" not in text(page)


def test_before_a_question_the_page_says_what_to_do(open_page):
    assert "Nothing has been asked yet" in text(open_page())


@pytest.mark.parametrize(
    ("label", "sentence", "heading"),
    [
        ("rose", "It is a rose.", "## :green[:material/check_circle: It is a rose.]"),
        ("thistle", "It is a thistle.", "## :red[:material/error: It is a thistle.]"),
    ],
)
def test_the_sentence_has_a_colour_and_a_symbol(service, open_page, label, sentence, heading):
    service.answer = lambda *_: verdict(label=label, sentence=sentence)
    assert heading in text(ask(open_page()))


def test_an_answer_says_how_sure_and_how_much_agreement_in_numbers_and_words(open_page):
    page = ask(open_page())
    assert [(metric.label, metric.value) for metric in page.metric] == [
        ("How sure", "87%"),
        ("Agreement", "66%"),
    ]
    assert "fairly sure" in text(page)
    assert "of the weight, a majority" in text(page)


def test_every_vote_is_in_the_table(open_page):
    table = ask(open_page()).dataframe[0].value
    assert list(table["Node"]) == ["forest", "tree", "knn"]
    assert list(table["Vote"]) == ["rose", "thistle", "rose"]
    assert list(table["Probability"]) == pytest.approx([90, 70, 90])
    assert list(table["Weight"]) == pytest.approx([34, 34, 32])
    assert set(table["Outcome"]) == {"✔ voted"}
    assert set(table["Version"]) == {"3"}


def test_the_round_is_named_with_its_block_and_policy(open_page):
    page = ask(open_page())
    assert page.code[0].value == verdict().id
    assert "block 12 under policy wager, by the weighted median of the votes" in text(page)


def test_a_degraded_answer_says_who_did_not_vote_and_what_that_means(service, open_page):
    votes = [vote("forest", weight=1.0), silent("knn", "late"), silent("tree", "invalid")]
    service.answer = lambda *_: verdict(status="degraded", votes=votes)
    content = text(ask(open_page()))
    assert "degraded · 1 of 3 nodes voted" in content
    assert "**knn** was **late**: it did not answer before the round was over" in content
    assert "**tree** was **invalid**" in content


def test_a_value_comes_with_the_spread_of_its_votes(open_page):
    page = ask(open_page(task="loan"))
    assert page.metric[0].value == "2,100.00 EUR"
    assert "from 11,900.00 EUR to 14,000.00 EUR" in text(page)
    assert list(page.dataframe[0].value["Vote"]) == ["11,900.00 EUR", "12,400.50 EUR", "14,000.00 EUR"]


def test_the_seed_policy_has_no_probabilities_and_shows_its_mean(service, open_page):
    service.answer = lambda *_: verdict(
        policy="seed", probabilities=None, pool=Pool("weighted_mean", 1.63), settlement="due"
    )
    content = text(ask(open_page()))
    assert "the weighted mean of the class numbers (1.63); stake moves with the next block" in content


def test_an_answer_stays_when_the_page_is_drawn_anew(service, open_page):
    page = ask(open_page())
    page.run()
    assert "It is a rose" in text(page)
    assert len(service.asked) == 1


def test_a_task_keeps_its_entries_and_its_answer_while_another_is_looked_at(open_page):
    page = ask(open_page())
    page.selectbox(key="task").select("loan").run()
    assert "It is a rose" not in text(page)
    page.selectbox(key="task").select("flower").run()
    assert page.number_input[0].value == 1.4
    assert "It is a rose" in text(page)


def test_without_a_quorum_the_page_says_what_each_node_did(service, open_page):
    service.answer = lambda *_: no_quorum()
    page = ask(open_page())
    assert "**No consensus.** 1 of 3 nodes of flower gave a usable answer in time" in text(page)
    assert "**tree** was **unavailable**" in text(page)
    assert set(page.dataframe[0].value["Outcome"]) == {"✔ voted", "◷ late", "✕ unavailable"}


def test_a_fallback_is_not_shown_as_the_nodes_answer(service, open_page):
    service.abstains = True
    service.answer = lambda *_: replace(no_quorum(), label="rose", sentence="It is a rose.")
    content = text(ask(open_page()))
    assert "The operator has this answered instead, without the nodes: **It is a rose.**" in content
    assert "##" not in content


def test_a_refused_value_is_explained_beside_its_input(service, open_page):
    service.answer = lambda *_: InvalidInput("petals must be at most 9, not 40.", field="rows[0].petals")
    page = ask(open_page())
    assert [error.value for error in page.error] == ["petals must be at most 9, not 40."]
    assert "The service does not accept this" in text(page)


def test_too_many_questions_are_a_reason_to_wait_and_not_an_error(service, open_page):
    service.answer = lambda *_: Overloaded("20000 rows wait already.", retry_after=1)
    page = ask(open_page())
    assert "Too many questions wait" in page.warning[0].value
    assert not page.error


def test_any_other_refusal_comes_with_the_number_of_the_question(service, open_page):
    service.answer = lambda *_: JournalUnavailable("The journal cannot be written.")
    page = ask(open_page())
    assert "The service gave no answer" in page.error[0].value
    assert page.code[0].value.startswith("page-")


def test_a_service_that_is_away_is_told_with_the_command_that_starts_it(open_page, monkeypatch):
    monkeypatch.setenv("CONCORD_URL", "http://127.0.0.1:9")
    page = open_page()
    assert "The consensus service is away" in page.error[0].value
    assert page.code[0].value == "uv run concord up"
    assert [button.label for button in page.button] == ["Try again", "English", "Français"]


def test_a_service_that_is_back_is_found_by_trying_again(open_page, monkeypatch, service):
    fake_url, away = service.url, "http://127.0.0.1:9"
    monkeypatch.setenv("CONCORD_URL", away)
    page = open_page()
    monkeypatch.setenv("CONCORD_URL", fake_url)
    assert press(page, "Try again").selectbox[0].options == ["Flower", "Loan"]


def test_a_service_that_goes_away_after_the_form_is_drawn_leaves_the_entries(service, open_page):
    page = press(open_page(), "Fill in")
    service.stop()
    press(page, "Ask")
    assert "The consensus service is away" in text(page)
    assert page.number_input[0].value == 1.4


def test_a_task_that_is_not_ready_says_which_nodes_are_down(service, open_page):
    service.not_ready = {"flower"}
    page = open_page()
    assert "**Flower is not ready.** 1 of its 3 nodes are up" in page.warning[0].value
    assert list(page.dataframe[0].value["State"]) == ["✔ up", "✕ down", "✕ down"]


def test_a_task_whose_nodes_have_never_answered_has_no_form_yet(service, open_page):
    service.schemas, service.not_ready = {"new": None}, {"new"}
    page = open_page()
    assert "is not ready" in page.warning[0].value
    assert not page.number_input


def test_a_service_without_tasks_says_how_one_comes_to_be(service, open_page):
    service.schemas = {}
    page = open_page()
    assert "There is no task yet" in page.info[0].value


def test_text_of_others_is_shown_as_it_is_and_never_as_markup(service, open_page):
    service.answer = lambda *_: verdict(sentence="**[x](http://evil)** :red[y] $z$")
    heading = next(element.value for element in ask(open_page()).markdown if element.value.startswith("## "))
    assert heading.endswith(r"\*\*\[x\](http\://evil)\*\* \:red\[y\] \$z\$]")


def test_a_regression_schema_has_no_choice_of_labels_to_be_sure_of(service, open_page):
    service.answer = lambda *_: loan_verdict()
    assert "How sure" not in [metric.label for metric in ask(open_page(task="loan")).metric]


def test_a_schema_of_one_feature_draws_one_input(service, open_page):
    service.schemas = {
        "one": TaskSchema("one", "One", "", (Feature("x", "number", 1.0),), labels=FLOWER.labels)
    }
    assert len(open_page().number_input) == 1
