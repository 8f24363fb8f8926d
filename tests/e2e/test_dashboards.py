"""Dashboards on a real cluster: each query is answered under load, and what happens is marked."""

import json
import time

import pytest

from concord import __version__
from tests import dashboards
from tests.e2e.bank import Bank
from tests.e2e.kind import CHART, LoadPod, run, until
from tests.e2e.pasting import paste
from tests.e2e.prometheus import numbers, query, query_range
from tests.e2e.test_labels import Labelling, register
from tests.e2e.versions import entries
from tests.runbooks import BLOCKS

pytestmark = pytest.mark.e2e
SPACE = "concord-boards"
CONSENSUS, MLFLOW, PROMETHEUS = (
    ("concord-consensus", 3000),
    ("concord-mlflow", 5000),
    ("concord-prometheus", 9090),
)
OTHERS = ("film_rating", "loan_amount")
VALUES = (
    *("--set", ",".join(f"tasks.{task}.enabled=false" for task in OTHERS)),
    *("--set", "tasks.iris.nodes.liar.enabled=true,page.enabled=false"),
    *("--set", "consensus.tokens.existingSecret=concord-tokens"),
)
LATER = "tasks.iris.nodes.svm.enabled"
NAMES = [path.stem for path in dashboards.FILES]
VALUE = {"namespace": SPACE, "task": ".*", "node": ".*"}
INTERVALS = {"__rate_interval": "1m", "__range": "10m", "__interval": "15s"}
ENOUGH_LABELS = 120
SOON = 420
"""Seconds: reports of drift come every five minutes, and rates take four scrapes."""


class Boards(Labelling):
    """The release under test, from whose labels and versions there is something to see."""

    def __init__(self, cluster, folder, token):
        super().__init__(cluster, folder, token)
        self.began = time.time()

    def serve(self, node, **versions):
        """Tells a node which versions to serve, and starts its pod anew."""
        with self.cluster.forward(SPACE, "concord-mlflow", 5000) as mlflow:
            data = json.dumps({"data": entries(mlflow, {f"iris.{node}": versions})})
        self.cluster.kubectl(
            "-n", SPACE, "patch", "configmap", "concord-models", "--type", "merge", "-p", data
        )
        name = f"deployment/concord-iris-{node}"
        self.cluster.kubectl("-n", SPACE, "rollout", "restart", name)
        self.cluster.kubectl("-n", SPACE, "rollout", "status", name, "--timeout=180s")

    def helm(self, verb, *more):
        self.cluster.helm(verb, "concord", CHART, "-n", SPACE, *VALUES, *more)

    def forward(self, service):
        return self.cluster.forward(SPACE, *service)


def scraped(url, expr):
    """Waits until Prometheus has seen something."""
    until(lambda: numbers(query(url, expr)), 90, expr)


@pytest.fixture(scope="module")
def boards(cluster, tmp_path_factory):
    """Iris with four honest nodes and one that lies; a sixth joins later."""
    folder = tmp_path_factory.mktemp("boards")
    made = run(*("uv", "run", "concord", "tokens", "add", "e2e", "--labels", "iris"),
               *("--administers", "--file", folder / "tokens.toml"))  # fmt: skip
    cluster.restricted(SPACE)
    cluster.kubectl(
        *("-n", SPACE, "create", "secret", "generic", "concord-tokens"),
        *("--from-file", f"tokens.toml={folder / 'tokens.toml'}"),
    )
    found = Boards(cluster, folder, made.split()[-1])
    found.helm("install", "--set", f"{LATER}=false")
    until(lambda: cluster.ready(SPACE, "app.kubernetes.io/component=mlflow") == 1, 180, "MLflow")
    with found.forward(MLFLOW) as uri:
        register(uri, folder)
    found.serve("liar", champion="1")
    with found.forward(CONSENSUS) as url:
        names = ("decision_tree", "knn", "liar", "logistic_regression", "random_forest")
        until(lambda: all(found.node(url, one)["status"] == "up" for one in names), 180, "five nodes")
    yield found
    cluster.helm("uninstall", "concord", "-n", SPACE, "--wait")
    cluster.kubectl("delete", "namespace", SPACE, "--wait=false")


@pytest.fixture(scope="module")
def eventful(boards):
    """What annotations are about has happened: a jailing with its slashes, a promotion, another version."""
    with boards.forward(PROMETHEUS) as watched:
        scraped(watched, 'concord_jailed{node="liar"} == 0')
        with boards.forward(CONSENSUS) as url:
            boards.labels_until(url, "liar", "jailed", 60)
        scraped(watched, 'concord_jailed{node="liar"} == 1')
        boards.helm("upgrade", "--wait", "--timeout", "5m", "--set", f"{LATER}=true")
        with boards.forward(CONSENSUS) as url:
            until(lambda: boards.node(url, "svm")["standing"] == "probation", 120, "a node on probation")
            scraped(watched, 'concord_probation{node="svm"} == 1')
            boards.labels_until(url, "svm", "active", 60)
        scraped(watched, 'concord_probation{node="svm"} == 0')
        boards.serve("knn", champion="1", challenger="2")
        scraped(watched, 'concord_model{model="iris.knn", version="2"} == 1')
    return boards


