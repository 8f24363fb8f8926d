"""Finding rounds again, and one round with all that is known of it."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from streamlit.testing.v1 import AppTest

from frontend.views.rounds import filters, round_list
from tests.unit.frontend.fake_rounds import ID, MOVED, FakeRounds, explanation, round_, stated_label
from tests.unit.frontend.fake_service import FLOWER, LOAN, loan_verdict, no_quorum, silent, verdict, vote
from tests.unit.frontend.test_access import press, use_token
from tests.unit.frontend.test_predict import text

SERVICE = FakeRounds
pytestmark = pytest.mark.usefixtures("service")
OTHER = "f" * 32


@pytest.fixture
def open_rounds(monkeypatch):
    """Opens the page Rounds, with what its address says."""
    monkeypatch.setattr("streamlit.components.v2.manifest_scanner.scan_component_manifests", list)

    def open_(**address):
        page = AppTest.from_function(draw, default_timeout=10)
        for name, value in address.items():
            page.query_params[name] = value
        return page.run()

    return open_


def draw():
    from concord.settings import Settings
    from frontend import access
    from frontend.text import language
    from frontend.views.rounds import page as rounds

    language.choose()
    rounds.show(Settings.read().url)
    access.show_account()


def keep(service, *rounds):
    service.rounds = {element.id: element for element in rounds}


def listed(page):
    return page.dataframe[0].value


def page_text(page):
    return text(page) + "\n".join(element.value for element in page.success)


def test_rounds_are_listed_with_what_was_said_true_and_moved(service, open_rounds):
    keep(
        service,
        round_(truth=stated_label(), deltas=MOVED),
        round_(verdict(id=OTHER), truth=stated_label("thistle")),
        round_(no_quorum(id="a" * 32)),
        round_(verdict(id="b" * 32)),
    )
    frame = listed(open_rounds())
    assert list(frame["Answer"]) == ["✔ rose", "✔ rose", "✕ –", "✔ rose"]
    assert list(frame["Truth"].fillna("")) == ["✔ rose", "✕ thistle", "", ""]
    assert list(frame["Stake"]) == ["moved in block 13", "awaits the truth", "moves not", "awaits the truth"]
    assert list(frame["Id"]) == [ID[:8], "ffffffff", "aaaaaaaa", "bbbbbbbb"]


def test_every_filter_goes_to_the_service(service, open_rounds):
    keep(service, round_())
    page = open_rounds()
    page.selectbox(key="rounds/status").select("degraded")
    page.selectbox(key="rounds/label").select("disputed")
    page.selectbox(key="rounds/answer/flower").select("rose")
    page.selectbox(key="rounds/span").select("day")
    page.text_input(key="rounds/id").set_value("0123AB").run()
    asked = service.queries[-1]
    since = datetime.fromisoformat(asked.pop("since"))
    assert asked == {
        "task": "flower",
        "status": "degraded",
        "label": "disputed",
        "answer": "rose",
        "id": "0123ab",
        "limit": "25",
    }
    assert 86_400 <= (datetime.now(UTC) - since).total_seconds() < 86_400 + 120


def test_chosen_days_are_whole_ones_in_the_readers_zone(service, open_rounds):
    keep(service, round_())
    page = open_rounds()
    page.selectbox(key="rounds/span").select("days").run()
    page.date_input(key="rounds/days").set_value((date(2026, 1, 30), date(2026, 1, 31)))
    page.run()
    asked = service.queries[-1]
    assert (asked["since"], asked["until"]) == ("2026-01-30T00:00:00+00:00", "2026-02-01T00:00:00+00:00")


@pytest.mark.parametrize("typed", ["xyz1", "abc", "01 23", "g" * 32])
def test_what_can_be_no_id_is_said_so_and_not_asked(service, open_rounds, typed):
    keep(service, round_())
    page = open_rounds()
    before = len(service.queries)
    page.text_input(key="rounds/id").set_value(typed).run()
    assert "enter 4 to 32" in page.error[0].value
    assert len(service.queries) == before


def test_a_regression_has_no_classes_to_look_for(service, open_rounds):
    keep(service, round_(loan_verdict()))
    page = open_rounds(task="loan")
    assert "Answer" not in [box.label for box in page.selectbox]
    assert list(listed(page)["Answer"]) == ["✔ 11,900.00 EUR"]


def test_pages_lead_to_older_rounds_and_back(service, open_rounds):
    keep(service, round_(), round_(verdict(id=OTHER)))
    service.pages = {None: [ID], "c1": [OTHER]}
    page = open_rounds()
    assert list(listed(page)["Id"]) == [ID[:8]]
    page = press(page, "Older")
    assert service.queries[-1]["after"] == "c1"
    assert list(listed(page)["Id"]) == [OTHER[:8]]
    assert list(listed(press(page, "Newer"))["Id"]) == [ID[:8]]


def test_another_filter_begins_with_the_newest(service, open_rounds):
    keep(service, round_(), round_(verdict(id=OTHER)))
    service.pages = {None: [ID], "c1": [OTHER]}
    page = press(open_rounds(), "Older")
    page.selectbox(key="rounds/status").select("ok").run()
    assert "after" not in service.queries[-1]


def test_without_rounds_it_is_said_how_one_comes_to_be(open_rounds):
    assert "There are no rounds yet" in open_rounds().info[0].value


def test_where_none_fits_it_is_said_so(open_rounds):
    page = open_rounds()
    page.selectbox(key="rounds/label").select("known").run()
    assert "No round fits" in page.info[0].value


def test_a_page_without_one_that_fits_leads_on(service, open_rounds):
    service.pages = {None: [], "c1": []}
    page = open_rounds()
    assert "There are older ones" in page.info[0].value
    assert "Older" in [button.label for button in page.button]


def test_a_service_that_is_away_is_said_to_be(service, open_rounds):
    service.stop()
    page = open_rounds()
    service.start(int(service.url.rpartition(":")[2]))
    assert "The consensus service is away" in page.error[0].value


def test_a_journal_that_is_away_is_said_to_be(service, open_rounds):
    service.journal_is_away = True
    page = open_rounds()
    assert "The database of rounds is away" in page.error[0].value
    service.journal_is_away = False
    assert "There are no rounds yet" in press(page, "Look again").info[0].value


def test_rounds_that_are_guarded_are_shown_to_who_may_read_them_and_to_nobody_else(service, open_rounds):
    keep(service, round_())
    service.guarded = True
    page = use_token(open_rounds(), "mine")
    assert list(listed(page)["Id"]) == [ID[:8]]
    stranger = open_rounds()
    assert "to those alone who may read them" in stranger.warning[0].value
    assert "Who reads rounds here shows a token" in page_text(stranger)
    assert "changing things is not" not in page_text(stranger)
    assert not stranger.dataframe
    assert "to those alone who may read them" in open_rounds(round=ID).warning[0].value


def test_a_round_is_opened_from_the_list_and_closed_again(service, open_rounds):
    keep(service, round_(), round_(verdict(id=OTHER, sentence="It is another rose.")))
    page = open_rounds()
    page.selectbox(key="rounds/box").select(OTHER).run()
    assert page.query_params["round"] in (OTHER, [OTHER])
    assert "It is another rose." in page_text(page)
    assert list(listed(press(page, "All rounds"))["Id"]) == [ID[:8], OTHER[:8]]


def test_a_round_is_opened_from_the_row_that_was_drawn(monkeypatch):
    monkeypatch.setattr(round_list.st, "session_state", {round_list._TABLE: {"selection": {"rows": [1]}}})
    opened = []
    monkeypatch.setattr(filters, "open_round", opened.append)
    round_list._open_row([ID, OTHER])
    round_list._open_row([ID])
    assert opened == [OTHER]


def test_one_round_shows_answer_reasons_truth_moves_and_proof(service, open_rounds):
    keep(service, round_(truth=stated_label(), deltas=MOVED, disputes=[stated_label("thistle", "lab")]))
    page = open_rounds(round=ID)
    for sentence in (
        "It is a rose.",
        "It held 1,000.00 of the 3,000.00 stake",
        "**rose**, said by crm, 21 Nov 2026, 17:03:13",
        "**Disputed.**",
        "**thistle**, said by lab",
        "Stake was gained by **forest** (+4.20)",
        "The block's levelling: knn -0.50.",
        "leads in one step",
        "cd" * 32,
        "Petal length (cm): **1.4**",
    ):
        assert sentence in page_text(page)
    assert "changing things is not" in page_text(page)


def test_a_round_that_contradicts_its_proof_shows_that_and_neither_answer_nor_votes(service, open_rounds):
    result = round_(truth=stated_label(), deltas=MOVED)
    told = "The journal shows the answer as rose, and the proof says thistle: the journal was changed."
    changed = replace(result.explanation, contradiction=told, votes=[], truth=None)
    keep(service, replace(result, explanation=changed))
    page = open_rounds(round=ID)
    assert [element.value.replace("\\", "") for element in page.error] == [told]
    assert page.get("download_button")[0].proto.label == "Download the proof"
    assert "Why each vote weighed" not in "".join(element.value for element in page.subheader)
    assert "Stake was gained by" not in page_text(page)


def test_the_proof_is_that_of_the_service(service, open_rounds):
    result = round_(truth=stated_label(), deltas=MOVED)
    keep(service, result)
    button = open_rounds(round=ID).get("download_button")[0]
    assert button.proto.label == "Download the proof"


def test_the_proofs_file_is_what_the_command_writes():
    from frontend.views.rounds.round_detail import write_proof

    document = json.loads(write_proof(round_(truth=stated_label(), deltas=MOVED).explanation.proof))
    assert document.keys() == {"record", "path", "root", "event", "block", "block_hash"}
    assert document["path"] == [["left", "ab" * 32]]


def test_a_round_is_labelled_where_it_is_shown(service, open_rounds):
    keep(service, round_())
    page = use_token(open_rounds(round=ID), "mine")
    page.selectbox(key=f"truth/truth/{ID}").select("rose")
    page = press(press(page, "This was true…"), "Record it")
    assert service.labels == [{"id": ID, "label": "rose"}]
    assert "**Recorded.**" in page_text(page)
    assert page_text(page).count("Stake was gained by") == 1


def test_a_round_that_has_a_label_may_be_disputed(service, open_rounds):
    keep(service, round_(truth=stated_label(), deltas=MOVED))
    page = use_token(open_rounds(round=ID), "mine")
    page.selectbox(key=f"truth/truth/{ID}").select("thistle")
    page = press(page, "This was true…")
    assert "kept as a dispute and changes nothing" in page_text(page)
    service.refuses = (409, "conflict", "The round has another label already, from crm.")
    page = press(page, "Record it")
    assert "**The round has another label already.**" in page_text(page)


def test_a_round_that_is_not_there_is_said_so(open_rounds):
    page = open_rounds(round="<b>0*1")
    assert r"There is no round \<b>0\*1." in page.warning[0].value


def test_a_row_that_was_forgotten_is_not_shown(service, open_rounds):
    base = verdict()
    result = round_(base, features=None, explanation=explanation(base, row="Its row was forgotten."))
    keep(service, result)
    page = open_rounds(round=ID)
    assert "Its row was forgotten." in [element.value for element in page.warning]
    assert "What was asked" not in [element.label for element in page.expander]


def test_a_round_of_an_older_service_is_shown_without_reasons(service, open_rounds):
    keep(service, round_(explanation=None))
    assert "explains nothing" in open_rounds(round=ID).info[0].value


def test_a_round_without_a_quorum_is_shown(service, open_rounds):
    keep(service, round_(no_quorum()))
    page = open_rounds(round=ID)
    assert "No consensus" in page.error[0].value
    assert "too few nodes voted" in page_text(page)


def test_a_value_is_near_or_far_off(service, open_rounds):
    base = loan_verdict()
    fields = explanation(base, stated_label(None, value=12_000.0), deltas=MOVED)
    votes = [replace(element, right=element.node != "tree") for element in fields.votes]
    keep(service, round_(base, explanation=replace(fields, votes=votes)))
    frame = next(element.value for element in open_rounds(round=ID).dataframe if "Right" in element.value)
    assert list(frame["Right"]) == ["✔ near", "✔ near", "✕ far off"]


def test_the_list_speaks_french(service, open_rounds):
    keep(service, round_(truth=stated_label(), deltas=MOVED))
    page = open_rounds(lang="fr")
    assert list(listed(page)["Heure"]) == ["21 nov. 2026, 17:03:13"]


def test_text_of_others_is_no_markup(service, open_rounds):
    base = verdict(votes=[vote("forest"), silent("knn", "late")])
    keep(service, round_(base, stated_label(source="**evil**"), MOVED))
    assert r"said by \*\*evil\*\*" in page_text(open_rounds(round=ID))


def test_a_task_of_values_says_what_was_true():
    result = round_(loan_verdict(), stated_label(None, value=12_000.0))
    assert round_list.list_rows(LOAN, [result])[0]["Truth"] == "12,000.00 EUR"
    assert round_list.list_rows(FLOWER, [round_()])[0]["Truth"] is None
