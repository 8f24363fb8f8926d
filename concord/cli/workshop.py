"""The workshop's example, played on live nodes: accounts, one round, and what became of them.

The task `workshop` is opened by events in the ledger, so it lives in the same services and asks
the same nodes as `iris`, with accounts of its own under the policy `seed`. Whoever can write the
ledger's store is its operator; nothing here is open to a caller of the API.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from concord.errors import ConcordError, ConfigurationError, NoQuorum, Refused, ServiceAway
from concord.ledger import Ledger, State, events
from concord.ledger.events import Event
from concord.policies.scoring import hit
from concord.policies.stake import MICRO, wager_round
from concord.types.answers import Verdict

if TYPE_CHECKING:
    from concord.client import Client

TASK: Final = "workshop"
ASKS: Final = "iris"

ACCURACIES: Final = {
    "logistic_regression": 970_000,
    "decision_tree": 570_000,
    "knn": 920_000,
    "random_forest": 540_000,
}
"""The workshop's own figures in ppm, in its order; they were not measured on these nodes."""

SAID: Final = (2, 1, 2, 1)
"""What the workshop's models answered, in the same order."""

ROW: Final = {"sepal_length": 6.0, "sepal_width": 2.7, "petal_length": 5.1, "petal_width": 1.6}
"""Row 83 of the Iris data, counted from 0."""

TRUTH: Final = 1
"""Its class: versicolor."""

START: Final = 1000 * MICRO

WAIT_SECONDS: Final = 15.0


@dataclass(frozen=True)
class Play:
    """What happened; stakes in µS, in the order of `ACCURACIES`.

    Attributes:
        verdict: The answer with its evidence.
        labels: Names of the classes.
        said: Node → class index it named; a node that did not vote is not in it.
        before: Stakes that the round was decided on.
        after: Stakes after its block.
        wager: What `wager` would have made of `before`, knowing the true label.
        block: The block that settled it.
    """

    verdict: Verdict
    labels: tuple[str, ...]
    said: Mapping[str, int]
    before: Mapping[str, int]
    after: Mapping[str, int]
    wager: Mapping[str, int]
    block: int

    @property
    def answer(self) -> int:
        """Index of the class that was answered."""
        return self.labels.index(self.verdict.label or "")

    @property
    def slashed(self) -> tuple[str, ...]:
        """Nodes that lost stake."""
        return tuple(node for node in ACCURACIES if self.after[node] < self.before[node])

    @property
    def is_as_taught(self) -> bool:
        """Whether the nodes answered as those of the workshop did."""
        return tuple(self.said.get(node) for node in ACCURACIES) == SAID


def play(
    client: "Client", ledger: Ledger, *, again: bool, sleep: Callable[[float], None] = time.sleep
) -> Play:
    """Opens the task, sets the accounts (unless `again`), asks once and waits for the block.

    Raises:
        ServiceAway: No service answers, or it keeps another ledger.
        ConfigurationError: The Iris nodes are not there.
        NoQuorum: Too few of them answered.
    """
    check_nodes(client)
    check_ledger(client, ledger)
    run, head = secrets.token_hex(6), ledger.head()
    # Payments of this run have keys of their own, so nothing before it is searched for them.
    height = ledger.append(lambda state: opening(state, run, again=again), since=head.height).height
    _wait_for(client, height, sleep)
    before = _stakes(ledger)
    verdict = client.predict(TASK, [ROW], settled=True).verdicts[0]
    if verdict.label is None:
        raise NoQuorum("Too few of the four nodes answered in time. `concord nodes workshop` shows them.")
    block = verdict.block or _settled(client, verdict.id, sleep)
    labels = tuple(label.name for label in client.schema(TASK).labels)
    said = {vote.node: labels.index(vote.label) for vote in verdict.votes if vote.label is not None}
    after = {
        node: account.stake for node, account in ledger.state_before(block + 1).task(TASK).accounts.items()
    }
    return Play(verdict, labels, said, before, after, by_wager(before, said, len(labels)), block)


