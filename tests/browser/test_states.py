"""What the pages say when something is away, in Chromium; needs what `test_page` needs."""

from dataclasses import dataclass, field

import pytest

from concord.errors import InvalidInput, JournalUnavailable, Overloaded
from tests.browser.people import (
    EVERYWHERE,
    SOUND,
    ask,
    choose,
    needs_chromium,
    picture,
    settle,
    sound,
    sound_at_every_width,
    use_token,
)
from tests.browser.world import PAGES
from tests.pages import NOWHERE, page_at
from tests.ports import free_port
from tests.unit.frontend.fake_models import FakeModels
from tests.unit.frontend.fake_rounds import FakeRounds

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def without_service(tmp_path_factory):
    """A page whose service is away."""
    port = free_port()
    with page_at(port, tmp_path_factory.mktemp("streamlit") / "log", CONCORD_URL=NOWHERE):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def alone(filled_world, tmp_path_factory):
    """A page whose service is there, while MLflow and Prometheus are away."""
    port = free_port()
    away = {"MLFLOW_TRACKING_URI": NOWHERE, "CONCORD_PROMETHEUS": NOWHERE}
    with page_at(port, tmp_path_factory.mktemp("streamlit") / "log", CONCORD_URL=filled_world.url, **away):
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("width", [375, 1440])
@pytest.mark.parametrize("name", PAGES)
def test_every_page_says_that_the_service_is_away(without_service, look, tmp_path, name, width):
    page = look(f"{without_service}/{'' if name == 'predict' else name}", width=width)
    page.get_by_text("The consensus service is away.").wait_for(timeout=60_000)
    settle(page)
    picture(page, tmp_path / f"away-{name}-{width}.png")
    assert sound(page) == SOUND


@pytest.mark.parametrize(
    ("name", "sign"),
    [("models", "MLflow is away."), ("live", "Without Prometheus for now.")],
)
def test_what_else_is_away_is_said_beside_what_there_is(alone, look, tmp_path, name, sign):
    page = look(f"{alone}/{name}?task=iris", width=375)
    page.get_by_text(sign).wait_for(timeout=60_000)
    assert sound_at_every_width(page, tmp_path, f"alone-{name}") == EVERYWHERE


@dataclass
class Faulty(FakeModels, FakeRounds):
    """Answers with whatever a test calls wrong.

    Attributes:
        broken: Paths at which something else answers.
    """

    broken: set[str] = field(default_factory=set)

    def get(self, path):
        return (502, {}) if path in self.broken else super().get(path)


@pytest.fixture(scope="module")
def faulty():
    service = Faulty().start()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def faulty_url(faulty, tmp_path_factory):
    port = free_port()
    with page_at(port, tmp_path_factory.mktemp("streamlit") / "log", CONCORD_URL=faulty.url):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def visit(faulty, faulty_url, look):
    """Opens a page of a service that is like this."""

    def visit(path="", **changes):
        faulty.__init__(**changes)
        return look(f"{faulty_url}/{path}", width=375)

    return visit


@pytest.mark.parametrize(
    ("path", "changes", "sign"),
    [
        ("", {"not_ready": {"flower"}}, "Flower is not ready."),
        ("rounds?round=" + "f" * 32, {}, "There is no round ffff"),
        ("rounds", {"guarded": True}, "to those alone who may read them."),
        ("rounds", {"journal_is_away": True}, "The database of rounds is away."),
    ],
    ids=["not-ready", "unknown-round", "guarded", "journal-away"],
)
def test_what_the_service_will_not_or_cannot_do_is_said(visit, tmp_path, path, changes, sign):
    page = visit(path, **changes)
    page.get_by_text(sign).first.wait_for(timeout=60_000)
    assert sound_at_every_width(page, tmp_path, "faulty") == EVERYWHERE


@pytest.mark.parametrize(
    ("refusal", "sign"),
    [
        (Overloaded("20000 rows wait already.", retry_after=1), "Too many questions wait at the moment."),
        (InvalidInput("petals must be at most 9.", field="rows[0].petals"), "does not accept this."),
        (JournalUnavailable("The journal cannot be written."), "The service gave no answer."),
    ],
    ids=["overloaded", "invalid", "journal-away"],
)
def test_a_question_that_is_refused_keeps_its_entries(visit, tmp_path, refusal, sign):
    page = visit(answer=lambda *_: refusal)
    ask(page)
    page.get_by_text(sign).first.wait_for()
    assert page.get_by_role("spinbutton", name="Petals").input_value() == "5"
    assert sound_at_every_width(page, tmp_path, "refused") == EVERYWHERE


def test_a_question_that_is_answered_again_is_found_without_a_press(visit, faulty):
    page = visit("models?task=flower", broken={"/v1/models"})
    page.get_by_text("The consensus service is away.").wait_for(timeout=60_000)
    faulty.broken.clear()
    page.get_by_text("Versions of flower.forest").wait_for(timeout=60_000)


def test_a_decision_is_asked_for_in_a_dialog(visit, tmp_path):
    page = visit("models?task=flower")
    use_token(page, "administers")
    page.get_by_role("button", name="Promote version 3").click()
    page.get_by_role("dialog").get_by_text("This is what will happen:").wait_for()
    assert sound_at_every_width(page, tmp_path, "dialog") == EVERYWHERE


def test_nodes_that_hang_are_no_consensus_and_the_entries_are_kept(filled_world, look, tmp_path):
    page = look(filled_world.at("predict", task="penguin"), width=375)
    with filled_world.suspended("penguin"):
        ask(page)
        page.get_by_text("No consensus.").wait_for(timeout=60_000)
        page.get_by_text("Your entries are kept").first.wait_for()
        assert sound_at_every_width(page, tmp_path, "no-quorum") == EVERYWHERE
    page.get_by_role("button", name="Ask the").click()
    page.get_by_text("This is a gentoo penguin.").first.wait_for(timeout=60_000)


def test_a_token_that_nobody_made_is_refused_in_words(filled_world, look, tmp_path):
    page = look(filled_world.at("predict", task="iris"))
    ask(page)
    use_token(page, "nobody-made-this-one")
    choose(page, "The truth was", "setosa")
    page.get_by_role("button", name="This was true").click()
    page.get_by_role("button", name="Record it").click()
    page.get_by_text("does not know this token").first.wait_for(timeout=60_000)
    settle(page)
    picture(page, tmp_path / "token-refused-1440.png")
    assert sound(page) == SOUND
