"""What a person meets on the ledger's page: the proof, who gained, the blocks, every state without them."""

import pytest
from streamlit.testing.v1 import AppTest

from concord.errors import LedgerUnavailable
from concord.types.ledger import StakesPage
from frontend.charts import stake_over_time
from frontend.views.ledger import block_events, stake_changes
from tests.unit.frontend.conftest import clear_caches
from tests.unit.frontend.fake_ledger import GAINS, SETTLED, FakeLedgerService, block, moves
from tests.unit.frontend.test_predict import press, text


@pytest.fixture
def service():
    fake = FakeLedgerService().start()
    yield fake
    clear_caches()
    fake.stop()


@pytest.fixture
def open_ledger(service):
    """Opens the page, with what its address says."""

    def script(url):
        from frontend.text import language
        from frontend.views.ledger import page as ledger

        language.choose()
        ledger.show(url)

    def open_(url=None, **address):
        page = AppTest.from_function(script, args=(url or service.url,), default_timeout=20)
        for key, value in address.items():
            page.query_params[key] = value
        return page.run()

    return open_


def heights(page):
    return [
        int(element.label.split(" ")[1]) for element in page.expander if element.label.startswith("Block ")
    ]


def opened(**changes):
    return {"kind": "open", "task": "flower", "node": "knn", "deposit": 1_000_000_000, **changes}


def test_the_newest_blocks_come_first_in_a_line_each(open_ledger):
    page = open_ledger()
    assert heights(page) == list(range(45, 25, -1))
    label = next(element.label for element in page.expander if element.label.startswith("Block 45"))
    assert label.split(" · ") == [
        "Block 45",
        "Jan 31, 2026, 9\\:00\\:45\u202fAM",
        "4 rounds settled",
        "`d200000000…`",
    ]


def test_older_blocks_come_when_they_are_asked_for_and_end_with_the_first(open_ledger):
    page = press(open_ledger(), "Show older")
    assert heights(page) == list(range(45, 5, -1))
    page = press(page, "Show older")
    assert heights(page) == list(range(45, 0, -1))
    assert "This is the first block." in text(page)
    assert not [button for button in page.button if button.label == "Show older blocks"]


def test_blocks_can_be_read_from_any_height(open_ledger):
    page = open_ledger()
    page.number_input[0].set_value(12).run()
    assert heights(page) == list(range(12, 0, -1))


def test_a_long_list_ends_and_goes_on_from_where_it_ended(open_ledger, service, monkeypatch):
    monkeypatch.setattr("frontend.views.ledger.page.MOST_PAGES", 1)
    page = press(open_ledger(), "Go on from block 25")
    assert heights(page) == list(range(25, 5, -1))
    assert page.number_input[0].value == 25


