"""Figures over time: from samples as from Prometheus, and from what the service really says."""

import math
import re
import subprocess
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
import yaml
from prometheus_client import REGISTRY

from concord.errors import ServiceAway
from concord.observability import metrics
from concord.observability.exposition import render
from frontend.charts import lines, theme
from frontend.data import exposition, prometheus, series
from frontend.data.series import CountKey, IndicatorSeries, Point, Sample
from frontend.views.live import indicators
from tests.chart.test_rules import FILES, PROMTOOL, needs_promtool
from tests.unit.frontend.fake_live import Meters
from tests.unit.frontend.test_wording import _luminance

SAID = re.compile(r'exp: nil\s+got: "?\{\} ([^"\s]+)')


def sample(time, calls, process=1.0, task="iris"):
    return Sample(time, process, {CountKey(series.CALLS, task, ""): calls})


def rates(course):
    return [point.value for point in course.lines[series.REQUESTS]]


@pytest.mark.parametrize(("share", "expected"), [(0.5, 2.0), (0.1, 0.5), (0.95, 4.0), (1.0, 4.0), (0.0, 0.0)])
def test_a_quantile_lies_within_its_bucket(share, expected):
    buckets = [(1.0, 2.0), (2.0, 5.0), (4.0, 9.0), (math.inf, 10.0)]
    assert series.interpolate_quantile(share, buckets) == pytest.approx(expected)


@pytest.mark.parametrize("buckets", [[], [(1.0, 0.0), (math.inf, 0.0)]])
def test_of_nothing_there_is_no_quantile(buckets):
    assert series.interpolate_quantile(0.5, buckets) is None


def test_a_rate_is_of_the_minute_before():
    samples = [sample(at, at if at <= 60 else 60.0) for at in range(0, 121, 10)]
    result = series.compute_series(samples, None, 0.0, 10.0)
    assert rates(result)[:6] == pytest.approx([1.0] * 6)
    assert rates(result)[-1] == 0.0


def test_points_lie_a_step_apart_and_the_newest_is_always_there():
    samples = [sample(at, 0.0) for at in range(0, 100, 7)]
    times = [point.time for point in series.compute_series(samples, None, 0.0, 30.0).lines[series.REQUESTS]]
    assert times == [7, 42, 77, 98]


def test_no_point_is_older_than_asked_for():
    samples = [sample(at, 0.0) for at in range(0, 100, 10)]
    result = series.compute_series(samples, None, 55.0, 10.0)
    assert result.lines[series.REQUESTS][0].time == 60


def test_one_sample_is_no_point_and_knows_whether_anything_was_asked():
    result = series.compute_series([sample(0.0, 3.0)], None, 0.0, 5.0)
    assert (rates(result), result.was_asked) == ([], True)
    assert not series.compute_series([sample(0.0, 0.0)], None, 0.0, 5.0).was_asked
    assert not series.compute_series([], None, 0.0, 5.0).was_asked


def test_a_process_that_does_not_say_when_it_began_is_told_by_its_counts():
    samples = [sample(0, 50.0, None), sample(10, 60.0, None), sample(20, 1.0, None), sample(30, 6.0, None)]
    assert rates(series.compute_series(samples, None, 0.0, 5.0)) == pytest.approx([1.0, 0.5])


def test_a_task_that_was_first_asked_in_between_began_at_zero():
    later = Sample(10.0, 1.0, {CountKey(series.CALLS, "new", ""): 20.0})
    assert rates(series.compute_series([sample(0.0, 0.0), later], "new", 0.0, 5.0)) == [2.0]


def test_what_a_real_service_states_is_read():
    metrics.ROUND_SECONDS.labels("test_courses").observe(0.003)
    metrics.ROUNDS.labels("test_courses", "degraded").inc(2)
    read = exposition.parse_sample(render("consensus")[0].decode(), 5.0)
    assert read.counts[CountKey(series.ROUNDS, "test_courses", "degraded")] == 2
    assert read.counts[CountKey(series.LATENCY_BUCKET, "test_courses", "0.005")] == 1
    assert read.process == pytest.approx(REGISTRY.get_sample_value("process_start_time_seconds"))


