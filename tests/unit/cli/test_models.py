"""`concord models`: calls of the service, waiting and messages; without a service, the registry's alias."""

import json
from dataclasses import replace

import pytest

from concord.cli import registry as local_registry
from concord.cli.commands import models
from concord.cli.service_access import ServiceAccess, find_target
from concord.errors import Refused, ServiceAway
from concord.kubernetes.names import Target
from concord.types.models import (
    Comparison,
    Contender,
    DesiredVersions,
    ListedVersion,
    ModelView,
    RegistryView,
)

KNN = "iris.knn"
REGISTRY = RegistryView(
    "7",
    "8",
    [
        ListedVersion("8", "2026-11-20T10:00:00+00:00", ["challenger"], "r8", "d8", "accuracy", 0.9),
        ListedVersion("7", "2026-11-01T10:00:00+00:00", ["champion"], "r7", "d7", "accuracy", 0.8),
    ],
)
SERVING = ModelView(
    KNN, "iris", "knn", champion="7", challenger=None, phase="serving", since=None, previous="6",
    wanted=DesiredVersions("7"), rolling=False, registry=REGISTRY,
)  # fmt: skip


class Service:
    """The consensus service: `views` come one after the other, the last for good."""

    def __init__(self):
        self.views, self.calls, self.error, self.refusal, self.comparison = [[SERVING]], [], None, None, None

    def models(self):
        if self.error:
            raise self.error
        return self.views.pop(0) if len(self.views) > 1 else self.views[0]

    def appoint(self, name, action, version=None, why=""):
        self.calls.append((name, action, version, why))
        if self.refusal:
            raise self.refusal
        return self.views[0][0]

    def compare(self, name, *, since=None):
        return self.comparison


@pytest.fixture
def service(monkeypatch):
    """Stands in for the service; `service.access` says whether it is in a cluster and there is a token."""
    import contextlib

    service = Service()
    service.access = {"target": None, "has_token": True}

    @contextlib.contextmanager
    def stood_in(namespace, release):
        yield ServiceAccess(service, **service.access)

    monkeypatch.setattr(models, "open_service", stood_in)
    monkeypatch.setattr(models, "POLL_SECONDS", 0)
    return service


@pytest.fixture
def registry(monkeypatch):
    """Stands in for `python -m training models`; returns the steps that were run."""
    calls = []
    versions = [
        {"version": "7", "aliases": ["champion"], "created": "2026-11-01T10:00:00+00:00", "metric": None,
         "value": None, "run_id": "", "digest": ""}
    ]  # fmt: skip

    def run_step(step, *arguments):
        calls.append(" ".join([step, *arguments]))
        if step == "list":
            return [{"model": KNN, "previous": "6", "versions": versions}]
        return {"model": KNN, "version": "6", "previous": "7", "digest": "6" * 64, "is_moved": True}

    monkeypatch.setattr(local_registry, "_run_step", run_step)
    return calls


def test_a_list_shows_phase_alias_and_who_answers(run, service):
    service.views = [[replace(SERVING, phase="probation", challenger="8", rolling=True)]]
    lines = run("models", "list").stdout.splitlines()
    assert lines[1].split() == [
        KNN, "probation", "(rolling)", "8", "challenger", "challenger", "2026-11-20", "10:00", "accuracy",
        "0.900",
    ]  # fmt: skip
    assert lines[2].split() == ["7", "champion", "champion", "2026-11-01", "10:00", "accuracy", "0.800"]


def test_where_no_service_runs_the_registry_is_listed(run, service, registry):
    service.error = ServiceAway("Nobody answers.")
    done = run("models", "list", "--json")
    (view,) = json.loads(done.stdout)
    assert (view["name"], view["champion"], view["registry"]["champion"]) == (KNN, None, "7")
    assert "does not answer" in run("models", "list").stderr


def test_a_service_without_a_registry_is_listed_with_this_machines(run, service, registry):
    service.views = [[replace(SERVING, registry=None)]]
    (view,) = json.loads(run("models", "list", "--json").stdout)
    assert (view["champion"], view["registry"]["versions"][0]["version"]) == ("7", "7")


def test_a_promotion_waits_until_the_node_has_followed(run, service):
    rolling = replace(SERVING, wanted=DesiredVersions("8", "7"), rolling=True)
    there = replace(rolling, champion="8", challenger="7", phase="watch", rolling=False)
    service.views = [[rolling], [rolling], [there]]
    done = run("models", "promote", KNN, "--why", "it is better")
    assert service.calls == [(KNN, "promote", None, "it is better")]
    assert done.stdout.splitlines() == [
        (
            "✓ iris.knn answers with version 8; version 7, the one before, is asked beside it and ready to "
            "come back."
        ),
        "  `concord models rollback iris.knn` goes back.",
    ]


