"""What a person sees of the live figures, from Prometheus or the service itself, and every state without."""

import time

import pytest

from concord.errors import ServiceAway
from frontend.data import series
from frontend.views.live import data
from tests.unit.frontend.conftest import clear_caches
from tests.unit.frontend.fake_live import FakePrometheus, LiveService, Meters
from tests.unit.frontend.page_driver import visit
from tests.unit.frontend.test_predict import text


@pytest.fixture
def service(monkeypatch):
    fake = LiveService().start()
    monkeypatch.setenv("CONCORD_URL", fake.url)
    # Each look takes a sample: a test does not wait between two.
    monkeypatch.setattr(data, "LEAST_SECONDS", 0.0)
    clear_caches()
    yield fake
    clear_caches()
    fake.stop()


@pytest.fixture
def prometheus(monkeypatch):
    fake = FakePrometheus().start()
    monkeypatch.setenv("CONCORD_PROMETHEUS", fake.url)
    yield fake
    fake.stop()


@pytest.fixture
def open_live(service, open_page):
    """Opens the page; `open_page` is what clears up afterwards."""
    return lambda **address: visit("live", **address)


@pytest.fixture
def open_asked(service, open_live):
    """Opens the page, has the service asked something, and looks again."""

    def open_(ask=lambda meters: meters.ask(times=20), **address):
        service.meters.ask()
        page = open_live(**address)
        ask(service.meters)
        return page.run()

    return open_


def metrics(page):
    return {metric.label: metric.value for metric in page.metric}


def test_before_anything_was_asked_the_page_says_where_to_ask(open_live):
    content = text(open_live())
    assert "**Nothing has been asked yet**" in content
    assert "on the page Predict" in content


def test_one_sample_is_no_rate_yet(service, open_live):
    service.meters.ask()
    page = open_live()
    assert "**The first sample is taken.**" in text(page)
    assert metrics(page) == {}


def test_two_samples_are_indicators(open_asked):
    page = open_asked()
    content = metrics(page)
    # 20 times 3 ms, in the bucket from 2 to 5 ms; 1.5 ms in that from 1 to 2.
    assert content["Latency, p50"] == "3.50 ms"
    assert content["Latency, p99"] == "4.97 ms"
    assert content["Overhead, p99"] == "1.99 ms"
    assert (content["Agreement"], content["Without consensus"], content["Failed"]) == ("75%", "0%", "0%")
    assert not page.exception


def test_what_failed_is_a_share(open_asked):
    def ask(meters):
        meters.ask(times=15)
        meters.ask(times=5, status="no_quorum", http="503")

    content = metrics(open_asked(ask))
    assert (content["Without consensus"], content["Failed"]) == ("25%", "25%")


def test_other_requests_than_predictions_do_not_count(open_asked):
    def ask(meters):
        meters.ask(times=4, status="no_quorum", http="503")
        for _ in range(50):
            meters.look_at_tasks()

    assert metrics(open_asked(ask))["Failed"] == "100%"


def test_one_task_shows_its_own_figures_only(open_asked):
    def ask(meters):
        meters.ask("loan", times=100, seconds=0.4)
        meters.ask("flower", times=10, seconds=0.003)

    page = open_asked(ask, task="flower")
    assert metrics(page)["Latency, p99"] == "4.97 ms"
    # HTTP knows no task.
    assert "Failed" not in metrics(page)
    page.selectbox(key="live/task").select("loan").run()
    assert metrics(page)["Latency, p50"] == "350 ms"
    assert page.query_params["task"] in ("loan", ["loan"])


def test_all_tasks_are_what_an_address_without_one_shows(open_asked):
    page = open_asked()
    assert page.selectbox(key="live/task").options == ["All tasks", "Flower", "Loan"]
    assert page.selectbox(key="live/task").value is None


def test_a_time_in_which_nothing_was_asked_is_said(open_asked):
    page = open_asked(lambda _meters: None)
    assert "**Nothing was asked in this time.**" in text(page)
    assert metrics(page)["Latency, p50"] == "–"


def test_the_pictures_figures_stand_in_a_table_too(open_asked):
    [table] = [element.value for element in open_asked().dataframe]
    assert list(table["Latency p50 (ms)"]) == [pytest.approx(3.5)]
    assert {"Requests (a second)", "Overhead p99 (ms)", "Agreement", "No consensus"} <= set(table)


def test_the_source_and_a_way_to_a_better_one_are_said(open_asked):
    content = text(open_asked())
    assert "From the service's own metrics, 2 samples" in content
    assert "`CONCORD_PROMETHEUS`" in content


def test_a_service_that_falls_silent_leaves_what_was_seen(service, open_asked):
    page = open_asked()
    service.meters = None
    page.run()
    assert "**The service does not answer just now.**" in text(page)
    assert metrics(page)["Latency, p50"] == "3.50 ms"


def test_a_service_without_metrics_is_said(service, open_live):
    service.meters = None
    page = open_live()
    assert "has no metrics" in text(page)
    assert not page.exception


def test_a_service_that_is_away_is_said(service, open_live):
    service.stop()
    assert "**The consensus service is away.**" in text(open_live())
    service.start()


def test_a_restart_is_no_negative_rate(service, open_asked):
    page = open_asked()
    service.meters = Meters(started=2000.0)
    service.meters.ask(times=2)
    page.run()
    service.meters.ask(times=2)
    page.run()
    [table] = [element.value for element in page.dataframe]
    assert len(table) == 2
    assert (table["Requests (a second)"] > 0).all()


