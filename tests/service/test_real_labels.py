"""Real models as real bentos, real rows, their labels, and one liar a task: what the jail makes of it."""

import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import pytest

from concord.client import Client
from concord.journal import Journal
from concord.ledger import FileStore, Ledger
from concord.settings import NodesFile
from concord.settlement.audit import audit_settlements
from tests.homes import ALL_TASKS, DATA, FILES, ROOT, SHIPPED, environment
from tests.ports import free_base, free_port
from tests.service.liars import LIAR
from tests.service.stack import wait_until
from tests.service.teaching import Teacher, give_token
from tests.service.up import Up
from training.data.dataset import read_file
from training.fit_tasks import prepare
from training.task import SEED
from training.tasks import select

RECENT = DATA / "film_recent_2020_2025.csv"
USABLE = 266
"""Films of it with all features above 0, as the data's README counts them."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(path.exists() for path in (*FILES.values(), RECENT)),
        reason=f"the real files are not here: {DATA}",
    ),
]

FREE_BLOCK, JAIL_BLOCK = 100, 5
"""Labels in one call once the liar is jailed, and before."""

STREAMS = ("iris", "film_rating", "loan_amount", "loan_default", "film_recent")


@dataclass(frozen=True)
class Stream:
    """Rows that no model has learned from, with their truth as labels or values."""

    task: str
    rows: list
    truths: list


@dataclass(frozen=True)
class Service:
    """A service that is asked: its address, what may label there, and its home."""

    url: str
    token: str
    home: Path


@dataclass
class Course:
    """What a stream came to: each row's verdict, and after how many of them the liar was jailed."""

    verdicts: list = field(default_factory=list)
    jailed_after: int | None = None
    blocks: list = field(default_factory=list)


@pytest.fixture(scope="module")
def streams():
    """Stream name → the held-out rows of its task, or the films that are newer than the training data."""
    found = {}
    for plan in prepare(select(SHIPPED), {task: str(path) for task, path in FILES.items()}, SEED):
        found[plan.task.name] = stream(plan.task, plan.parts.test.rows, plan.parts.test.answers)
    (films,) = select(["film_rating"])
    recent = read_file(films, RECENT)
    found["film_recent"] = stream(films, recent.rows, recent.answers)
    return found


def stream(task, rows, answers):
    names = [label.name for label in task.schema.labels]
    truths = [names[int(one)] if names else float(one) for one in answers]
    return Stream(task.name, [spoken(task, row) for row in rows], truths)


def spoken(task, row):
    """A row of numbers as a caller says it."""
    said = {}
    for feature, number in zip(task.schema.features, row, strict=True):
        if feature.kind == "choice":
            said[feature.name] = feature.choices[int(number)]
        else:
            said[feature.name] = int(number) if feature.kind == "integer" else float(number)
    return said


@pytest.fixture(scope="module")
def env(copy_trained_home, tmp_path_factory):
    """A home whose registry has the sixteen nodes and four liars, all fitted on the real files."""
    env = environment(copy_trained_home(ALL_TASKS, tmp_path_factory.mktemp("real")))
    files = [f"{task}={path}" for task, path in FILES.items()]
    command = [sys.executable, "-m", "tests.service.liars", *files]
    subprocess.run(command, env=env, cwd=ROOT, capture_output=True, check=True)
    return env


@pytest.fixture(scope="module")
def up(env):
    """`concord up` with everything that is in the registry; its address, home and the consensus' bento."""
    running = Up(env, "--port", str(free_base()), "--no-page", "--no-mlflow")
    try:
        url = running.until("ready")["url"]
        bentos = next(event["bentos"] for event in running.events if event["event"] == "packaged")
        yield url, Path(env["CONCORD_HOME"]), bentos["concord-consensus"]
    finally:
        running.end()


@pytest.fixture(scope="module")
def services(up, env, tmp_path_factory):
    """Stream name → the service that it is asked of.

    The recent films have a service of their own over the same nodes, so that they meet a liar who has not
    been found out on the other films.
    """
    url, home, bento = up
    other = tmp_path_factory.mktemp("recent")
    films = NodesFile.load(home / "nodes.toml").tasks["film_rating"].nodes
    lines = [f'{node} = "{address}"' for node, address in films.items()]
    (other / "nodes.toml").write_text("[tasks.film_rating.nodes]\n" + "\n".join(lines))
    port = free_port()
    command = [sys.executable, "-m", "bentos.serve", bento, "--direct", "--port", str(port)]
    with (other / "log").open("w") as log:
        process = subprocess.Popen(
            command, env=env | {"CONCORD_HOME": str(other)}, cwd=ROOT, stdout=log, stderr=log
        )
    try:
        first = Service(url, give_token(home), home)
        second = Service(f"http://127.0.0.1:{port}", give_token(other), other)
        yield dict.fromkeys(STREAMS, first) | {"film_recent": second}
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