@pytest.fixture(scope="module")
def asked(eventful):
    """The release under load, and the address of the Prometheus that reads it."""
    image = f"concord-consensus:{__version__}"
    # Drift looks at the newest 10,000 rounds, among which those with labels must still be.
    flowers = LoadPod(eventful.cluster, SPACE, "flowers", image).start("iris", callers=2, pause=0.2)
    # Iris has too few held-out rows to say whether answers have drifted; loans have enough.
    rows = [row for row, _ in Bank(eventful.cluster, eventful.folder, "").customers(200, moved=False)]
    loans = LoadPod(eventful.cluster, SPACE, "loans", image)
    loans.start("loan_default", callers=2, pause=0.05, asked=rows)
    with eventful.forward(CONSENSUS) as service:
        # So many that the first look for drift can say whether errors have grown.
        eventful.label(service, ENOUGH_LABELS)
    with eventful.forward(PROMETHEUS) as url:
        yield eventful, url
    for callers in (flowers, loans):
        callers.stop().result()


def unanswered(boards, url, name):
    """Queries of a dashboard's panels that have no number for an answer."""
    with boards.forward(CONSENSUS) as service:
        boards.label(service, 5)
    return [
        one.place
        for one in dashboards.queries(dashboards.load(dashboards.FOLDER / f"{name}.json"))
        if not one.event and not numbers(query(url, dashboards.filled(one.expr, VALUE, INTERVALS)))
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_query_of_a_dashboard_is_answered_under_load(asked, say, name):
    boards, url = asked
    missing = None

    def complete():
        nonlocal missing
        missing = unanswered(boards, url, name)
        return not missing

    try:
        until(complete, SOON, f"an answer to each query of {name}", pause=10)
    except AssertionError:
        pytest.fail(f"without an answer: {missing}")
    say(f"{name}: every query is answered")


@pytest.mark.parametrize("name", NAMES)
def test_what_happened_is_marked(asked, say, name):
    boards, url = asked
    dashboard = dashboards.load(dashboards.FOLDER / f"{name}.json")
    marks = {}
    for one in dashboards.events(dashboard):
        expr = dashboards.filled(one["expr"], VALUE, INTERVALS)
        found = query_range(url, expr, time.time() - boards.began, 15)
        marks[one["name"]] = [titled(one, series) for series in found]
    say(f"{name}: {marks}")
    assert all(marks.values()), marks
    if marks:
        assert "iris.liar was jailed" in marks["Jailings"]
        # Who loses more than a twentieth of its stake in one block depends on the labels.
        assert all(title.startswith("iris.") for title in marks["Slashes"])
        assert "iris.svm was promoted" in marks["Promotions of nodes"]
        assert "Version 2 of iris.knn came" in marks["New versions of models"]


def titled(event, series):
    """What Grafana calls one event."""
    title = event["titleFormat"]
    for label, value in series["metric"].items():
        title = title.replace("{{" + label + "}}", value)
    return title


@pytest.mark.parametrize("name", NAMES)
def test_variables_offer_what_there_is(asked, name):
    _, url = asked
    values = {"namespace": SPACE, "task": "iris", "node": "knn"}
    for variable in dashboards.variables(dashboards.load(dashboards.FOLDER / f"{name}.json")).values():
        if variable["type"] == "query":
            inside = variable["query"]["query"].removeprefix("label_values(").removesuffix(")")
            expr, _, label = inside.rpartition(", ")
            found = query(url, f"group by ({label}) ({dashboards.filled(expr, VALUE)})")
            assert values[label] in {one["metric"].get(label) for one in found}


def test_a_metric_that_there_is_not_has_no_answer(asked):
    _, url = asked
    assert query(url, f'concord_steak{{namespace="{SPACE}"}}') == []


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("concord models compare $TASK.$NODE --namespace $NAMESPACE", "labelled rounds"),
        ("concord models rollback $TASK.$NODE --namespace $NAMESPACE", "iris.knn answers with version 1"),
    ],
)
def test_a_runbooks_command_about_two_versions_works_when_it_is_pasted(asked, command, said, tmp_path):
    """Last, since one of them changes what a node serves; knn has a challenger, which is promoted before."""
    boards, _ = asked
    if "rollback" in command:
        with boards.forward(CONSENSUS) as service:
            boards.concord(service, "models", "promote", "iris.knn")
    options = {"token": boards.token, "NAMESPACE": SPACE, "TASK": "iris", "NODE": "knn"}
    assert said in " ".join(paste(boards.cluster, command, tmp_path, blocks=BLOCKS[:1], **options).split())
