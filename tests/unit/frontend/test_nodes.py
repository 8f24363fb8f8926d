"""The page of a task's nodes: how they stand, what moved their stake, and who is released."""

import pytest

from concord.api.endpoints import history
from concord.errors import Conflict, Forbidden, JournalUnavailable
from concord.types.nodes import ChallengerRecord
from frontend.charts import stake_over_time
from frontend.text import reasons
from frontend.views.nodes import data, stake_history, standings
from frontend.views.nodes.data import AccountChange
from tests.unit.frontend.conftest import clear_caches
from tests.unit.frontend.fake_nodes import WAGER, FakeNodes, entry, jailed, node
from tests.unit.frontend.page_driver import TOKEN, confirm, labels, open_view, press, text


@pytest.fixture
def service(monkeypatch):
    monkeypatch.setattr("streamlit.components.v2.manifest_scanner.scan_component_manifests", list)
    fake = FakeNodes().start()
    fake.histories = {
        "forest": [
            entry(1, "open", 1000, 1000, "account opened"),
            entry(20, "settle", 16.3365, 1016.3365, WAGER, 6),
        ],
        "knn": [
            entry(1, "open", 1000, 1000, "account opened"),
            entry(20, "settle", -16.3365, 983.6635, WAGER, 6),
            entry(25, "jail", 0, 983.6635, "jailed: 6.50 rounds lost against the mean, 6 are admitted"),
        ],
    }
    monkeypatch.setenv("CONCORD_URL", fake.url)
    clear_caches()
    yield fake
    clear_caches()
    fake.stop()


@pytest.fixture
def see(service):
    return lambda **address: open_view("nodes", service.url, **address)


def test_every_node_is_listed_with_what_it_is_and_holds(service, see):
    service.views = [node("forest"), jailed(), node("tree", status="down", version=None, latency_ms=None)]
    table = see().dataframe[0].value
    assert list(table["Node"]) == ["forest", "knn", "tree"]
    assert list(table["Standing"]) == ["✔ active", "⊘ jailed", "✔ active"]
    assert list(table["State"]) == ["✔ up", "✔ up", "✕ down"]
    assert table.iloc[0][["Stake", "Influence", "Hit rate", "Skill", "Latency (ms)", "Version"]].tolist() == [
        1000.0, 50.0, 92.5, 0.8125, 4.2, "3",
    ]  # fmt: skip


def test_why_a_node_is_away_or_does_not_count_is_said(service, see):
    service.views = [jailed(), node("tree", status="down", reason="connection *refused*")]
    content = text(see())
    assert (
        r"**knn** is :red[:material/block: jailed]: its vote does not count. Jailed for regret\: 12"
        in content
    )
    assert r"**tree** is :red[:material/link_off: down]: connection \*refused\*" in content


def test_a_version_on_trial_is_told_of(service, see):
    service.views = [node("forest", challenger=ChallengerRecord("9", "probation", 12, 0.75))]
    content = text(see())
    assert "Version 9 is tried beside **forest**: 12 labelled rounds, skill 0.750, too few to say" in content


def test_without_labels_the_page_says_what_is_still_to_come(service, see):
    service.views = [node("forest", labelled=0, hit_rate=None)]
    assert "No labels yet" in text(see())


def test_changes_are_told_with_their_reason_the_newest_first(see):
    lines = next(element.value for element in see().markdown if "UTC ·" in element.value).splitlines()
    assert [line.split("**")[1] for line in lines] == ["knn", "knn", "forest", "knn", "forest"]
    assert lines[0] == (
        r"- 2026-01-31 09:00:25 UTC · **knn** :red[:material/block: jailed]: "
        r"jailed\: 6.50 rounds lost against the mean, 6 are admitted"
    )
    assert ":red[:material/trending_down: lost] -16.3365 → 983.6635" in lines[1]


def test_every_change_is_in_the_table(see):
    table = see().dataframe[1].value
    assert list(table["Block"]) == [25, 20, 20, 1, 1]
    assert list(table["What"])[:2] == ["⊘ jailed", "▼ lost"]
    assert list(table["Change"])[1] == -16.3365


def test_changes_can_be_those_of_one_node(see):
    page = see()
    page.selectbox(key="nodes/changes-of").select("forest").run()
    assert set(page.dataframe[1].value["Node"]) == {"forest"}


def test_ordinary_settlements_can_be_left_out(see):
    page = see()
    page.toggle[0].set_value(True).run()
    assert list(page.dataframe[1].value["What"]) == ["⊘ jailed", "✚ account opened", "✚ account opened"]


