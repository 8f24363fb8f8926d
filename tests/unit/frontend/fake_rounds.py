"""Rounds and labels for the fake consensus service: what it was asked, explained, and labelled once."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from concord.types.answers import Verdict
from concord.types.explanation import Explanation, Proof, Settled, StatedLabel, Truth, VoteExplanation
from concord.types.rounds import LabelResult, Round
from tests.unit.frontend.fake_service import FakeService, verdict

TIME = "2026-11-21T17:03:13.000+00:00"
ID = "0123456789abcdef0123456789abcdef"


def stated_label(label="rose", source="crm", value=None):
    return StatedLabel(label, value, source, TIME)


def explain_vote(vote, delta, right):
    return VoteExplanation(
        vote.node,
        vote.outcome,
        vote.version,
        counted=vote.outcome == "voted",
        weight=vote.weight,
        why="It held 1,000.00 of the 3,000.00 stake that voted (33.3%).",
        label=vote.label,
        probabilities=vote.probabilities,
        value=vote.value,
        stake=1000.0,
        right=right,
        delta=delta,
    )


def explanation(made, truth=None, disputes=(), deltas=None, **changes):
    """As the service explains: settled where stake has moved, else as the label is there or not."""
    right = {vote.node: vote.label == truth.label if truth else None for vote in made.votes}
    settled = deltas is not None
    waits = "never" if made.status == "no_quorum" else "due" if truth else "awaits_label"
    result = Explanation(
        "settled" if settled else waits,
        "It was settled in block 13." if settled else "It waits.",
        "A weight is a share of the stake; the weighted median of the votes answers.",
        [explain_vote(vote, (deltas or {}).get(vote.node), right[vote.node]) for vote in made.votes],
        truth and Truth(truth, list(disputes)),
        Settled(13, TIME, "settle/b", 2, {"knn": -0.5}, "A round of this block moved at most 10%.")
        if settled
        else None,
        Proof('{"id":"x"}', [("left", "ab" * 32)], "cd" * 32, "settle/b", 13, "ef" * 32) if settled else None,
    )
    return replace(result, **changes)


def round_(made=None, truth=None, deltas=None, disputes=(), **changes):
    made = made or verdict()
    block = 13 if deltas is not None else None
    if block:
        made = replace(made, settlement="settled", block=block)
    features = {"petal_length": 1.4, "petals": 5, "place": "shade"}
    result = Round(
        made.id,
        made.task,
        TIME,
        "page-1",
        made,
        features,
        block=block,
        deltas=deltas,
        explanation=explanation(made, truth, disputes, deltas),
        truth=truth,
    )
    return replace(result, **changes)


MOVED = {"forest": 4.2, "knn": 3.1, "tree": -7.3}


@dataclass
class FakeRounds(FakeService):
    """A fake service with rounds.

    Attributes:
        rounds: By id; an empty one is answered as unknown.
        queries: The queries of the lists that were asked for.
        pages: Cursor → ids of the page; without one all rounds are the only page.
        labels: What was said of rounds, as it was sent.
        moves: What a label does to stake; None: its block does not come.
        refuses: Status, code and message with which a label is refused; a status of 0: of that label alone.
        guarded: Rounds are shown to those who show a token.
        journal_is_away: Nothing is read of rounds.
    """

    rounds: dict[str, Round] = field(default_factory=dict)
    queries: list[dict[str, str]] = field(default_factory=list)
    pages: dict[str | None, list[str]] = field(default_factory=dict)
    labels: list[dict[str, Any]] = field(default_factory=list)
    moves: dict[str, float] | None = field(default_factory=lambda: dict(MOVED))
    refuses: tuple[int, str, str] | None = None
    guarded: bool = False
    journal_is_away: bool = False

    def get(self, path: str) -> tuple[int, Any]:
        address = urlsplit(path)
        parts = address.path.strip("/").split("/")
        if parts[:2] != ["v1", "rounds"]:
            return super().get(path)
        if (refused := self._refused()) is not None:
            return refused
        if parts == ["v1", "rounds"]:
            return 200, self._list({name: value[0] for name, value in parse_qs(address.query).items()})
        result = self.rounds.get(parts[2])
        if result is None:
            return refusal(404, "unknown_round", f"There is no round {parts[2]!r}.")
        return 200, asdict(result)

    def post(self, path: str, body: Any, request_id: str) -> tuple[int, Any]:
        if not path.startswith("/v1/feedback"):
            status, answer = super().post(path, body, request_id)
            for base in answer.get("verdicts", []) if status == 200 else []:
                self.rounds.setdefault(base["id"], round_(_as_verdict(self, body, path)))
            return status, answer
        assert path == "/v1/feedback?settled=true"
        [label] = body["labels"]
        self.labels.append(label)
        if self.refuses is not None:
            status, code, message = self.refuses
            found = refusal(status, code, message)[1]
            if code in ("unauthorized", "forbidden", "tokens_off", "journal_unavailable"):
                return status, found
            outcome = {409: "conflict", 410: "expired", 404: "unknown"}.get(status, "invalid")
            result = LabelResult(label["id"], outcome, "none", None, found["error"])
            return status, {**found, "request_id": "r", "labels": [asdict(result)]}
        return 200, {"request_id": "r", "labels": [asdict(self._label(label))]}

    def _label(self, label: dict[str, Any]) -> LabelResult:
        old = self.rounds[label["id"]]
        truth = stated_label(label.get("label"), "page", label.get("value"))
        status = "known" if old.truth == truth else "accepted"
        base = old.verdict
        deltas = None if base.status == "no_quorum" else self.moves
        self.rounds[label["id"]] = round_(base, truth, deltas)
        if base.status == "no_quorum":
            return LabelResult(label["id"], status, "none", None, None)
        return LabelResult(label["id"], status, "settled" if deltas else "due", 13 if deltas else None, None)

    def _refused(self) -> tuple[int, Any] | None:
        """Why rounds are not shown to who has asked last."""
        if self.guarded and not self.shown[-1]:
            return refusal(401, "unauthorized", "This needs a token.")
        if self.guarded and self.shown[-1] == "Bearer labels-only":
            return refusal(403, "forbidden", "Token x labels flower. Rounds need one that reads.")
        if self.journal_is_away:
            return refusal(503, "journal_unavailable", "The journal is away.")
        return None

    def _list(self, query: dict[str, str]) -> dict[str, Any]:
        self.queries.append(query)
        ids = self.pages.get(query.get("after"), list(self.rounds))
        result = [replace(self.rounds[round_], explanation=None) for round_ in ids]
        return {"rounds": [asdict(round_) for round_ in result], "after": self._after(query.get("after"))}

    def _after(self, cursor: str | None) -> str | None:
        known = list(self.pages)
        place = known.index(cursor) + 1 if cursor in known else len(known)
        return known[place] if place < len(known) else None


def refusal(status: int, code: str, message: str) -> tuple[int, Any]:
    return status, {"error": {"code": code, "message": message, "field": None}}


def _as_verdict(fake: FakeService, body: Any, path: str) -> Verdict:
    base = fake.answer(path.split("/")[3], body["rows"][0])
    assert isinstance(base, Verdict)
    return base