@pytest.mark.parametrize("text", ["", "<html>", "up 1\n", 'concord_rounds_total{task="a" 1\n'])
def test_what_is_no_service_of_ours_is_refused(text):
    with pytest.raises(ServiceAway):
        exposition.parse_sample(text, 0.0)


def _metrics(query):
    return set(re.findall(r"(concord[:_]\w+(?::\w+)?)\{", query))


def test_only_metrics_and_records_that_exist_are_asked_for():
    records = {
        rule["record"]
        for path in FILES
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]
        for rule in group["rules"]
        if "record" in rule
    }
    known = set(REGISTRY._names_to_collectors) | records
    for query in (*prometheus.QUERIES.values(), prometheus.SCRAPED):
        assert _metrics(query), query
        assert _metrics(query) <= known


def test_every_indicator_has_its_query():
    assert set(prometheus.QUERIES) == set(series.INDICATORS)


@pytest.mark.parametrize(
    ("task", "namespace", "expected"),
    [
        (None, None, "x{}"),
        ("iris", None, 'x{task="iris",}'),
        ('a"b\\', "c", 'x{task="a\\"b\\\\", namespace="c",}'),
    ],
)
def test_a_query_is_about_a_task_and_an_installation(task, namespace, expected):
    assert prometheus.fill_matchers("x{OF}", task, namespace) == expected


def evaluated(tmp_path, queries, input_series, *, rules):
    """What Prometheus's own engine finds after ten minutes, by promtool."""
    tests = [
        {
            "interval": "15s",
            "input_series": input_series,
            "promql_expr_test": [{"expr": query, "eval_time": "10m", "exp_samples": []}],
        }
        for query in queries
    ]
    path = tmp_path / "test.yaml"
    files = [str(element) for element in FILES] if rules else []
    document = {"rule_files": files, "evaluation_interval": "15s", "tests": tests}
    path.write_text(yaml.safe_dump(document), "utf-8")
    done = subprocess.run([PROMTOOL, "test", "rules", str(path)], capture_output=True, text=True, check=False)
    result = [float(value) for value in SAID.findall(done.stdout + done.stderr)]
    assert len(result) == len(queries), done.stdout + done.stderr
    return result


@pytest.mark.slow
@needs_promtool
@pytest.mark.parametrize("rules", [True, False])
@pytest.mark.parametrize("task", [None, "iris"])
def test_prometheus_finds_what_the_services_own_samples_say(tmp_path, task, rules):
    """The same counts, grown evenly: every query has one value, and it is that of our own arithmetic."""
    meters = Meters()
    for element, slow in (("iris", 0.004), ("loan", 0.15)):
        meters.ask(element, times=30, seconds=slow / 4, overhead=0.0004)
        meters.ask(element, times=8, seconds=slow, status="degraded")
        meters.ask(element, times=2, seconds=slow * 2, status="no_quorum", http="503")
    counts = exposition.parse_sample(meters.text(), 0.0).counts
    own = series.compute_indicators(counts, task, 15.0)
    input_series = [
        {"series": _series(line), "values": f"0+{line.rpartition(' ')[2]}x60"}
        for line in meters.text().splitlines()
        if line.startswith("concord")
    ]
    asked = [name for name in series.INDICATORS if own.get(name) is not None]
    queries = [prometheus.fill_matchers(prometheus.QUERIES[name], task, "c") for name in asked]
    result = evaluated(tmp_path, queries, input_series, rules=rules)
    assert dict(zip(asked, result, strict=True)) == pytest.approx({name: own[name] for name in asked})
    assert len(asked) == len(series.INDICATORS) - (task is not None)


def _series(line):
    name, _, labels = line.rpartition(" ")[0].partition("{")
    return f'{name}{{namespace="c",{labels}'