def test_a_challenge_ends_when_the_challenger_answers(run, service):
    decided = replace(SERVING, phase="probation", wanted=DesiredVersions("7", "8"))
    service.views = [[decided], [decided], [replace(decided, challenger="8")]]
    done = run("models", "challenge", KNN, "8")
    assert "version 8 is tried beside it." in done.stdout
    assert "`concord models compare iris.knn`" in done.stdout


def test_a_challenger_that_was_dropped_is_named(run, service):
    service.views = [
        [replace(SERVING, phase="probation", wanted=DesiredVersions("7", "8"), dropped="It failed.")]
    ]
    assert "its challenger answers no more. It failed." in run("models", "challenge", KNN, "8").stdout


def test_a_node_that_does_not_follow_is_an_error_that_names_the_logs(run, service):
    service.views = [[replace(SERVING, wanted=DesiredVersions("8"), rolling=True)]]
    done = run("models", "promote", KNN, "8", "--timeout", "0")
    assert done.exit_code == 1
    assert "does not serve version 8 after 0 s" in done.stderr
    assert "The terminal of `concord up` says why" in done.stderr
    service.access["target"] = Target("ns", "concord")
    done = run("models", "promote", KNN, "8", "--timeout", "0")
    assert "kubectl logs -n ns deployment/concord-iris-knn" in done.stderr


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (None, "export CONCORD_TOKEN=$(concord tokens add operator --administers)"),
        (Target("ns", "concord"), "consensus.tokens.existingSecret"),
    ],
)
def test_without_a_token_the_error_says_how_to_make_one_and_nothing_is_asked(run, service, target, message):
    service.access = {"target": target, "has_token": False}
    done = run("models", "rollback", KNN)
    assert done.exit_code == 2
    assert message in done.stderr
    assert service.calls == []


def test_the_services_refusal_is_shown(run, service):
    service.refusal = Refused("Version 9 is unknown.", status=404, code="unknown_version")
    done = run("models", "promote", KNN, "9")
    assert (done.exit_code, "Version 9 is unknown." in done.stderr) == (2, True)


def test_offline_a_promotion_moves_the_alias_for_the_next_start(run, service, registry):
    service.error, service.access["has_token"] = ServiceAway("Nobody answers."), False
    done = run("models", "promote", KNN, "6")
    assert registry == ["promote iris.knn 6"]
    assert "The next `concord up` serves it." in done.stdout
    run("models", "rollback", KNN)
    assert registry[1:] == ["rollback iris.knn", "settle iris.knn"]


def test_offline_a_challenger_is_not_known(run, service, registry):
    service.error = ServiceAway("Nobody answers.")
    done = run("models", "promote", KNN)
    assert (done.exit_code, "name the version" in done.stderr, registry) == (2, True, [])
    assert run("models", "dismiss", KNN).exit_code == 1


def test_a_clusters_service_that_is_away_is_an_error(run, service, registry):
    service.error, service.access["target"] = ServiceAway("Nobody answers."), Target("ns", "concord")
    for command in (["list"], ["promote", KNN, "8"]):
        assert run("models", *command).exit_code == 1
    assert registry == []


@pytest.mark.parametrize(
    ("phase", "verdict", "sentence"),
    [
        ("probation", "better", "The challenger is better."),
        ("watch", "worse", "The predecessor is worse."),
        ("probation", "undecided", "Which one is better is not decided."),
    ],
)
def test_a_comparison_tells_scores_interval_and_verdict(run, service, phase, verdict, sentence):
    service.comparison = Comparison(
        KNN, phase, None, "hit", Contender("7", 0.7), Contender("8", 0.8), 60, 0.1, 0.02, 0.18, verdict
    )
    lines = run("models", "compare", KNN).stdout.splitlines()
    assert lines[1].split() == ["champion", "7", "0.700"]
    assert lines[3] == f"difference +0.100 (+0.020 to +0.180) on 60 labelled rounds. {sentence}"


def test_a_comparison_without_rounds_says_so(run, service):
    service.comparison = Comparison(
        KNN,
        "probation",
        None,
        "hit",
        Contender("7", None),
        Contender("8", None),
        0,
        None,
        None,
        None,
        "too_few",
    )
    assert "0 labelled rounds that both answered. Too few to say." in run("models", "compare", KNN).stdout


@pytest.mark.parametrize(
    ("release", "fullname"), [("concord", "concord"), ("my-concord", "my-concord"), ("blue", "blue-concord")]
)
def test_names_are_the_charts(release, fullname):
    assert find_target("ns/other", "models", release) == Target("models", fullname)


def test_a_pod_knows_its_installation():
    assert find_target(None, None, "concord") is None
    assert find_target("ns/blue-concord", None, "concord") == Target("ns", "blue-concord")


def test_an_installation_that_is_none_is_the_users_mistake(run, monkeypatch):
    monkeypatch.setenv("CONCORD_DEPLOYMENT", "ns")
    done = run("models", "list")
    assert (done.exit_code, "CONCORD_DEPLOYMENT" in done.stderr) == (2, True)
    assert "NAMESPACE/FULLNAME" in done.stderr