def test_what_a_block_holds_is_drawn_once_it_is_opened(open_ledger):
    page = open_ledger()
    assert "3 of 4 right" not in text(page)
    page.session_state["ledger/block/45"] = True
    page.run()
    content = text(page)
    assert "- flower: 4 rounds with a label settled by the policy wager" in content
    assert "    - **forest** +1.25, 3 of 4 right, −0.25 of it by levelling" in content
    assert "    - **knn** −1.25, 1 of 4 right, +0.25 of it by levelling" in content
    assert block(45).hash in [code.value for code in page.code]
    assert block(45).previous in [code.value for code in page.code]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"kind": "params", "policy": "seed", "asks": "iris"}, "policy seed, and asks the nodes of iris"),
        (opened(accuracy=900_000), "**knn** opens its account with 1,000 of stake, stated accuracy 90%"),
        (opened(accuracy=0), "**knn** opens its account with 1,000 of stake"),
        ({"kind": "deposit", "node": "knn", "amount": 2_500_000}, "**knn** gets 2.5 of stake paid in"),
        ({"kind": "withdraw", "node": "knn", "amount": 1}, "0.000001 of **knn**’s stake are taken out"),
        (
            {"kind": "deposit", "node": "knn", "amount": 2_500_000, "by": "ann", "why": "a [share](http://x)"},
            r"**knn** gets 2.5 of stake paid in, by ann: a \[share\](http\://x)",
        ),
        (
            {"kind": "withdraw", "node": "knn", "amount": 1, "by": "ann", "why": "twice"},
            "0.000001 of **knn**’s stake are taken out, by ann: twice",
        ),
        ({"kind": "promote", "node": "knn", "version": "3"}, "**knn** serves version 3 now"),
        ({"kind": "jail", "node": "knn", "reason": "regret", "measured": 1}, "is jailed: it lost too much"),
        (
            {"kind": "release", "node": "knn", "to": "active", "by": "rule", "why": "[x](http://evil)"},
            r"**knn** counts again, by rule: \[x\](http\://evil)",
        ),
        (
            {"kind": "release", "node": "knn", "to": "probation", "by": "ann", "why": "mended"},
            "**knn** is on probation now, by ann: mended",
        ),
        (
            {"kind": "appoint", "node": "knn", "action": "rollback", "version": "2", "from": "3", "by": "ann",
             "why": "worse"},
            "**knn** goes back to version 2 from 3, by ann: worse",
        ),
        ({"kind": "brand_new", "node": "knn"}, r"brand\_new"),
    ],
)  # fmt: skip
def test_every_event_is_said_in_words(body, words):
    assert words in block_events.describe_event({"task": "flower", **body})


def test_a_settlement_under_seed_tells_what_dissent_cost():
    body = {**SETTLED, "policy": "seed", "nodes": {"knn": [1, -5_000_000]}}
    lines = block_events.list_events(block(2, body))
    assert lines == ["- flower: 4 rounds settled by the policy seed", "    - **knn** −5"]


def test_events_are_told_in_the_order_in_which_they_take_effect():
    jailed = {"kind": "jail", "task": "flower", "node": "knn", "reason": "stake", "measured": 1}
    lines = block_events.list_events(block(2, jailed, SETTLED, opened(accuracy=0)))
    assert [line[2:].split(": ")[1][:12] for line in lines if line.startswith("- ")] == [
        "**knn** open",
        "4 rounds wit",
        "**knn** is j",
    ]


def test_a_sound_ledger_is_said_to_be_sound_with_what_was_compared(open_ledger, service):
    page = press(open_ledger(), "Verify")
    assert "**The ledger is sound.** 45 blocks were calculated again" in page.success[0].value
    assert "45 blocks have the hashes that the journal noted" in text(page)
    assert block(45).hash in [code.value for code in page.code]
    assert service.read.count("/v1/ledger/verify") == 1


def test_what_a_proof_finds_is_told_with_what_to_do(open_ledger, service):
    service.problems = ("Block 7 does not follow block 6: the chain is forked or cut.",)
    page = press(open_ledger(), "Verify")
    assert "The ledger is not what was written" in page.error[0].value
    assert "Block 7 does not follow block 6" in text(page)
    assert "Tell the operator" in text(page)


def test_a_proof_that_cannot_be_made_is_told(open_ledger, service):
    page = open_ledger()
    service.refusal = LedgerUnavailable("The cluster's API is away.")
    page = press(page, "Verify")
    assert "**The ledger could not be verified.** The cluster's API is away." in page.error[0].value


def test_who_gained_and_who_lost_stands_in_a_sentence_and_a_table_by_reason(open_ledger):
    page = open_ledger()
    assert "Most was gained by **forest**: +12.50. Most was lost by **knn**: −12.50." in text(page)
    table = page.dataframe[0].value
    assert list(table["Node"]) == ["forest", "tree", "knn"]
    assert list(table["Result"]) == ["▲ gained", "= unchanged", "▼ lost"]
    assert list(table["Gained or lost"]) == [12.5, 0, -12.5]
    assert list(table["By labels"]) == [15, 0, -15]
    assert list(table["By levelling"]) == [-2.5, 0, 2.5]
    assert list(table["Paid in"]) == [0, 1000, 0]


