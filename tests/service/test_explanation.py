"""Explanations and proofs of real rounds: asked, labelled, settled, explained, and proved from an export."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from click.testing import CliRunner

from concord.cli import main
from concord.ledger import FileStore, Ledger, events
from tests.service.labelling import Caller, ask, label, write_tokens
from tests.service.stack import AMOUNT, Node, StandInModel, iris_nodes, wait_until


@pytest.fixture
def stack(start_stack):
    """The workshop's four nodes under `wager`, whose rounds can be labelled and disputed."""
    stack = start_stack()
    write_tokens(stack.home, "crm", "all")
    return stack


def explained(stack, one):
    return stack.http.get(f"/v1/rounds/{one}").json()["explanation"]


def settle(stack, *ids, name="virginica"):
    assert Caller(stack).send(*[label(one, name) for one in ids], query="?settled=true").status_code == 200


def run(stack, *arguments, columns="80", stdin=None):
    env = {"CONCORD_HOME": str(stack.home), "CONCORD_URL": stack.url, "COLUMNS": columns}
    return CliRunner(env=env).invoke(main, list(arguments), prog_name="concord", input=stdin)


@pytest.fixture
def settled(stack, tmp_path):
    """A stack with a settled round, its proof in a file, and the ledger's export in another."""
    stack.one, *stack.others = ask(stack, 5)
    settle(stack, stack.one, *stack.others)
    stack.proof, stack.export = tmp_path / "proof.json", tmp_path / "blocks.jsonl"
    assert run(stack, "explain", stack.one, "--proof", str(stack.proof)).exit_code == 0
    assert run(stack, "ledger", "export", "--out", str(stack.export)).exit_code == 0
    return stack


def prove(stack, *more, stdin=None, export=None):
    return run(stack, "ledger", "prove", str(export or stack.export), str(stack.proof), *more, stdin=stdin)


# Over HTTP


def test_a_round_tells_on_its_way_what_it_waits_for(stack):
    (one,) = ask(stack)
    assert explained(stack, one)["stage"] == "awaits_label"
    settle(stack, one)
    found = explained(stack, one)
    assert (found["stage"], found["truth"]["stands"]["source"]) == ("settled", "crm")
    assert found["proof"]["block"] == found["settlement"]["block"]


def test_every_vote_has_its_weight_its_reason_and_what_it_earned(stack):
    (one,) = ask(stack)
    settle(stack, one)
    votes = {vote["node"]: vote for vote in explained(stack, one)["votes"]}
    assert {name: vote["delta"] for name, vote in votes.items()} == {
        "decision_tree": -50.0,
        "knn": 50.0,
        "logistic_regression": 50.0,
        "random_forest": -50.0,
    }
    assert [votes[name]["right"] for name in sorted(votes)] == [False, True, True, False]
    assert all("1,000.00 of the 4,000.00 stake that voted" in vote["why"] for vote in votes.values())


def test_a_list_of_rounds_explains_none(stack):
    ask(stack)
    assert stack.http.get("/v1/rounds").json()["rounds"][0]["explanation"] is None


def test_a_second_label_is_told_as_a_dispute(stack):
    (one,) = ask(stack)
    settle(stack, one)
    assert Caller(stack, "all").send(label(one, "setosa")).status_code == 409
    assert [said["label"] for said in explained(stack, one)["truth"]["disputes"]] == ["setosa"]


def test_without_a_quorum_a_round_never_settles(start_stack):
    stack = start_stack(iris_nodes(a=1, b=1, c=1), terms='below_quorum = "abstain"\ndeadline_ms = 300')
    stack.nodes["a"].fault = stack.nodes["b"].fault = "error"
    (one,) = ask(stack)
    found = explained(stack, one)
    assert (found["stage"], found["proof"]) == ("never", None)
    assert "below the quorum" in next(vote["why"] for vote in found["votes"] if vote["outcome"] == "voted")


def test_a_seed_round_is_explained_and_proven_without_a_label(start_stack, tmp_path):
    stack = start_stack(terms='policy = "seed"')
    one = stack.predict(query="?settled=true").json()["verdicts"][0]["id"]
    found = explained(stack, one)
    assert (found["stage"], found["truth"]) == ("settled", None)
    assert "Its stated accuracy, 0.970, times its stake" in found["votes"][2]["why"]
    assert {vote["delta"] for vote in found["votes"]} == {0.0, -100.0}
    proof, export = tmp_path / "p.json", tmp_path / "e.jsonl"
    run(stack, "explain", one, "--proof", str(proof))
    run(stack, "ledger", "export", "--out", str(export))
    assert run(stack, "ledger", "prove", str(export), str(proof)).exit_code == 0


def test_a_jailed_node_is_heard_and_scored_and_told_why_it_does_not_count(start_stack):
    stack = start_stack(iris_nodes(a=1, b=1, c=1))
    write_tokens(stack.home, "crm")
    ledger = Ledger(FileStore(stack.home / "ledger"))
    ledger.append([events.jail("iris", "c", "regret", 7_000_000, 0)])
    wait_until(lambda: stack.client.ledger()["height"] == ledger.head().height)
    (one,) = ask(stack)
    settle(stack, one, name="versicolor")
    told = {vote["node"]: vote for vote in explained(stack, one)["votes"]}["c"]
    assert (told["outcome"], told["counted"], told["delta"]) == ("shadow", False, None)
    assert (told["label"], told["right"], told["quality"]) == ("versicolor", True, 1.0)
    assert told["why"] == (
        "It was jailed for regret (0 of 50 labelled rounds watched): asked and scored off the answer's path, "
        "not counted."
    )


