"""What `concord up` starts beside its services stays on this machine, whatever the host."""

import pytest

from concord.cli.home import Home
from concord.cli.up.launcher import Launcher
from concord.cli.up.ports import Ports
from concord.cli.up.supervisor import Supervisor


class Started:
    """A process that was asked for."""

    is_ready, pid = True, 1

    def __init__(self, command, _log, environment):
        self.command, self.environment = command, environment

    def poll(self):
        return None


@pytest.fixture
def mlflow(tmp_path, monkeypatch):
    """The command by which MLflow is started for a host."""
    monkeypatch.setattr("concord.cli.up.launcher.Program", Started)

    def mlflow(host):
        supervisor = Supervisor(lambda _: None)
        Launcher(Home(tmp_path), tmp_path, Ports(host), supervisor).start_mlflow("sqlite:///x")
        return supervisor.processes[0].handle.command

    return mlflow


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "192.168.1.7"])
def test_mlflow_listens_on_loopback_alone_and_answers_to_its_names(mlflow, host):
    command = mlflow(host)
    assert command[command.index("--host") + 1] == "127.0.0.1"
    names = command[command.index("--allowed-hosts") + 1].split(",")
    assert {name.partition(":")[0] for name in names} == {"localhost", "127.0.0.1"}
