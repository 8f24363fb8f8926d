"""A caller that asks a running service and labels its rounds, and what the ledger made of them."""

import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from concord.http.tokens import Token, hash_of, make, render


def give_token(home, *, administers=False):
    """Makes the only token of a home, which labels every task; returns it."""
    token = make()
    teacher = Token("teacher", hash_of(token), frozenset({"*"}), administers=administers)
    (Path(home) / "tokens.toml").write_text(render([teacher]))
    return token


@dataclass
class Teacher:
    """Asks rows of a task and labels them.

    Args:
        http: A connection to the service.
        token: What may label.
        task: The task.
        key: How a label is called: `label`, or `value` for a regression.
    """

    http: httpx.Client
    token: str
    task: str = "iris"
    key: str = "label"

    def ask(self, *rows):
        """The verdicts on some rows, recorded with the shadows' answers."""
        url = f"/v1/tasks/{self.task}/predict?recorded=true"
        return self._body(self.http.post(url, json={"rows": rows}))["verdicts"]

    def label(self, verdicts, truths, *, settled=True):
        """Labels what was asked, waits for the blocks, and returns their heights."""
        labels = [
            {"id": verdict["id"], self.key: truth} for verdict, truth in zip(verdicts, truths, strict=True)
        ]
        results = self.send(labels, settled=settled)["labels"]
        assert {result["status"] for result in results} == {"accepted"}
        for _ in range(10):
            # A busy machine may take longer for a block than the service waits with its answer.
            if not settled or {result["settlement"] for result in results} == {"settled"}:
                break
            results = self.send(labels, settled=True)["labels"]
        else:
            raise AssertionError("No block has come.")
        return sorted({result["block"] for result in results if result["block"]})

    def send(self, labels, *, settled=False, tries=1):
        """Sends labels as they are; again after a 503, where a busy machine's database did not serve."""
        headers = {"authorization": f"Bearer {self.token}"}
        query = "?settled=true" if settled else ""
        for left in range(tries, 0, -1):
            answer = self.http.post(f"/v1/feedback{query}", json={"labels": labels}, headers=headers)
            if answer.status_code != 503 or left == 1:
                break
            time.sleep(1)
        return self._body(answer)

    def state(self):
        """The task's state as the service shows it, amounts in µS."""
        return self._body(self.http.get("/v1/ledger"))["tasks"][self.task]

    def account(self, node):
        """A node's account, in µS; what is as in the beginning is left out."""
        return self.state()["accounts"][node]

    def standing(self, node):
        """Whether a node counts."""
        return self.account(node).get("standing", "active")

    def settlement(self, height):
        """The only settlement of a block."""
        events = self._body(self.http.get(f"/v1/ledger/blocks/{height}"))["events"]
        (settlement,) = (event for event in events.values() if event["kind"] == "settle")
        return settlement

    @staticmethod
    def _body(response):
        assert response.status_code == 200, response.text
        return response.json()