# The command line


def test_an_explanation_reads_well_within_80_columns(settled):
    shown = run(settled, "explain", settled.one).stdout
    for words in (
        "This is versicolor.",
        "✗ wrong",
        "✓ right",
        "What was true: virginica, said by crm",
        "✓ Settled in block",
        "with 4 more",
        "The block's levelling",
        "`concord ledger prove EXPORT FILE` checks it",
    ):
        assert words in shown
    assert max(len(line) for line in shown.splitlines()) <= 80


def test_a_value_is_said_to_be_near_or_far_and_not_right_or_wrong(start_stack):
    said = {"ann": 100.0, "bob": 110.0, "cleo": 900.0}
    nodes = {n: Node(StandInModel(AMOUNT, n, lambda _row, v=v: [v])) for n, v in said.items()}
    stack = start_stack(nodes, task="loan_amount")
    write_tokens(stack.home, "crm")
    (one,) = ask(stack, task="loan_amount", row=AMOUNT.example)
    Caller(stack).send({"id": one, "value": 100.0}, query="?settled=true")
    shown = run(stack, "explain", one).stdout
    assert "✓ within the usual error" in shown
    assert "✗ wrong" not in shown


def test_for_programs_it_is_the_round_with_its_explanation(settled):
    document = json.loads(run(settled, "explain", settled.one, "--json").stdout)
    assert (document["id"], document["explanation"]["stage"]) == (settled.one, "settled")


def test_a_proof_is_proven_by_the_export_in_a_sentence(settled):
    result = prove(settled)
    assert result.exit_code == 0, result.output
    assert f"Proven: round {settled.one}" in result.stdout.replace("\n", " ")
    document = json.loads(prove(settled, "--json").stdout)
    assert (document["proven"], document["round"], document["rounds"]) == (True, settled.one, 5)
    assert document["hash"] == settled.client.ledger()["hash"]


def test_an_export_may_come_through_a_pipe(settled):
    assert prove(settled, stdin=settled.export.read_bytes(), export="-").exit_code == 0


def test_what_was_altered_is_refused_with_status_1_and_the_reason(settled):
    document = json.loads(settled.proof.read_text())
    edited = document["record"].replace('"label":2', '"label":1')
    settled.proof.write_text(json.dumps(document | {"record": edited}))
    result = prove(settled)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "does not lead to the root in block" in result.stderr


def test_an_export_that_was_altered_is_refused_with_status_1(settled):
    settled.export.write_bytes(settled.export.read_bytes().replace(b"1000000000", b"1000000001", 1))
    result = prove(settled)
    assert (result.exit_code, "of the export: " in result.stderr) == (1, True)


def test_proving_needs_neither_home_nor_service_nor_database(settled, tmp_path):
    script = (
        "import sys; from concord.cli import main\n"
        "main(sys.argv[1:], prog_name='concord', standalone_mode=False)\n"
        "heavy = {'sqlalchemy', 'httpx', 'concord.journal', 'concord.settings', 'kubernetes'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    command = [sys.executable, "-c", script, "ledger", "prove", str(settled.export), str(settled.proof)]
    env = {"PATH": "", "CONCORD_HOME": str(tmp_path / "nowhere"), "CONCORD_PORT": "tcp://nonsense"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=True, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_proof_overwrites_nothing_unasked_and_there_is_none_before_settling(settled):
    before = settled.proof.read_bytes()
    assert run(settled, "explain", settled.others[0], "--proof", str(settled.proof)).exit_code == 2
    assert settled.proof.read_bytes() == before
    (waiting,) = ask(settled)
    result = run(settled, "explain", waiting, "--proof", str(settled.proof), "--force")
    assert (result.exit_code, settled.proof.read_bytes()) == (2, before)
    assert "There is no proof of this round. It waits for its label" in result.stderr
    assert run(settled, "explain", settled.others[0], "--proof", str(settled.proof), "--force").exit_code == 0
    assert prove(settled).exit_code == 0


def test_a_round_that_is_not_there_is_the_users_mistake(stack):
    assert run(stack, "explain", "0" * 32).exit_code == 2


def test_verify_deep_settles_again_beside_the_running_service(settled):
    shown = run(settled, "ledger", "verify", "--deep").stdout.replace("\n", " ")
    assert "Settled again from the journal, 5 rounds in 1 block" in shown
    document = json.loads(run(settled, "ledger", "verify", "--deep", "--json").stdout)
    assert (document["ok"], document["deep"]["ok"], document["deep"]["rounds"]) == (True, True, 5)


def test_verify_deep_names_a_label_that_was_changed_and_ends_with_status_1(settled):
    with closing(sqlite3.connect(settled.home / "journal.sqlite")) as database, database:
        database.execute("UPDATE labels SET label = 0 WHERE id = ?", [settled.one])
    result = run(settled, "ledger", "verify", "--deep")
    assert result.exit_code == 1
    assert f"round {settled.one}: its label was changed in the journal from 2 to 0" in result.stdout
    assert run(settled, "ledger", "verify").exit_code == 0


def test_verify_deep_without_a_journal_says_what_it_lacks(settled, tmp_path):
    (tmp_path / "bare").mkdir()
    (settled.home / "ledger").rename(tmp_path / "bare" / "ledger")
    result = CliRunner(env={"CONCORD_HOME": str(tmp_path / "bare")}).invoke(
        main, ["ledger", "verify", "--deep"], prog_name="concord"
    )
    assert (result.exit_code, "settles again from the journal" in result.stderr) == (2, True)
