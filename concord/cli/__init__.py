"""The command line: `concord up`, `predict`, `demo` and everything an operator asks.

An edge: it reads arguments, asks the consensus service or the local files, and prints. Training,
services and pages are started as processes and never imported. A command's module is imported when
the command is run, and what is heavy within it when it is used, so that `--help` answers at once.
"""

from concord.cli.console import Group

COMMANDS = {
    "up": "concord.cli.up.session:up",
    "demo": "concord.cli.commands.demo:demo",
    "predict": "concord.cli.commands.predict:predict",
    "feedback": "concord.cli.commands.feedback:feedback",
    "tasks": "concord.cli.commands.nodes:tasks",
    "nodes": "concord.cli.commands.nodes:nodes",
    "rounds": "concord.cli.commands.rounds:rounds",
    "explain": "concord.cli.commands.explain:explain",
    "drift": "concord.cli.commands.drift:drift",
    "ledger": "concord.cli.commands.ledger:ledger",
    "release": "concord.cli.commands.stake:release",
    "stake": "concord.cli.commands.stake:stake",
    "tokens": "concord.cli.commands.tokens:tokens",
    "train": "concord.cli.commands.train:train",
    "data": "concord.cli.commands.data:data",
    "models": "concord.cli.commands.models:models",
    "upkeep": "concord.cli.commands.upkeep:upkeep",
    "doctor": "concord.cli.commands.doctor:doctor",
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
