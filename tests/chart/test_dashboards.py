"""Dashboards: every query asks for what there is, every panel says what it shows and in which unit."""

import copy
import json
import re
import subprocess
from itertools import combinations, pairwise
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests import dashboards
from tests.chart import promql, rendering
from tests.chart.series import SERIES
from tests.chart.test_rules import ALERTS, PROMTOOL, needs_promtool

SCHEMAS = Path(__file__).parent / "grafana"
OF_GRAFANA = set(dashboards.INTERVALS)
NAMES = [path.stem for path in dashboards.FILES]
EACH = pytest.mark.parametrize("name", NAMES)
CHOICES = {"all": dashboards.ALL, "some": {"namespace": "concord", "task": "iris", "node": "(knn|svm)"}}


def board(name):
    return dashboards.load(dashboards.FOLDER / f"{name}.json")


def against_schema(document, file):
    """What Grafana's documentation does not have in a file of its own."""
    schema = json.loads((SCHEMAS / file).read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return [
        f"{one.json_path}: {one.message[:200]}" for one in Draft202012Validator(schema).iter_errors(document)
    ]


def overlapping(panels):
    """Panels that lie on one another, or beside the grid of 24 columns."""
    for one in panels:
        if one["gridPos"]["x"] + one["gridPos"]["w"] > 24:
            yield f"{one['title']} is wider than the grid"
    for one, other in combinations(panels, 2):
        a, b = one["gridPos"], other["gridPos"]
        apart = (
            a["x"] + a["w"] <= b["x"]
            or b["x"] + b["w"] <= a["x"]
            or a["y"] + a["h"] <= b["y"]
            or b["y"] + b["h"] <= a["y"]
        )
        if not apart:
            yield f"{one['title']} lies on {other['title']}"


def faults(dashboard):
    """All that is wrong with a dashboard, a sentence each."""
    yield from against_schema(dashboard, "dashboard.schema.json")
    yield from overlapping(dashboard["panels"])
    variables = dashboards.variables(dashboard)
    asked = {name: one["query"]["query"] for name, one in variables.items() if one["type"] == "query"}
    used = {name for query in asked.values() for name in dashboards.named(query)}
    for one in dashboards.queries(dashboard):
        used |= dashboards.named(one.expr)
        yield from promql.faults(one.place, one.expr, one.legend)
    for name, query in asked.items():
        expr, _, label = query.removeprefix("label_values(").removesuffix(")").rpartition(", ")
        yield from promql.faults(f"${name}", f"sum by ({label}) ({expr})")
    yield from (f"${name} is used and not there" for name in used - set(variables) - OF_GRAFANA)
    yield from (f"${name} is there and not used" for name in set(variables) - used - {"datasource"})


@EACH
def test_nothing_is_wrong_with_a_dashboard(name):
    assert list(faults(board(name))) == []


def test_there_are_five_with_names_and_addresses_of_their_own():
    boards = [board(name) for name in NAMES]
    assert NAMES == ["ledger", "models", "nodes", "overview", "resources"]
    assert [one["uid"] for one in boards] == [f"concord-{name}" for name in NAMES]
    assert len({one["title"] for one in boards}) == len(boards)


def test_one_can_choose_where_which_task_and_which_node():
    chosen = {name for one in NAMES for name in dashboards.variables(board(one))}
    assert chosen == {"datasource", "namespace", "task", "node"}
    assert all("datasource" in dashboards.variables(board(one)) for one in NAMES)


@pytest.mark.parametrize("name", ["overview", "nodes", "ledger", "models"])
def test_slashes_jailings_and_promotions_are_marked(name):
    marked = [one["name"] for one in dashboards.events(board(name))]
    assert marked == ["Slashes", "Jailings", "Promotions of nodes", "New versions of models"]


@EACH
def test_panels_have_titles_numbers_and_letters_of_their_own(name):
    panels = board(name)["panels"]
    assert len({one["title"] for one in panels}) == len({one["id"] for one in panels}) == len(panels)
    for panel in panels:
        letters = [one["refId"] for one in panel["targets"]]
        assert letters == sorted(set(letters))
    assert all(panel["title"].endswith("?") for panel in panels)


@EACH
def test_panels_are_in_the_order_in_which_they_are_read(name):
    panels = [one["gridPos"] for one in board(name)["panels"]]
    assert all((a["y"], a["x"]) < (b["y"], b["x"]) for a, b in pairwise(panels))


@EACH
def test_thresholds_rise(name):
    for panel in board(name)["panels"]:
        values = [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]][1:]
        assert values == sorted(values), panel["title"]


