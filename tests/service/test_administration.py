"""What operators do to nodes: events of the ledger that happen once, with a reason that stays."""

import json

import pytest
from click.testing import CliRunner

from concord.cli import main
from concord.client import Client
from concord.errors import Refused
from concord.http.tokens import Token, hash_of, render
from concord.ledger import events
from tests.service.labelling import Caller, ask, write_tokens


class Operator:
    """One who administers."""

    def __init__(self, stack, name="operator"):
        self.stack, self.headers = stack, Caller(stack, name).headers

    def do(self, action, body, *, task="iris", node="knn", key=None):
        headers = self.headers | ({"idempotency-key": key} if key else {})
        return self.stack.http.post(f"/v1/nodes/{task}/{node}/{action}", json=body, headers=headers)


@pytest.fixture(scope="module")
def stack(module_stack):
    write_tokens(module_stack.home, "crm", "operator")
    return module_stack


@pytest.fixture
def operator(stack):
    return Operator(stack)


def error(response):
    return response.status_code, response.json()["error"]["code"]


def test_a_deposit_is_paid_in_to_the_micro(stack, operator):
    before = stack.accounts()["knn"]
    response = operator.do("deposit", {"amount": 12.000001, "reason": "why"})
    after = response.json()
    assert response.status_code == 200
    assert (after["task"], after["node"], after["standing"]) == ("iris", "knn", "active")
    assert after["stake"] == pytest.approx(before + 12.000001, abs=1e-9)
    assert stack.client.block(after["height"])["events"]
    assert stack.accounts()["knn"] == after["stake"]


@pytest.mark.parametrize("action", ["deposit", "withdraw"])
def test_a_payment_stands_in_the_ledger_with_its_tokens_name_and_its_reason(stack, operator, action):
    after = operator.do(action, {"amount": 1, "reason": " its share "}, node="random_forest").json()
    (body,) = stack.client.block(after["height"])["events"].values()
    assert (body["by"], body["why"]) == ("operator", "its share")
    entry = stack.client.history("iris", "random_forest").entries[-1]
    assert entry.reason.endswith(", by operator: its share")


@pytest.mark.parametrize("reason", [None, "", "two\nlines", "paid \u202e001", "zero\u200bwidth"])
def test_a_payment_without_a_visible_reason_is_refused(operator, reason):
    response = operator.do("deposit", {"amount": 1, "reason": reason})
    assert error(response) == (422, "invalid_input")
    assert response.json()["error"]["field"] == "reason"


def test_a_token_that_is_called_as_the_rule_does_not_pass_for_it(start_stack):
    import asyncio

    stack = start_stack()
    (stack.home / "tokens.toml").write_text(render([Token("rule", hash_of("secret-rule"), administers=True)]))
    asyncio.run(_append(stack.api.service.settler, events.jail("iris", "knn", "regret", 6_000_001, 0)))
    released = Operator(stack, "rule").do("release", {"reason": "mended"}).json()
    (body,) = stack.client.block(released["height"])["events"].values()
    assert body["by"] == "operator"


def test_a_withdrawal_is_taken_out(stack, operator):
    before = stack.accounts()["random_forest"]
    after = operator.do("withdraw", {"amount": 100, "reason": "why"}, node="random_forest").json()
    assert (after["stake"], after["deposit"]) == (before - 100, 900)


@pytest.mark.parametrize("where", ["header", "body"])
def test_the_same_key_happens_once(stack, operator, where):
    def pay(amount):
        if where == "header":
            return operator.do("deposit", {"amount": amount, "reason": "why"}, key="pay-1")
        return operator.do("deposit", {"amount": amount, "key": "pay-2", "reason": "why"})

    first, second = pay(5), pay(5)
    assert first.json() == second.json()
    assert error(pay(6)) == (409, "conflict")
    assert stack.accounts()["knn"] == first.json()["stake"]


def test_without_a_key_each_payment_is_one_of_its_own(operator):
    first, second = (operator.do("deposit", {"amount": 1, "reason": "why"}).json() for _ in range(2))
    assert second["stake"] == pytest.approx(first["stake"] + 1, abs=1e-9)


def test_more_than_is_held_is_a_conflict_and_moves_nothing(stack, operator):
    before = stack.accounts()
    response = operator.do("withdraw", {"amount": 10**6, "reason": "why"})
    assert error(response) == (409, "conflict")
    assert stack.accounts() == before


@pytest.mark.parametrize("amount", [0, -1, 0.0000001, 1.0000001, 1e10, "5", True, None, [1]])
def test_an_invalid_amount_is_refused(operator, amount):
    response = operator.do("deposit", {"amount": amount, "reason": "why"})
    assert error(response) == (422, "invalid_input")
    assert response.json()["error"]["field"] == "amount"


@pytest.mark.parametrize(
    "body", [{}, [], {"amount": 1, "stake": 2, "reason": "why"}, {"amount": 1, "key": "a b", "reason": "why"}]
)
def test_a_body_with_other_fields_is_refused(operator, body):
    assert operator.do("deposit", body).status_code == 422


def test_an_amount_that_is_given_twice_is_refused_and_pays_nothing(stack, operator):
    before = stack.accounts()
    headers = operator.headers | {"content-type": "application/json"}
    content = b'{"amount": 1, "\\u0061mount": 2}'
    response = stack.http.post("/v1/nodes/iris/knn/deposit", content=content, headers=headers)
    assert (response.status_code, response.json()["error"]["field"]) == (422, "amount")
    assert stack.accounts() == before


def test_two_keys_that_differ_are_refused(operator):
    response = operator.do("deposit", {"amount": 1, "key": "one", "reason": "why"}, key="two")
    assert (response.status_code, response.json()["error"]["field"]) == (409, "key")