def opening(state: State, run: str, *, again: bool) -> list[Event]:
    """The events after which the task is there and its accounts hold what they shall.

    Args:
        state: What the ledger holds.
        run: Names this run in the payments' keys.
        again: Leave the accounts of a former run as they are.
    """
    wanted = [events.params(TASK, "seed", asks=ASKS, members=sorted(ACCURACIES))]
    task = state.tasks.get(TASK)
    for node, accuracy in ACCURACIES.items():
        account = task.accounts.get(node) if task else None
        if account is None:
            wanted.append(events.open_account(TASK, node, START, accuracy))
        elif not again and account.stake < START:
            wanted.append(events.deposit(TASK, node, START - account.stake, f"{TASK}:{run}:{node}"))
        elif not again and account.stake > START:
            wanted.append(events.withdraw(TASK, node, account.stake - START, f"{TASK}:{run}:{node}"))
    return wanted


def by_wager(before: Mapping[str, int], said: Mapping[str, int], classes: int) -> dict[str, int]:
    """Stakes after the same round under `wager`, before levelling, once the true label is there."""
    scores = {
        node: hit([int(k == said[node]) for k in range(classes)], TRUTH)
        for node in ACCURACIES
        if node in said
    }
    moved = wager_round(before, scores, 1)
    return {node: stake + moved.get(node, 0) for node, stake in before.items()}


def check_nodes(client: "Client") -> None:
    """Finds out whether the four Iris nodes answer.

    Raises:
        ConfigurationError: They do not.
    """
    remedy = "Start them with `concord up iris`."
    try:
        nodes = {node.node: node for node in client.nodes(ASKS)}
    except Refused as error:
        if error.code != "unknown_task":
            raise
        raise ConfigurationError(
            f"The service has no task iris, whose nodes the demo asks. {remedy}"
        ) from error
    missing = [name for name in ACCURACIES if name not in nodes]
    if missing:
        raise ConfigurationError(f"The task iris has no node {', '.join(missing)}. {remedy}")
    down = [name for name in ACCURACIES if nodes[name].status != "up"]
    if down:
        raise ConfigurationError(
            f"{', '.join(down)} of iris {'is' if len(down) == 1 else 'are'} {nodes[down[0]].status}. "
            "`concord nodes iris` says why."
        )


def check_ledger(client: "Client", ledger: Ledger) -> None:
    """Finds out whether the service keeps its ledger in the store that is written here.

    Raises:
        ServiceAway: It keeps another one.
    """
    # The service's view first: what is appended in between is then one more block here, not one less.
    seen, head = client.ledger(), ledger.head()
    height = int(seen["height"])
    known = None if height > head.height else ledger.block(height).hash if height else seen["hash"]
    if known != seen["hash"]:
        raise ServiceAway(
            f"The service at {client.url} keeps its ledger elsewhere than in this home folder. "
            "Run the demo where `concord up` runs, with the same CONCORD_HOME.",
            field="CONCORD_HOME",
        )


def _wait_for(client: "Client", height: int, sleep: Callable[[float], None]) -> None:
    """Waits until the service has taken in the block and can ask the task."""
    waited = 0.0
    while True:
        try:
            if client.ledger()["height"] >= height and client.task(TASK).ready:
                return
        except Refused as error:
            if error.code not in {"unknown_task", "no_quorum"}:
                raise
        if waited >= WAIT_SECONDS:
            raise ServiceAway(f"The service has not taken in block {height} within {WAIT_SECONDS:.0f} s.")
        sleep(0.1)
        waited += 0.1


def _settled(client: "Client", round_id: str, sleep: Callable[[float], None]) -> int:
    """Waits for the round's block."""
    waited = 0.0
    while waited < WAIT_SECONDS:
        block = client.round(round_id).block
        if block is not None:
            return block
        sleep(0.1)
        waited += 0.1
    raise ConcordError(
        f"Round {round_id} is recorded and not settled yet; `concord rounds show` tells when it is."
    )


def _stakes(ledger: Ledger) -> dict[str, int]:
    return dict(ledger.head().state.task(TASK).balances)