@pytest.fixture
def teacher(services, streams, request):
    """One who teaches a stream; all of its nodes are up and count."""
    service, task = services[request.param], streams[request.param].task
    with (
        httpx.Client(base_url=service.url, timeout=30, trust_env=False) as http,
        Client(service.url) as client,
    ):
        wait_until(lambda: client.ready() and all_count(client, task), 60)
        yield Teacher(http, service.token, task, "value" if task == "loan_amount" else "label")


def all_count(client, task):
    views = client.nodes(task)
    return all(view.status == "up" and view.deposit and view.standing == "active" for view in views)


def walk(teacher, stream):
    """Asks rows and labels them before the next ones are asked, in blocks of five until the jail."""
    course, place = Course(), 0
    while place < len(stream.rows):
        stop = place + (JAIL_BLOCK if course.jailed_after is None else FREE_BLOCK)
        verdicts = teacher.ask(*stream.rows[place:stop])
        heights = teacher.label(verdicts, stream.truths[place:stop])
        course.verdicts += verdicts
        if course.jailed_after is None:
            course.blocks += [teacher.settlement(height)["rounds"] for height in heights]
            if teacher.standing(LIAR) == "jailed":
                course.jailed_after = len(course.verdicts)
        place = stop
    return course


@pytest.mark.parametrize(
    ("teacher", "name"), [(name, name) for name in STREAMS], indirect=["teacher"], ids=STREAMS
)
def test_the_jail_catches_the_liar_and_nobody_else(teacher, name, streams, services, capsys):
    stream = streams[name]
    course = walk(teacher, stream)
    with capsys.disabled():
        sys.stdout.write(report(teacher, name, stream, course))
    assert max(course.blocks) <= JAIL_BLOCK
    assert course.jailed_after is not None
    assert course.jailed_after <= 40
    assert jailed_ever(services[name].url, stream.task) == {LIAR}
    with Client(services[name].url) as client:
        assert client.verify()["ok"] is True


@pytest.mark.parametrize("name", ["iris", "film_recent"], ids=["four tasks", "recent films"])
def test_every_block_of_it_settles_again_to_the_same(services, name):
    home = services[name].home
    journal = Journal(f"sqlite:///{home / 'journal.sqlite'}")
    report = audit_settlements(Ledger(FileStore(home / "ledger"), archive=journal), journal)
    journal.close()
    assert (report.ok, report.problems) == (True, [])
    assert report.rounds > 0


def test_the_recent_films_are_all_that_can_be_used(streams):
    assert len(streams["film_recent"].rows) == USABLE


def jailed_ever(url, task):
    """The nodes whose history knows of a jailing."""
    with Client(url) as client:
        return {
            view.node
            for view in client.nodes(task)
            if any(entry.event == "jail" for entry in client.history(task, view.node).entries)
        }


def report(teacher, name, stream, course):
    """One line of figures, and what they are of."""
    cut, whole = course.jailed_after or len(stream.rows), len(stream.rows)
    again = teacher.ask(*stream.rows[:cut])
    answers, truths = [said(one) for one in course.verdicts], stream.truths
    parts = {
        f"rows 1-{cut}, before the jail": score(answers[:cut], truths[:cut]),
        "the same rows, asked again after it all": score([said(one) for one in again], truths[:cut]),
    }
    if cut < whole:
        parts[f"rows {cut + 1}-{whole}, after the jail"] = score(answers[cut:], truths[cut:])
    parts[f"all {whole} as they came"] = score(answers, truths)
    nodes = {node: score(votes(course, node), truths) for node in honest(course)}
    best = (min if stream.task == "loan_amount" else max)(nodes, key=nodes.get)
    parts[f"best single node ({best}), all"] = nodes[best]
    kind = "mean absolute error, EUR" if stream.task == "loan_amount" else "accuracy"
    figures = "\n".join(f"    {value:9.3f}  {what}" for what, value in parts.items())
    return f"\n{name}: liar jailed after {course.jailed_after} labels; {kind}\n{figures}\n"


def said(answer):
    return answer["value"] if answer["label"] is None else answer["label"]


def votes(course, node):
    """A node's own answers, in the rows' order; None where it gave none."""
    found = ({vote["node"]: vote for vote in one["votes"]}[node] for one in course.verdicts)
    return [said(vote) if vote["outcome"] == "voted" else None for vote in found]


def honest(course):
    return [vote["node"] for vote in course.verdicts[0]["votes"] if vote["node"] != LIAR]


def score(answers, truths):
    """Share of right answers, or the mean absolute error of values; rows without an answer are left out."""
    pairs = [(answer, truth) for answer, truth in zip(answers, truths, strict=True) if answer is not None]
    if isinstance(truths[0], float):
        return float(np.mean([abs(answer - truth) for answer, truth in pairs]))
    return float(np.mean([answer == truth for answer, truth in pairs]))
