"""The registry over REST: against a stand-in that answers as MLflow, and against MLflow itself."""

import asyncio
import base64
import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from concord.errors import InvalidInput, ServiceAway, UnknownName
from concord.rollout.registry import CHALLENGER, CHAMPION, RegistryClient, open_registry
from concord.rollout.tracking_server import read_tracking_server
from concord.settings import Settings
from tests.ports import free_port
from tests.service.fake_mlflow import FakeMlflow

MODEL = "iris.knn"


@pytest.fixture
def fake():
    fake = FakeMlflow()
    for version in ("1", "2", "10"):
        fake.register(MODEL, version, digest=f"d{version}", schema="{}")
    fake.metrics["run10"] = {"log_loss": 0.2, "accuracy": 0.9}
    yield fake
    fake.close()


def ask(url, *steps):
    """Takes steps at a registry, and returns what the last one answers."""

    async def run():
        registry = RegistryClient(read_tracking_server(url, Settings.read()))
        try:
            for step in steps:
                answer = await step(registry)
        finally:
            await registry.close()
        return answer

    return asyncio.run(run())


def check_registry(url, digests):
    """What holds of any registry that has the model in the versions of these digests."""
    versions = ask(url, lambda r: r.versions(MODEL))
    assert {one.version: one.digest for one in versions} == digests
    assert [int(one.version) for one in versions] == sorted(map(int, digests), reverse=True)
    assert all(one.is_ready and one.created.endswith("+00:00") for one in versions)
    newest = versions[0].version

    assert ask(
        url,
        lambda r: r.set_alias(MODEL, CHAMPION, newest),
        lambda r: r.set_alias(MODEL, CHALLENGER, "1"),
        lambda r: r.set_tag(MODEL, "concord.served", "1"),
        lambda r: r.model(MODEL),
    ).aliases == {CHAMPION: newest, CHALLENGER: "1"}
    after = ask(
        url,
        lambda r: r.delete_alias(MODEL, CHALLENGER),
        lambda r: r.delete_tag(MODEL, "concord.served"),
        # What is not there any more is taken away all the same.
        lambda r: r.delete_alias(MODEL, CHALLENGER),
        lambda r: r.delete_tag(MODEL, "concord.served"),
        lambda r: r.model(MODEL),
    )
    assert (dict(after.aliases), "concord.served" in after.tags) == ({CHAMPION: newest}, False)

    assert ask(url, lambda r: r.versions("iris.rose")) == []
    for step in (
        lambda r: r.model("iris.rose"),
        lambda r: r.set_alias(MODEL, CHAMPION, "99"),
        lambda r: r.set_tag("iris.rose", "concord.served", "1"),
    ):
        with pytest.raises(UnknownName):
            ask(url, step)
    metrics = ask(url, lambda r: r.metric(versions[0].run_id))
    assert metrics == ("accuracy", 0.9)
    assert ask(url, lambda r: r.metric("0" * 32)) == (None, None)


def test_a_stand_in_answers_as_a_registry(fake):
    check_registry(fake.url, {"1": "d1", "2": "d2", "10": "d10"})


def test_a_run_is_asked_once(fake):
    ask(fake.url, lambda r: r.metric("run10"), lambda r: r.metric("run10"))
    assert fake.calls == [("GET", "runs/get")]


def test_a_name_that_would_change_the_question_is_refused(fake):
    with pytest.raises(InvalidInput, match="no quotes"):
        ask(fake.url, lambda r: r.versions("x' OR name!='"))
    assert fake.calls == []


@pytest.mark.parametrize("fault", [401, 403, 429, 500, 503])
def test_a_registry_that_does_not_serve_is_named(fake, fault):
    fake.fault = fault
    with pytest.raises(ServiceAway, match=f"{fake.url} does not serve .{fault}") as away:
        ask(fake.url, lambda r: r.set_alias(MODEL, CHAMPION, "1"))
    assert away.value.field == "MLFLOW_TRACKING_URI"


def test_one_that_is_not_there_is_named_without_its_password():
    url = f"http://ann:secret@127.0.0.1:{free_port()}"
    with pytest.raises(ServiceAway, match=r"http://ann:\*\*\*@127\.0\.0\.1:\d+ does not serve") as away:
        ask(url, lambda r: r.model(MODEL))
    assert "secret" not in away.value.message


@pytest.fixture
def guarded(serve):
    """A registry that hears who asks; its address, and what it was told."""
    heard = []

    async def answer(scope, receive, send):
        await receive()
        heard.append(dict(scope["headers"]).get(b"authorization"))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    return serve(answer)[1], heard


def basic(text):
    return b"Basic " + base64.b64encode(text)


def test_a_password_in_the_address_is_used_and_reaches_no_log(guarded, caplog):
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "httpx")
    url, heard = guarded
    ask(url.replace("http://", "http://ann:s%3Acret@"), lambda r: r.model(MODEL))
    assert heard == [basic(b"ann:s:cret")]
    assert "httpx" in {one.name for one in caplog.records}
    assert not [one for one in caplog.records if "cret" in one.getMessage()]


@pytest.mark.parametrize(
    ("inside", "variables", "expected"),
    [
        ("", {}, None),
        ("", {"USERNAME": "ann"}, None),
        ("", {"USERNAME": "ann", "PASSWORD": "x"}, basic(b"ann:x")),
        ("", {"TOKEN": "t"}, b"Bearer t"),
        ("", {"USERNAME": "ann", "PASSWORD": "x", "TOKEN": "t"}, basic(b"ann:x")),
        ("bob:y@", {"USERNAME": "ann", "PASSWORD": "x", "TOKEN": "t"}, basic(b"bob:y")),
    ],
)
def test_mlflows_own_variables_say_who_asks(guarded, monkeypatch, inside, variables, expected):
    url, heard = guarded
    monkeypatch.setenv("MLFLOW_TRACKING_URI", url.replace("http://", f"http://{inside}"))
    for name in ("USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)

    async def run():
        registry = open_registry(Settings.read())
        await registry.model(MODEL)
        await registry.close()

    asyncio.run(run())
    assert heard == [expected]
    assert "'x'" not in repr(Settings.read())


def test_a_page_of_somebody_else_is_no_registry(serve):
    async def page(_scope, receive, send):
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"<html>"})

    _, url = serve(page)
    with pytest.raises(ServiceAway, match="does not serve"):
        ask(url, lambda r: r.model(MODEL))


@contextlib.contextmanager
def mlflow_server(folder):
    """MLflow's own server on a free port."""
    port = free_port()
    command = [
        str(Path(sys.executable).with_name("mlflow")), "server", "--host", "127.0.0.1", "--port", str(port),
        "--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            url, end = f"http://127.0.0.1:{port}", time.monotonic() + 400
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    if httpx.get(f"{url}/health", trust_env=False).status_code == 200:
                        break
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < end, "MLflow did not start"
                time.sleep(0.2)
            yield url
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)


@pytest.mark.slow
# Sockets of MLflow's client close when they are collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_mlflow_itself_answers_so(tmp_path):
    from mlflow import MlflowClient

    with mlflow_server(tmp_path) as url:
        client = MlflowClient(url)
        run = client.create_run("0")
        client.log_metric(run.info.run_id, "accuracy", 0.9)
        client.log_metric(run.info.run_id, "log_loss", 0.2)
        client.create_registered_model(MODEL)
        for digest in ("d1", "d2"):
            client.create_model_version(
                MODEL,
                f"{run.info.artifact_uri}/model",
                run.info.run_id,
                tags={"concord.digest": digest},
            )
        check_registry(url, {"1": "d1", "2": "d2"})
