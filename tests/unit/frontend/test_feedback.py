"""Saying what was true, on the page Predict: what it asks, what it shows of it, and every refusal."""

from dataclasses import replace

import pytest

from frontend.components import label_refusals, stake_moves
from tests.unit.frontend.fake_rounds import ID, MOVED, FakeRounds, explanation, round_, stated_label
from tests.unit.frontend.fake_service import FLOWER, loan_verdict, no_quorum, silent, verdict, vote
from tests.unit.frontend.test_access import press, use_token
from tests.unit.frontend.test_predict import ask, text
from tests.unit.frontend.test_predict import press as start

SERVICE = FakeRounds
pytestmark = pytest.mark.usefixtures("service")


@pytest.fixture
def answered(open_page):
    """The page after an answer, with a token."""

    def answered_(task="flower", token="mine", **address):
        page = ask(open_page(task=task, **address))
        return use_token(page, token) if token else page

    return answered_


def tell(page, truth="rose"):
    """Chooses what was true, and goes as far as the confirmation."""
    box = page.selectbox(key=f"truth/truth/{ID}") if isinstance(truth, str) else None
    if box:
        box.select(truth)
    else:
        page.number_input(key=f"truth/truth/{ID}").set_value(truth)
    return press(page, "This was true…")


def page_text(page):
    return text(page) + "\n".join(element.value for element in page.success)


def table(page):
    return next(element.value for element in page.dataframe if "Stake moved" in element.value)


def test_without_a_token_the_truth_is_not_asked_and_it_is_said_how_to_get_one(service, answered):
    page = answered(token=None)
    assert "changing things is not" in page_text(page)
    assert "This was true…" not in [button.label for button in page.button]
    assert service.labels == []


def test_every_class_of_the_task_may_have_been_true(answered):
    assert answered().selectbox(key=f"truth/truth/{ID}").options == ["rose", "thistle"]


def test_nothing_is_recorded_before_it_was_confirmed(service, answered):
    page = tell(answered(), "thistle")
    assert "You say that this was true: thistle." in page_text(page)
    assert "stays for good" in page_text(page)
    assert service.labels == []
    page = press(page, "Cancel")
    assert service.labels == []
    assert "You say" not in page_text(page)


def test_a_truth_that_is_not_chosen_is_asked_for(service, answered):
    page = press(answered(), "This was true…")
    assert "Say first what was true" in page_text(page)
    assert service.labels == []


def test_the_truth_is_sent_and_every_move_of_stake_is_shown(service, answered):
    page = press(tell(answered()), "Record it")
    assert service.labels == [{"id": ID, "label": "rose"}]
    assert service.shown[-1] == "Bearer mine"
    for sentence in (
        "**Recorded.**",
        "Block 13 settled this round, among 2.",
        "Stake was gained by **forest** (+4.20), **knn** (+3.10).",
        "Stake was lost by **tree** (-7.30).",
    ):
        assert sentence in page_text(page)
    frame = table(page)
    assert list(frame["Node"]) == ["forest", "knn", "tree"]
    assert list(frame["Stake moved"]) == ["+4.20", "+3.10", "-7.30"]
    assert list(frame["Right"]) == ["✔ right", "✔ right", "✕ wrong"]


def test_what_moved_stays_when_the_page_is_drawn_anew(answered):
    page = press(tell(answered()), "Record it").run()
    assert "Stake was gained by" in page_text(page)


def test_the_truth_of_a_value_is_a_number_in_its_unit(service, answered):
    service.answer = lambda *_: loan_verdict()
    page = answered("loan")
    assert page.number_input(key=f"truth/truth/{ID}").label == "The truth was (EUR)"
    page = press(tell(page, 12_000.5), "Record it")
    assert service.labels == [{"id": ID, "value": 12000.5}]
    assert "You say" not in page_text(page)


def test_a_label_that_the_round_had_is_said_to_change_nothing(service, answered):
    page = tell(answered())
    service.rounds[ID] = round_(truth=stated_label("rose", "page"), deltas=MOVED)
    assert "**The round had this label already.**" in page_text(press(page, "Record it"))


def test_a_block_that_has_not_come_is_waited_for(service, answered):
    service.moves = None
    page = press(tell(answered()), "Record it")
    assert "Its block has not come yet" in page_text(page)
    service.rounds[ID] = round_(truth=stated_label("rose", "page"), deltas=MOVED)
    assert "Stake was gained by" in page_text(press(page, "Look again"))


def test_below_the_quorum_a_truth_moves_no_stake(service, answered):
    service.answer, service.abstains = (lambda *_: no_quorum()), True
    page = answered()
    assert "Too few nodes voted, so no stake moves" in page_text(page)
    page = press(tell(page), "Record it")
    assert not [element for element in page.dataframe if "Stake moved" in element.value]