def test_replicas_are_not_mixed_and_the_page_says_that_there_are_more(service, open_live):
    service.replicas = [Meters(1000.0), Meters(2000.0)]
    for place, meters in enumerate(service.replicas):
        meters.ask(times=100 * (place + 1))
    page = open_live()
    for _ in range(3):
        for meters in service.replicas:
            meters.ask(times=10)
        page.run()
    assert "**More than one process answers" in text(page)
    assert metrics(page)["Latency, p50"] == "3.50 ms"


def test_prometheus_is_the_source_where_it_is_configured(prometheus, open_live):
    prometheus.answer = lambda query: 0.012 if "0.99" in query and "overhead" in query else 0.5
    page = open_live(task="flower")
    assert metrics(page)["Overhead, p99"] == "12.0 ms"
    assert metrics(page)["Agreement"] == "50%"
    assert "From Prometheus" in text(page)
    assert {asked["path"] for asked in prometheus.asked} == {"/api/v1/query_range"}
    assert all('task="flower"' in asked["query"] for asked in prometheus.asked[1:])


def test_prometheus_is_asked_once_for_all_sessions(prometheus, open_live):
    open_live()
    asked = len(prometheus.asked)
    open_live()
    assert len(prometheus.asked) == asked == len(series.INDICATORS) + 2


def test_only_the_installations_own_series_are_asked_for(monkeypatch, prometheus, open_live):
    monkeypatch.setenv("CONCORD_PROMETHEUS_NAMESPACE", "concord-test")
    open_live()
    assert all('namespace="concord-test"' in asked["query"] for asked in prometheus.asked)


def test_nothing_asked_is_said_with_prometheus_too(prometheus, open_live):
    prometheus.answer = lambda query: 1.0 if "waiting_rows" in query else 0.0
    assert "**Nothing has been asked yet**" in text(open_live())


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"status": 400}, "no such thing. These figures are from the service itself."),
        ({"body": b"<html>"}, "What answers there is no Prometheus"),
        ({"body": b'{"status": "success"}'}, "What answers there is no Prometheus"),
        ({"body": b"[]"}, "Prometheus refuses a query"),
        ({"answer": lambda _query: None}, "has no metrics of Concord"),
    ],
)
def test_without_prometheus_the_services_own_figures_are_shown(prometheus, open_asked, fault, expected):
    for name, value in fault.items():
        setattr(prometheus, name, value)
    page = open_asked()
    assert "**Without Prometheus for now.**" in text(page)
    assert expected in text(page)
    assert metrics(page)["Latency, p50"] == "3.50 ms"


def test_a_prometheus_out_of_reach_is_left_alone_for_a_while(monkeypatch, open_asked):
    monkeypatch.setenv("CONCORD_PROMETHEUS", "http://127.0.0.1:9")
    page = open_asked()
    assert "Prometheus does not answer" in text(page)
    assert metrics(page)["Latency, p50"] == "3.50 ms"


def test_prometheus_values_that_are_no_numbers_are_no_points(prometheus, open_live):
    prometheus.answer = lambda query: (
        "NaN" if "histogram_quantile" in query else 0.0 if "rate" in query else 1.0
    )
    page = open_live()
    assert metrics(page)["Latency, p50"] == "–"
    assert "**Nothing was asked in this time.**" in text(page)


def test_the_page_speaks_french(open_asked):
    page = open_asked(lang="fr")
    assert metrics(page)["Latence, p50"] == "3,50 ms"
    assert "D’après les métriques du service" in text(page)


def test_all_sessions_share_the_samples():
    looks = []

    def read():
        looks.append(1)
        return Meters().text()

    clock = iter([100.0, 100.0, 100.0, 101.0, 110.0, 110.0, 110.0])
    ring = data.SampleRing(read, lambda: next(clock))
    assert [len(ring.read().samples) for _ in range(3)] == [1, 1, 2]
    assert len(looks) == 2


def test_a_clock_that_was_put_back_does_not_stop_the_samples():
    now = [1000.0]
    ring = data.SampleRing(Meters().text, lambda: now[0])
    ring.read()
    now[0] = 10.0
    assert [sample.time for sample in ring.read().samples] == [10.0]


def test_of_older_times_one_sample_a_minute_is_kept_and_the_ring_is_bounded():
    now = [0.0]
    content = Meters().text()
    ring = data.SampleRing(lambda: content, lambda: now[0])
    for _ in range(8 * 3600 // 5):
        now[0] += 5.0
        ring.read()
    times = [sample.time for sample in ring.read().samples]
    assert times[-1] == now[0]
    assert times[0] >= now[0] - data.KEPT_SECONDS
    assert len(times) <= data.RECENT_SECONDS / 5 + data.KEPT_SECONDS / data.MINUTE + 2
    recent = [at for at in times if at >= now[0] - data.RECENT_SECONDS]
    assert len(recent) >= data.RECENT_SECONDS / 5


def test_a_service_that_starts_again_and_again_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(data, "MOST_SAMPLES", 20)
    now = [0.0]

    def read():
        now[0] += 10.0
        return Meters(started=now[0]).text()

    ring = data.SampleRing(read, lambda: now[0])
    for _ in range(50):
        ring.read()
    samples = ring.read().samples
    assert len(samples) == 20
    assert samples[-1].time == now[0]


def test_reading_the_ring_does_not_wait_for_another_sample():
    ring = data.SampleRing(Meters().text, time.time)
    ring.read()
    with ring._lock:
        assert len(ring.read().samples) == 1


def test_a_failed_sample_is_reported_and_the_next_may_be_good():
    now, answers = [0.0], [ServiceAway("gone"), Meters().text()]

    def read():
        content = answers.pop(0)
        if isinstance(content, ServiceAway):
            raise content
        return content

    ring = data.SampleRing(read, lambda: now[0])
    assert ring.read().problem is not None
    now[0] = 60.0
    reading = ring.read()
    assert (len(reading.samples), reading.problem) == (1, None)
