"""Ten foreign data sets, fitted in a copy of the project and served by one `concord up`."""

import subprocess
from pathlib import Path

import pytest

from concord.client import Client
from tests.datasets.foreign import FOREIGN
from tests.datasets.project import Project, Way, part
from tests.ports import free_base
from tests.service.stack import wait_until
from tests.service.teaching import give_token
from tests.service.up import Up

EXPORT = Path(__file__).parent / "scripts" / "export.py"


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    return Project.copy(tmp_path_factory.mktemp("datasets"))


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Task → the file to learn from and the file to ask."""
    exported, folder = tmp_path_factory.mktemp("exported"), tmp_path_factory.mktemp("files")
    command = ["uv", "run", "--quiet", "--frozen", "--script", EXPORT, exported]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-8000:]
    return {name: part(exported / f"{name}.csv", folder) for name in FOREIGN}


@pytest.fixture(scope="session")
def fitted(project, files):
    """What the fit of all ten printed."""
    data = [f"--data={name}={learned}" for name, (learned, _) in files.items()]
    return project.train("fit", *FOREIGN, *data)


@pytest.fixture(scope="session")
def service(project, fitted):
    """Address and token of a service that answers all ten."""
    up = Up(project.env, *FOREIGN, "--port", str(free_base()), "--no-page", "--no-mlflow", cwd=project.root)
    try:
        url, token = up.until("ready")["url"], give_token(project.env["CONCORD_HOME"])
        with Client(url) as client:
            wait_until(lambda: client.ready() and all(one.deposit for one in client.nodes()), 60)
        yield url, token
    finally:
        up.end()


@pytest.fixture(scope="session")
def ways(project, files, service):
    """Task → one who goes all the way with it."""
    return {name: Way(project, name, *paths, *service) for name, paths in files.items()}
