"""Tokens of a stack, and callers who label its rounds with them."""

from concord.http.tokens import Token, hash_of, render
from tests.service.stack import IRIS

RIGHTS = {
    "crm": {"labels": frozenset({"iris", "loan_amount"})},
    "films": {"labels": frozenset({"film_rating"})},
    "all": {"labels": frozenset({"*"})},
    "reader": {"reads": True},
    "operator": {"administers": True},
}


def write_tokens(home, *names):
    """Writes a tokens' file; the token of `crm` is `secret-crm`."""
    tokens = [Token(name, hash_of(f"secret-{name}"), **RIGHTS[name]) for name in names]
    (home / "tokens.toml").write_text(render(tokens))


class Caller:
    """One who sends labels with a token."""

    def __init__(self, stack, name="crm"):
        self.stack = stack
        self.headers = {"authorization": f"Bearer secret-{name}"} if name else {}

    def send(self, *labels, query="", **body):
        document = body or {"labels": list(labels)}
        return self.stack.http.post(f"/v1/feedback{query}", json=document, headers=self.headers)


def ask(stack, count=1, task="iris", row=None):
    """Answers some rows, and waits until their rounds are in the journal; returns their ids."""
    body = {"rows": [row or IRIS.example] * count}
    answer = stack.http.post(f"/v1/tasks/{task}/predict?recorded=true", json=body)
    return [verdict["id"] for verdict in answer.json()["verdicts"]]


def statuses(response):
    return [result["status"] for result in response.json()["labels"]]


def label(round_id, label="virginica"):
    return {"id": round_id, "label": label}