def test_nothing_of_a_kind_is_said_and_not_an_empty_table(service, see):
    service.histories = {"forest": [entry(20, "settle", 1, 1001, WAGER, 6)]}
    page = see()
    page.toggle[0].set_value(True).run()
    assert "Nothing of that kind happened" in text(page)
    assert len(page.dataframe) == 1


def test_stakes_that_never_moved_are_said_to_be_so(service, see):
    service.histories = {}
    page = see()
    assert "Nothing has moved any stake" in text(page)
    assert len(page.dataframe) == 1


def test_looking_further_back_reads_the_blocks_before(service, see):
    service.height = 2500
    service.histories = {
        "forest": [entry(700, "deposit", 5, 105, "stake paid in"), entry(2400, "settle", 1, 106, WAGER)]
    }
    page = see()
    assert "block 1,501" in text(page)
    assert list(page.dataframe[1].value["Block"]) == [2400]
    press(page, "Look further back")
    assert ("forest", 2001) in service.history_queries
    assert ("forest", 1001) in service.history_queries
    assert list(page.dataframe[1].value["Block"]) == [2400, 700]
    assert "block 1." in text(page)
    assert page.button(key="nodes/again").label == "Look again"


def test_a_block_that_two_pages_have_is_told_once(service):
    service.height = 1500
    service.histories = {"forest": [entry(900, "deposit", 5, 105, "stake paid in")]}
    result = data.list_changes(service.url, "flower", ["forest"], 2)
    assert [change.entry.height for change in result] == [900]


def test_a_history_that_cannot_be_read_leaves_the_nodes(service, see):
    service.history_error = JournalUnavailable("The archive is away.")
    page = see()
    assert "The history cannot be read" in page.warning[0].value
    assert list(page.dataframe[0].value["Node"]) == ["forest", "knn"]


def test_a_task_without_nodes_says_so(service, see):
    service.views = []
    assert "This task has no nodes" in text(see())


def test_a_service_that_is_away_is_told():
    page = open_view("nodes", "http://127.0.0.1:9")
    assert "The consensus service is away" in page.error[0].value


def test_a_visitor_is_told_what_a_release_takes(service, see):
    service.views = [jailed(), node("forest")]
    page = see()
    assert "changing things is not" in text(page)
    assert "Release knn" not in labels(page)


def test_where_all_count_nobody_is_asked_for_a_token(see):
    assert "changing things is not" not in text(see())


def test_a_node_is_released_after_a_dialog_that_says_what_that_does(service, see):
    service.views = [jailed(), node("forest")]
    page = press(see(token=TOKEN), "Release knn")
    assert "**knn** counts again from the next block on" in text(page)
    assert service.released == []
    page = confirm(page, "Its data were mended.")
    assert service.released == [("/v1/nodes/flower/knn/release", {"reason": "Its data were mended."})]
    assert page.success[0].value == "**knn** counts again."
    assert "Release knn" not in labels(page)
    assert f"Bearer {TOKEN}" in service.shown


def test_a_release_without_a_reason_is_not_asked_for(service, see):
    service.views = [jailed(), node("forest")]
    page = confirm(press(see(token=TOKEN), "Release knn"), "  ")
    assert "Say why" in page.error[0].value
    assert service.released == []


def test_a_dialog_that_is_cancelled_changes_nothing(service, see):
    service.views = [jailed(), node("forest")]
    page = press(press(see(token=TOKEN), "Release knn"), "Cancel")
    assert service.released == []
    assert "Cancel" not in labels(page)


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (Forbidden("Token crm labels flower. This needs one that administers."), "a token that administers"),
        (Conflict("knn holds 9.50 stake, and counts from 10 on."), "look at how things are now"),
    ],
)
def test_a_refusal_is_told_in_the_services_words_and_the_dialog_stays(service, see, error, hint):
    service.views, service.answer_release = [jailed(), node("forest")], error
    page = confirm(press(see(token=TOKEN), "Release knn"))
    assert f"**This was refused.** {error.message}" in page.error[0].value
    assert hint in text(page)
    assert "Cancel" in labels(page)


def test_the_page_speaks_french(service, see):
    service.views = [jailed(), node("forest")]
    page = see(lang="fr")
    content = text(page)
    assert "6 tours étiquetés réglés" in content
    assert "regret moyen de 0,234" in content


# What the picture is drawn of.


def test_a_line_begins_with_what_was_held_before_the_first_change_and_ends_with_what_is_held():
    changes = [
        AccountChange("forest", entry(20, "settle", 5, 1005, WAGER)),
        AccountChange("knn", entry(25, "settle", -5, 995, WAGER)),
    ]
    turns = [
        (element["node"], element["stake"], element["is_end"])
        for element in stake_history.list_points(
            [node("forest"), node("knn"), node("tree", stake=70.0)], changes
        )
    ]
    assert turns == [
        ("forest", 1000, False), ("forest", 1005, False), ("forest", 1005, True),
        ("knn", 1000, False), ("knn", 995, False), ("knn", 995, True),
        ("tree", 70.0, False), ("tree", 70.0, True),
    ]  # fmt: skip


