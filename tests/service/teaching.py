"""One who asks a running service and tells it later what was true, and what the ledger made of it."""

from dataclasses import dataclass
from pathlib import Path

import httpx

from concord.http.tokens import Token, hash_of, make, render


def give_token(home, *, administers=False):
    """Makes the only token of a home, which labels every task; returns it."""
    token = make()
    entry = Token("teacher", hash_of(token), frozenset({"*"}), administers=administers)
    (Path(home) / "tokens.toml").write_text(render([entry]))
    return token


@dataclass
class Teacher:
    """Asks rows of a task and labels them.

    Args:
        http: A connection to the service.
        token: What may label.
        task: The task.
        field: The field of a label: `label`, or `value` for a regression.
    """

    http: httpx.Client
    token: str
    task: str = "iris"
    field: str = "label"

    def ask(self, *rows):
        """The verdicts on some rows, recorded with what the shadows said."""
        url = f"/v1/tasks/{self.task}/predict?recorded=true"
        return self._of(self.http.post(url, json={"rows": rows}))["verdicts"]

    def tell(self, verdicts, truths, *, settled=True):
        """Labels what was asked, waits for the blocks, and returns their heights."""
        labels = [
            {"id": verdict["id"], self.field: truth} for verdict, truth in zip(verdicts, truths, strict=True)
        ]
        answer = self.send(labels, settled=settled)
        assert {result["status"] for result in answer["labels"]} == {"accepted"}
        for _ in range(10):
            # A busy machine may take longer for a block than the service waits with its answer.
            if not settled or {result["settlement"] for result in answer["labels"]} == {"settled"}:
                break
            answer = self.send(labels, settled=True)
        else:
            raise AssertionError("No block has come.")
        return sorted({result["block"] for result in answer["labels"] if result["block"]})

    def send(self, labels, *, settled=False):
        """Sends labels as they are."""
        headers = {"authorization": f"Bearer {self.token}"}
        query = "?settled=true" if settled else ""
        return self._of(self.http.post(f"/v1/feedback{query}", json={"labels": labels}, headers=headers))

    def state(self):
        """The task's state as the service shows it, amounts in µS."""
        return self._of(self.http.get("/v1/ledger"))["tasks"][self.task]

    def account(self, node):
        """A node's account, in µS; what is as in the beginning is left out."""
        return self.state()["accounts"][node]

    def standing(self, node):
        """Whether a node counts."""
        return self.account(node).get("standing", "active")

    def settlement(self, height):
        """The only settlement of a block."""
        events = self._of(self.http.get(f"/v1/ledger/blocks/{height}"))["events"]
        (settlement,) = (event for event in events.values() if event["kind"] == "settle")
        return settlement

    @staticmethod
    def _of(response):
        assert response.status_code == 200, response.text
        return response.json()