def test_under_seed_a_truth_moves_no_stake(service, answered):
    service.answer = lambda *_: verdict(policy="seed", settlement="due")
    assert "Under the policy seed no stake moves by it" in page_text(answered())


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "unauthorized"),
        (403, "forbidden"),
        (403, "forbidden_task"),
        (403, "tokens_off"),
        (404, "unknown_round"),
        (409, "conflict"),
        (410, "expired"),
        (422, "invalid_label"),
        (503, "journal_unavailable"),
        (503, "no_quorum"),
    ],
)
def test_every_refusal_is_said_in_words_with_the_services_own(service, answered, status, code):
    page = tell(answered())
    service.refuses = (status, code, "Because of x.")
    page = press(page, "Record it")
    assert label_refusals.MEANINGS[code] in page_text(page)
    assert "The service says: Because of x." in page_text(page)
    assert "**Recorded.**" not in page_text(page)


def test_a_refusal_that_has_no_words_here_is_shown_all_the_same(service, answered):
    page = tell(answered())
    service.refuses = (418, "teapot", "I am one.")
    assert "The service says: I am one." in page_text(press(page, "Record it"))


def test_after_a_refusal_one_may_try_again(service, answered):
    page = tell(answered())
    service.refuses = (503, "journal_unavailable", "Away.")
    page = press(page, "Record it")
    service.refuses = None
    page = press(tell(page), "Record it")
    assert "**Recorded.**" in page_text(page)
    assert "Away." not in page_text(page)


def test_a_dispute_shows_what_stands(service, answered):
    page = tell(answered(), "thistle")
    service.rounds[ID] = round_(truth=stated_label("rose", "crm"), deltas=MOVED)
    service.refuses = (409, "conflict", "The round has another label already, from crm.")
    page = press(page, "Record it")
    assert "**rose**, said by crm" in page_text(page)


def test_a_service_that_went_away_leaves_it_open_whether_it_was_recorded(service, answered):
    page = tell(answered())
    service.stop()
    page = press(page, "Record it")
    service.start(int(service.url.rpartition(":")[2]))
    assert label_refusals.MEANINGS["service_away"] in page_text(page)


def test_a_token_that_reads_no_rounds_is_told_the_block_alone(service, answered):
    service.guarded = True
    page = press(tell(answered(token="labels-only")), "Record it")
    assert "Block 13 settled this round." in page_text(page)
    assert "does not read rounds" in page_text(page)


def test_the_truth_is_asked_for_in_french(open_page):
    page = start(start(open_page(lang="fr"), "Remplir"), "Interroger")
    assert "Quelle était la vérité" in page_text(page)
    assert "mais rien modifier" in page_text(page)


# Words, without a page


def test_a_node_that_did_not_count_moved_nothing():
    base = verdict(votes=[vote("forest"), silent("liar", "shadow")])
    result = round_(base, stated_label(), {"forest": 1.0})
    assert "The stake of **liar** was not in it" in "\n".join(
        stake_moves.describe_moves(result, result.explanation)
    )
    assert stake_moves.list_moves(FLOWER, result.explanation.votes)[1]["Stake moved"] is None


def test_stake_that_did_not_move_is_said_so():
    result = round_(truth=stated_label(), deltas=dict.fromkeys(MOVED, 0.0))
    assert "No node's stake moved" in "\n".join(stake_moves.describe_moves(result, result.explanation))


def test_under_seed_it_is_said_who_moves_stake():
    result = round_(verdict(policy="seed"), deltas={"forest": 0.0, "knn": 0.0, "tree": -100.0})
    assert "the majority moves stake at once" in "\n".join(
        stake_moves.describe_moves(result, result.explanation)
    )


@pytest.mark.parametrize(
    ("stage", "made", "sentence"),
    [
        ("awaits_label", verdict(), "nobody has said yet"),
        ("due", verdict(), "Its block has not come yet"),
        ("never", no_quorum(), "too few nodes voted"),
        ("never", verdict(), "nobody said in time"),
    ],
)
def test_what_has_not_moved_says_why(stage, made, sentence):
    result = replace(round_(made), explanation=explanation(made, stage=stage))
    assert sentence in stake_moves.describe_moves(result, result.explanation)[0]


@pytest.mark.parametrize(
    ("amount", "shown"), [(4.2, "+4.20"), (-1234.5, "-1,234.50"), (0.0, "0"), (0.0004, "+0.0004")]
)
def test_a_change_of_stake_has_its_sign_and_is_never_rounded_to_nothing(amount, shown):
    assert stake_moves.format_change(amount) == shown
