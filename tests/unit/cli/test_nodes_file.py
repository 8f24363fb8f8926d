"""`nodes.toml` is written as long as nobody else does, and then followed."""

import pytest

from concord.cli.home import Home
from concord.cli.up.nodes_file import write_nodes
from concord.cli.up.plan import make_plan
from concord.cli.up.ports import Ports
from concord.cli.up.preparation import PackagedBentos
from concord.errors import ConfigurationError, UnknownName
from concord.settings import NodesFile

URLS = {"iris": {"knn": "http://127.0.0.1:7410", "svm": "http://127.0.0.1:7411"}}
PACKAGED = PackagedBentos({}, dict.fromkeys(("iris.knn", "iris.svm", "loan.ridge"), "1"))


@pytest.fixture
def plan(tmp_path):
    """Plans an installation in a folder of its own, at free ports."""

    def make(*tasks):
        (tmp_path / "run").mkdir(exist_ok=True)
        return make_plan(Home(tmp_path), tmp_path / "nodes.toml", PACKAGED, tasks, Ports("127.0.0.1", 21_400))

    return make


def test_what_is_written_is_what_the_service_reads(tmp_path):
    assert write_nodes(tmp_path / "nodes.toml", URLS)
    assert NodesFile.load(tmp_path / "nodes.toml").tasks["iris"].nodes == URLS["iris"]


def test_a_name_that_is_no_bare_key_is_quoted(tmp_path):
    write_nodes(tmp_path / "nodes.toml", {'ta"sk é': {"a.b": "http://x:1"}})
    assert NodesFile.load(tmp_path / "nodes.toml").tasks['ta"sk é'].nodes == {"a.b": "http://x:1"}


def test_a_file_of_ours_follows_what_is_packaged(tmp_path):
    path = tmp_path / "nodes.toml"
    write_nodes(path, URLS)
    assert write_nodes(path, {"other": {"a": "http://127.0.0.1:1"}})
    assert list(NodesFile.load(path).tasks) == ["other"]


def test_a_file_that_a_person_has_edited_is_left_as_it_is(tmp_path):
    path = tmp_path / "nodes.toml"
    write_nodes(path, URLS)
    edited = path.read_text().replace(
        "[tasks.iris.nodes]", '[tasks.iris]\npolicy = "seed"\n[tasks.iris.nodes]'
    )
    path.write_text(edited)
    assert not write_nodes(path, {})
    assert path.read_text() == edited


def test_every_packaged_model_gets_a_port_of_its_own(plan):
    launch_plan = plan()
    assert launch_plan.tasks == {"iris": 2, "loan": 1}
    assert len({node.port for node in launch_plan.nodes}) == 3


def test_only_the_named_task_is_started(plan):
    assert plan("iris").tasks == {"iris": 2}


def test_a_task_without_a_model_is_named(plan):
    with pytest.raises(UnknownName, match=r"'flowers'.*iris, loan"):
        plan("flowers")


def test_an_edited_file_says_which_nodes_run_here_and_which_elsewhere(plan, tmp_path):
    (tmp_path / "nodes.toml").write_text(
        '[tasks.iris.nodes]\nknn = "http://127.0.0.1:21455"\nsvm = "http://far.example:80"\nown = "http://localhost:1"\n'
    )
    launch_plan = plan()
    assert [(node.name, node.port) for node in launch_plan.nodes] == [("iris.knn", 21455)]
    assert launch_plan.is_edited
    assert launch_plan.unused == ("loan.ridge",)


def test_one_task_of_an_edited_file_keeps_its_settings(plan, tmp_path):
    (tmp_path / "nodes.toml").write_text(
        '[tasks.iris]\nquorum = 0.75\nbelow_quorum = "abstain"\n[tasks.iris.nodes]\nknn = "http://127.0.0.1:21455"\n'
        '[tasks.loan.nodes]\nridge = "http://127.0.0.1:21456"\n'
    )
    read = NodesFile.load(plan("iris").file).tasks
    assert list(read) == ["iris"]
    assert (read["iris"].quorum, read["iris"].below_quorum) == (0.75, "abstain")
    (tmp_path / "nodes.toml").write_text('[tasks.iris.nodes]\nknn = "http://127.0.0.1:21455"\n')
    with pytest.raises(ConfigurationError, match="no section"):
        plan("loan")