@needs_promtool
def test_where_nothing_failed_the_shares_are_zero_and_not_missing(tmp_path):
    route = "/v1/tasks/{task}/predict"
    input_series = [
        {"series": 'concord_rounds_total{namespace="c",task="iris",status="ok"}', "values": "0+5x60"},
        {
            "series": f'concord_http_requests_total{{namespace="c",route="{route}",status="200"}}',
            "values": "0+5x60",
        },
    ]
    shares = (series.NO_QUORUM, series.DEGRADED, series.FAILED)
    queries = [prometheus.fill_matchers(prometheus.QUERIES[name], None, "c") for name in shares]
    for rules in (True, False):
        assert evaluated(tmp_path, queries, input_series, rules=rules) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (series.REQUESTS, 1234.5, "1,234"),
        (series.REQUESTS, 0.4, "0.40"),
        (series.REQUESTS, 0.0, "0.00"),
        (series.REQUESTS, 0.0012, "0.0012"),
        (series.LATENCY[0], 0.0124, "12.4 ms"),
        (series.AGREEMENT, 0.998, "99.8%"),
        (series.AGREEMENT, None, "–"),
    ],
)
def test_an_indicator_is_written_with_its_unit(name, value, expected):
    assert indicators.format_indicator(name, value) == expected


def course(**points):
    return IndicatorSeries(
        {name: [Point(*element) for element in values] for name, values in points.items()}, was_asked=True
    )


def test_a_picture_is_told_to_those_who_do_not_see_it():
    result = course(agreement=[(0.0, 0.5), (5.0, None), (10.0, 0.75)])
    picture = next(element for element in indicators.CHARTS if series.AGREEMENT in element.names)
    assert indicators.describe_chart(result, picture) == (
        "How far do nodes agree? agreement: 75% now, 50% to 75% in this time."
    )


def test_every_indicator_is_drawn_somewhere_and_has_its_words():
    drawn = [name for picture in indicators.CHARTS for name in picture.names]
    assert sorted(drawn) == sorted(series.INDICATORS)
    assert set(indicators.NAMES) == set(series.INDICATORS)
    assert len({indicators.column_heading(name) for name in series.INDICATORS}) == len(series.INDICATORS)


def test_the_tables_newest_row_comes_first_in_the_readers_time():
    result = course(requests=[(0.0, 1.0), (3600.0, 2.0)])
    rows = indicators.list_rows(result, ZoneInfo("Europe/Paris"))
    assert [row["Time"] for row in rows] == ["02:00:00", "01:00:00"]
    assert indicators.list_rows(result, UTC)[0]["Time"] == "01:00:00 UTC"


@pytest.mark.parametrize("is_light", [True, False])
def test_lines_differ_by_more_than_their_colour(is_light):
    drawn = [lines.ChartLine(name, [Point(0.0, 1.0), Point(5.0, None)]) for name in "abc"]
    chart = lines.draw_lines(drawn, lines.ChartFrame(0.0, 10.0, factor=1000), is_light=is_light).to_dict()
    assert len(chart["encoding"]["strokeDash"]["scale"]["range"]) == 3
    [rows] = chart["datasets"].values()
    assert [row["value"] for row in rows] == [1000.0, None] * 3


def test_lines_without_a_value_still_have_an_axis():
    drawn = [lines.ChartLine("a", [Point(0.0, None)])]
    chart = lines.draw_lines(drawn, lines.ChartFrame(0.0, 10.0), is_light=True).to_dict()
    assert chart["encoding"]["y"]["scale"]["domain"] == [0, 1.0]


def test_the_axis_of_time_is_of_times():
    """Vega takes a number there for a number, and draws all points at the left."""
    chart = lines.draw_lines(
        [lines.ChartLine("a", [Point(0.0, 1.0)])], lines.ChartFrame(0.0, 60.5), is_light=True
    )
    assert chart.to_dict()["encoding"]["x"]["scale"]["domain"] == [
        "1970-01-01T00:00:00.000+00:00",
        "1970-01-01T00:01:00.500+00:00",
    ]


def test_a_name_cannot_bring_markup_into_the_key():
    assert "<b>" not in lines.lines_legend([lines.ChartLine("<b>", [])], is_light=True)


@pytest.mark.parametrize(("is_light", "page"), [(True, "#ffffff"), (False, "#171614")])
def test_every_line_colour_is_visible_on_its_background(is_light, page):
    for colour in theme.line_colours(is_light=is_light):
        light, dark = sorted((_luminance(colour), _luminance(page)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 3