def test_all_who_lost_most_are_named():
    lost = [moves(node, 1000.0, 990.0, slashed=-10.0) for node in ("knn", "tree")]
    page = StakesPage("flower", 1, 9, 20.0, lost, None)
    assert stake_changes.describe_gains(page) == "Most was lost by **knn**, **tree**: −10.00."


def test_reasons_that_moved_nothing_have_no_column(open_ledger):
    assert "By dissent" not in open_ledger().dataframe[0].value.columns


def test_the_treasury_has_a_line_where_it_gained(open_ledger, service):
    service.treasury = 3.0
    table = open_ledger().dataframe[0].value
    assert (table["Node"].iloc[-1], table["By dissent"].iloc[-1]) == ("(treasury)", 3.0)


def test_the_picture_has_a_line_from_where_each_node_stood_to_where_it_stands():
    page = StakesPage("flower", 1, 9, 0.0, GAINS, None)
    drawn = [
        (element["node"], element["height"], element["stake"], element["is_end"])
        for element in stake_changes.list_points(page)
    ]
    assert drawn[:3] == [
        ("forest", 1, 1000.0, False),
        ("forest", 2, 1012.5, False),
        ("forest", 9, 1012.5, True),
    ]
    assert drawn[-2:] == [("tree", 2, 1000.0, False), ("tree", 9, 1000.0, True)]
    assert "forest from 1,000 to 1,012.5" in stake_changes.describe_stakes(page)


def test_a_line_of_many_steps_is_thinned_and_keeps_its_last():
    from dataclasses import replace

    many = replace(GAINS[0], points=[(n, float(n)) for n in range(2, 1001)])
    drawn = stake_changes.list_points(StakesPage("flower", 1, 1000, 0.0, [many], None))
    assert len(drawn) <= stake_over_time.MOST_POINTS + 3
    assert drawn[-2]["height"] == 1000


def test_older_blocks_of_the_picture_are_a_press_away(open_ledger, service):
    service.older = 21
    page = press(open_ledger(), "Older blocks")
    assert "Blocks 1 to 20." in text(page)
    assert "/v1/ledger/stakes/flower?before=21" in service.read
    assert "Blocks 21 to 45." in text(press(page, "Newest blocks"))


def test_a_task_whose_nodes_have_no_account_says_so(open_ledger, service):
    service.gains = []
    assert "No node has an account yet" in text(open_ledger())


def test_the_newest_hash_is_shortened_and_whole_on_demand(open_ledger):
    page = open_ledger()
    box = next(element for element in page.expander if element.label.startswith("Its hash"))
    assert box.label == "Its hash: `d200000000…`"
    assert box.code[0].value == block(45).hash


def test_what_the_service_says_of_its_ledger_is_shown(open_ledger, service):
    service.alarm, service.due = "The head is older than one that was read before.", 3
    page = open_ledger()
    assert "The head is older" in page.error[0].value
    assert "3 rounds wait for the next one" in text(page)


def test_an_empty_ledger_says_how_its_first_block_comes(open_ledger, service):
    service.blocks = []
    page = open_ledger()
    assert "The ledger is empty" in page.info[0].value
    assert not page.expander


def test_blocks_that_cannot_be_read_are_told_apart_from_an_absent_service(open_ledger, service):
    service.refusal = LedgerUnavailable("The cluster's API is away.")
    page = open_ledger()
    assert {element.value for element in page.error} == {
        "**This could not be read.** The cluster's API is away."
    }


def test_a_service_that_is_away_is_told(open_ledger):
    assert "The consensus service is away" in open_ledger("http://127.0.0.1:9").error[0].value


def test_a_new_block_is_seen_by_looking_again(open_ledger, service):
    page = open_ledger()
    service.blocks.append(block(46, SETTLED))
    assert heights(press(page, "Look again"))[0] == 46


def test_the_page_speaks_french(open_ledger):
    page = press(open_ledger(lang="fr"), "Vérifier")
    assert "Le registre est intact" in page.success[0].value
    assert "4 tours réglés" in page.expander[2].label
    assert "Le plus grand gain\xa0: **forest**" in text(page)