def test_a_long_line_is_thinned_and_keeps_its_end():
    changes = [
        AccountChange("forest", entry(height, "settle", 1, height, WAGER)) for height in range(1, 3001)
    ]
    turns = stake_history.list_points([node("forest")], changes)
    assert len(turns) <= stake_over_time.MOST_POINTS + 3
    assert turns[-1]["stake"] == 3000


def test_the_picture_is_told_as_text():
    changes = [AccountChange("forest", entry(20, "settle", 5.5, 1005.5, WAGER))]
    assert (
        stake_history.describe_stakes([node("forest")], changes)
        == "Stake over time. forest from 1,000.00 to 1,005.50."
    )


# What the service says of an account, in another language.


def service_sentences():
    from dataclasses import replace

    from concord.ledger import events
    from concord.ledger.events import Decision, NodeSums
    from concord.policies.stake import Account

    yield from (
        "account opened",
        "stake paid in",
        "stake withdrawn",
        "stake paid in, by ann: a share",
        "stake withdrawn, by ann: twice",
        "counts again, by ann: mended",
    )
    for policy in ("seed", "wager"):
        for rounds in (1, 120):
            for delta, levelling in ((-5_000_000, 0), (0, 1_500_000), (1_234_000_000, 20)):
                body = {"policy": policy}
                yield history.explain_settlement(body, NodeSums(rounds, delta, levelling, 0, 0, 1))
    for action in ("challenge", "promote", "rollback", "dismiss"):
        decision = Decision(action, "9", "packaged", "crm", "no better: after a month")
        yield history.explain_standing_change(events.appoint("flower", "knn", decision, 1, 1).body)
    yield history.explain_standing_change(events.promote("flower", "knn", "9", 1).body)
    for by in ("rule", "operator"):
        for why in ("20 labelled rounds on probation", "fewer than two nodes count"):
            yield history.explain_standing_change(
                events.release("flower", "knn", to="active", by=by, why=why, key="k").body
            )
    for reason, measured in (("regret", 6_500_000), ("invalid", 3), ("stake", 9_500_000)):
        yield history.explain_standing_change(events.jail("flower", "knn", reason, measured, 1).body)
    account = Account(1, 1, 1)
    for changes in (
        {"standing": "probation", "watched": 3},
        {"standing": "jailed", "reason": "invalid"},
        {"standing": "jailed", "reason": "stake"},
        {"standing": "jailed", "reason": "regret"},
        {"standing": "jailed", "reason": "regret", "watched": 12, "watched_regret": 3_000_000},
    ):
        yield history.explain_standing(replace(account, **changes))


@pytest.mark.parametrize("sentence", sorted(set(service_sentences())))
def test_what_the_service_says_of_a_node_is_known_here(sentence, monkeypatch):
    assert reasons.translate_reason(sentence) == sentence
    monkeypatch.setattr("frontend.text.language.current", lambda: "fr")
    assert reasons.translate_reason(sentence) != sentence


def test_why_the_rules_let_a_node_count_is_said_in_french_too(monkeypatch):
    monkeypatch.setattr("frontend.text.language.current", lambda: "fr")
    assert "étape" not in reasons.translate_reason("its stake is back at 1,012.50")
    assert "1\u202f012,50" in reasons.translate_reason("its stake is back at 1,012.50")
    assert "0,080" in reasons.translate_reason("a mean regret of 0.080 over 50 labelled rounds as a shadow")


def test_a_sentence_of_another_form_stands_as_it_is(monkeypatch):
    monkeypatch.setattr("frontend.text.language.current", lambda: "fr")
    assert reasons.translate_reason("mended by hand") == "mended by hand"


@pytest.mark.parametrize(
    ("event", "change", "reason", "word"),
    [
        ("settle", -1, "1 round settled under seed: dissented from the consensus", "▼ slashed"),
        ("settle", -1, WAGER, "▼ lost"),
        ("settle", 0, WAGER, "= settled, stake unchanged"),
        ("deposit", 5, "stake paid in", "▲ topped up"),
        ("release", 0, "counts again, by rule: x", "✔ released"),
        ("something new", 0, None, "• changed"),
    ],
)
def test_what_happened_has_a_sign_and_a_word(event, change, reason, word):
    assert standings.event_badge(entry(1, event, change, 1, reason)).text == word