@EACH
def test_descriptions_name_pages_sections_and_alerts_that_there_are(name):
    text = json.dumps(board(name), ensure_ascii=False)
    assert set(re.findall(r"Concord[A-Z]\w+", text)) <= set(ALERTS)
    for page, said in re.findall(r"docs/([\w-]+\.md), ([^\"]+)", text):
        headings = re.findall(r"^#+ (.*)$", (rendering.ROOT / "docs" / page).read_text("utf-8"), re.MULTILINE)
        assert any(said.startswith(heading) for heading in headings), (page, said)


def test_the_page_about_them_names_each_with_its_marks():
    page = (rendering.ROOT / "docs" / "dashboards.md").read_text("utf-8")
    marks = {one["name"] for name in NAMES for one in dashboards.events(board(name))}
    assert all(f"`{name}.json`" in page for name in NAMES)
    assert all(f"| {mark} |" in page for mark in marks)


def a_metric_that_is_not_there(dashboard):
    target = dashboard["panels"][0]["targets"][0]
    target["expr"] = target["expr"].replace("concord_stake", "concord_steak")


def a_label_that_it_has_not(dashboard):
    dashboard["panels"][1]["targets"][0]["expr"] = 'sum by (node) (concord_stake{name="knn"})'


def a_grouping_that_it_has_not(dashboard):
    dashboard["panels"][1]["targets"][0]["expr"] = "sum by (task, label) (concord_stake)"


def a_name_that_is_not_left(dashboard):
    dashboard["panels"][1]["targets"][0]["legendFormat"] = "{{pod}}"


def an_event_of_a_metric_that_is_not_there(dashboard):
    dashboards.events(dashboard)[1]["expr"] = "concord_jail == 1"


def a_variable_that_is_not_there(dashboard):
    dashboard["templating"]["list"].pop()


def a_panel_without_a_unit(dashboard):
    del dashboard["panels"][2]["fieldConfig"]["defaults"]["unit"]


def a_panel_without_a_description(dashboard):
    dashboard["panels"][2]["description"] = ""


def a_data_source_of_its_own(dashboard):
    dashboard["panels"][2]["targets"][0]["datasource"]["uid"] = "PBFA97CFB590B2093"


def two_panels_at_one_place(dashboard):
    dashboard["panels"][3]["gridPos"] = dict(dashboard["panels"][2]["gridPos"])


def an_id_of_some_grafana(dashboard):
    dashboard["id"] = 7


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (a_metric_that_is_not_there, "there is no metric concord_steak"),
        (a_label_that_it_has_not, "concord_stake has no label name"),
        (a_grouping_that_it_has_not, "is grouped by label"),
        (a_name_that_is_not_left, "is called by pod"),
        (an_event_of_a_metric_that_is_not_there, "there is no metric concord_jail"),
        (a_variable_that_is_not_there, "$node is used and not there"),
        (a_panel_without_a_unit, "'unit' is a required property"),
        (a_panel_without_a_description, "does not match"),
        (a_data_source_of_its_own, "'${datasource}' was expected"),
        (two_panels_at_one_place, "lies on"),
        (an_id_of_some_grafana, "'id' was unexpected"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_check_sees(spoil, said):
    spoilt = copy.deepcopy(board("nodes"))
    spoil(spoilt)
    assert any(said in one for one in faults(spoilt)), list(faults(spoilt))


def promtool(tmp_path, expressions):
    """Asks promtool whether a Prometheus with all series answers each of the queries with a number."""
    tests = [
        # Without labels, and 1, if there is any answer at all; NaN is less and more than nothing.
        {
            "expr": f"group(({expr}) >= -Inf)",
            "eval_time": "32m",
            "exp_samples": [{"labels": "{}", "value": 1}],
        }
        for expr in expressions
    ]
    one = {"interval": "1m", "input_series": SERIES, "promql_expr_test": tests}
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump({"evaluation_interval": "1m", "tests": [one]}), "utf-8")
    command = [PROMTOOL, "test", "rules", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_promtool
@pytest.mark.parametrize("choice", CHOICES)
@EACH
def test_every_query_is_answered_where_there_is_everything(tmp_path, name, choice):
    asked = [dashboards.filled(one.expr, CHOICES[choice]) for one in dashboards.queries(board(name))]
    done = promtool(tmp_path, asked)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.parametrize("expr", ["sum(concord_stake", "concord_steak", "concord_stake / 0 * 0"])
def test_promtool_sees_what_is_no_query_and_what_has_no_answer(tmp_path, expr):
    assert promtool(tmp_path, [expr]).returncode != 0
