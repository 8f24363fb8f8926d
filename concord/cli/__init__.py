"""The command line: `concord up`, `predict`, `demo` and everything an operator asks.

An edge: it reads arguments, asks the consensus service or the local files, and prints. Training,
services and pages are started as processes and never imported. A command's module is imported when
the command is run, and what is heavy within it when it is used, so that `--help` answers at once.
"""

from concord.cli.screen import Group

COMMANDS = {
    "up": "concord.cli.up:up",
    "demo": "concord.cli.demo:demo",
    "predict": "concord.cli.predict:predict",
    "feedback": "concord.cli.feedback:feedback",
    "tasks": "concord.cli.show:tasks",
    "nodes": "concord.cli.show:nodes",
    "rounds": "concord.cli.rounds:rounds",
    "explain": "concord.cli.explain:explain",
    "drift": "concord.cli.drift:drift",
    "ledger": "concord.cli.ledger:ledger",
    "release": "concord.cli.administration:release",
    "stake": "concord.cli.administration:stake",
    "tokens": "concord.cli.tokens:tokens",
    "train": "concord.cli.train:train",
    "data": "concord.cli.data:data",
    "models": "concord.cli.models:models",
    "upkeep": "concord.cli.upkeep:upkeep",
    "doctor": "concord.cli.doctor:doctor",
}
"""Command → where it is, in the order in which a newcomer meets them."""

main = Group(
    name="concord",
    lazy=COMMANDS,
    help="""Ask several models, answer with their consensus, and show the evidence.

    \b
    Start everything on this machine:   concord up
    See how a consensus comes about:    concord demo
    Ask:                                concord predict iris sepal_length=6.0 sepal_width=2.7 \\
                                          petal_length=5.1 petal_width=1.6

    CONCORD_HOME (.concord) is where everything is kept, CONCORD_URL the service that is asked.
    """,
)

__all__ = ["main"]
