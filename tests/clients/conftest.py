"""A service of two tasks for the clients, and a way to run a client in its own locked environment."""

import subprocess
from pathlib import Path

import pytest

from concord.api import ConsensusApi
from concord.settings import Settings
from tests.service.conftest import serving
from tests.service.stack import AMOUNT, Node, StandInModel, iris_nodes, wait_until

SCRIPTS = Path(__file__).parent / "scripts"


@pytest.fixture(scope="session")
def url(tmp_path_factory):
    """Address of a service that answers `iris`, of numbers, and `loan_amount`, of a number and a choice."""
    home = tmp_path_factory.mktemp("home")
    amounts = {name: Node(StandInModel(AMOUNT, name, lambda _row: [12500.0])) for name in ("a", "b", "c")}
    with serving() as serve:
        lines = []
        for task, nodes in {"iris": iris_nodes(), "loan_amount": amounts}.items():
            lines += [
                f"[tasks.{task}]\ndeadline_ms = 4000\n[tasks.{task}.nodes]",
                *(f'{name} = "{serve(node)[1]}"' for name, node in nodes.items()),
            ]
        (home / "nodes.toml").write_text("\n".join(lines), "utf-8")
        api = ConsensusApi.from_settings(Settings(home=home, log_level="WARNING"))
        address = serve(api.application)[1]
        ensembles = api.service.ensembles
        wait_until(lambda: all(ensembles.is_ready(task) for task in ("iris", "loan_amount")))
        yield address


@pytest.fixture
def run_client(url, tmp_path):
    """Runs a script of `scripts` with the service's address and arguments; returns what it printed."""

    def run(name, *arguments):
        command = ["uv", "run", "--quiet", "--frozen", "--script", SCRIPTS / f"{name}.py", url, *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=900, check=False)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-8000:]
        return done.stdout.splitlines()

    return run