@pytest.mark.parametrize("action", ["deposit", "withdraw", "release"])
@pytest.mark.parametrize(
    ("place", "code"), [({"task": "roses"}, "unknown_task"), ({"node": "rose"}, "unknown_node")]
)
def test_a_node_that_is_not_there_is_a_404(operator, action, place, code):
    body = {"reason": "why"} if action == "release" else {"amount": 1, "reason": "why"}
    assert error(operator.do(action, body, **place)) == (404, code)


@pytest.mark.parametrize("action", ["deposit", "withdraw", "release"])
def test_only_a_token_that_administers_may(stack, action):
    crm = Operator(stack, "crm").do(action, {})
    assert error(crm) == (403, "forbidden")
    assert "Token crm labels iris, loan_amount." in crm.json()["error"]["message"]
    assert error(Operator(stack, None).do(action, {})) == (401, "unauthorized")


def test_only_a_token_that_administers_may_audit(stack, operator):
    def audit(headers):
        return stack.http.get("/v1/ledger/audit", headers=headers)

    assert error(audit({})) == (401, "unauthorized")
    assert error(audit(Caller(stack, "crm").headers)) == (403, "forbidden")
    assert audit(operator.headers).json()["ok"] is True


@pytest.mark.parametrize("reason", ["", "  ", "x" * 201, "two\nlines", None, 5])
def test_a_release_needs_a_reason_in_a_line(operator, reason):
    response = operator.do("release", {"reason": reason})
    assert error(response) == (422, "invalid_input")
    assert response.json()["error"]["field"] == "reason"


def test_a_node_that_counts_is_not_released(operator):
    response = operator.do("release", {"reason": "by mistake"})
    assert error(response) == (409, "conflict")
    assert "neither jailed nor in probation" in response.json()["error"]["message"]


def test_a_jailed_node_is_released_once_and_counts_again(start_stack):
    import asyncio

    stack = start_stack()
    write_tokens(stack.home, "operator")
    settler = stack.api.service.settler
    asyncio.run(_append(settler, events.jail("iris", "knn", "regret", 6_000_001, 0)))
    operator = Operator(stack)
    first, second = (operator.do("release", {"reason": "mended"}, key="r1") for _ in range(2))
    assert (first.status_code, first.json()["standing"]) == (200, "active")
    assert second.json()["height"] == first.json()["height"]
    (body,) = stack.client.block(first.json()["height"])["events"].values()
    assert (body["by"], body["why"], body["to"]) == ("operator", "mended", "active")


async def _append(settler, event):
    await settler.append([event])


def test_the_client_administers(stack):
    with Client(stack.url, token="secret-operator") as client:
        paid = client.deposit("iris", "decision_tree", 7, "why", key="c1")
        assert client.deposit("iris", "decision_tree", 7, "why", key="c1") == paid
        assert client.withdraw("iris", "decision_tree", 7, "why").stake == paid.stake - 7
        with pytest.raises(Refused) as caught:
            client.release("iris", "decision_tree", "it counts")
    assert caught.value.answered == 409


@pytest.fixture
def command(stack, monkeypatch):
    """Runs a command line against the stack with a token."""

    def run(*arguments, token="secret-operator"):
        monkeypatch.setenv("CONCORD_URL", stack.url)
        monkeypatch.setenv("CONCORD_TOKEN", token)
        return CliRunner().invoke(main, list(arguments), prog_name="concord")

    return run


def test_stake_is_paid_in_and_out_by_the_command_line(command):
    paid = json.loads(command("stake", "deposit", "iris", "knn", "2.5", "--reason", "why", "--json").stdout)
    shown = command("stake", "withdraw", "iris", "knn", "2.5", "--reason", "why")
    assert shown.exit_code == 0
    assert f"in block {paid['height'] + 1}" in shown.stdout
    assert "2.5 taken out of iris.knn" in shown.stdout


def test_the_command_line_releases_with_a_reason(command):
    result = command("release", "iris", "knn", "--reason", "by mistake")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "neither jailed nor in probation" in result.stderr


@pytest.mark.parametrize("amount", ["ten", "1,5", ""])
def test_an_amount_that_is_no_number_is_not_even_sent(command, amount):
    result = command("stake", "deposit", "iris", "knn", amount, "--reason", "why")
    assert (result.exit_code, "no number of stake" in result.stderr) == (2, True)


def test_without_an_answer_the_command_prints_the_key_to_repeat_with(command, monkeypatch):
    monkeypatch.setattr("concord.cli.operations.secrets.token_hex", lambda _n: "k" * 16)
    monkeypatch.setattr("concord.cli.home.service_url", lambda _of: "http://127.0.0.1:1")
    result = command("stake", "deposit", "iris", "knn", "1", "--reason", "why")
    assert result.exit_code == 1
    assert f"--key {'k' * 16}" in result.stderr


def test_a_file_of_labels_is_sent_by_the_command_line(stack, command, tmp_path):
    round_id, other_id = ask(stack, 2)
    file = tmp_path / "labels.csv"
    file.write_text(f"id,label\n{round_id},virginica\n{other_id},0\n{'0' * 32},setosa\n")
    result = command("feedback", str(file), "--json", token="secret-crm")
    shown = json.loads(result.stdout)
    assert (result.exit_code, shown["status"]) == (1, {"accepted": 2, "unknown": 1})
    assert [failure["line"] for failure in shown["failures"]] == [4]
    journal = stack.api.service.journal
    assert [journal.round(id_).label for id_ in (round_id, other_id)] == [2, 0]


def test_the_command_line_says_which_right_its_token_lacks(stack, command):
    (round_id,) = ask(stack)
    result = command("feedback", round_id, "virginica")
    assert result.exit_code == 2
    assert "Token operator administers." in result.stderr
