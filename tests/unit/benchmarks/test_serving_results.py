"""Results of slices, and the promises that are checked on them."""

import pytest

from benchmarks.serving.report import BEGIN, END, write_markdown
from benchmarks.serving.results import Ratio, percentile, results, shortfalls
from benchmarks.serving.slices import Slice
from benchmarks.serving.stacks import CONCORD, FASTAPI, PLAIN


@pytest.fixture
def make_slice():
    """Factory of slices of one second."""

    def make(stack, requests, turn=0, callers=32, latencies=(1000,), failed=0):
        cpu = requests * 0.0004
        reason = "status 503" if failed else ""
        return Slice(stack, callers, 1, turn, requests, 1.0, latencies, failed, reason, cpu, cpu / 2)

    return make


@pytest.fixture
def good(make_slice):
    """Slices that keep every promise."""
    return [
        make_slice(CONCORD, 4000),
        make_slice(PLAIN, 1000),
        make_slice(FASTAPI, 2000),
        make_slice(CONCORD, 500, callers=1),
    ]


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_a_percentile_is_the_value_that_this_share_does_not_exceed(share, expected):
    assert percentile(range(1, 101), share) == expected


def test_a_ratio_pairs_the_slices_of_a_turn(make_slice):
    concord = [make_slice(CONCORD, rate, turn) for turn, rate in enumerate((4000, 2000, 9000))]
    plain = [make_slice(PLAIN, rate, turn) for turn, rate in enumerate((1000, 1000, 1000))]

    assert results([*concord, *plain])[1].concord_over == Ratio(4.0, 2.0, 9.0)


def test_cpu_is_that_of_one_request(make_slice):
    [result] = results([make_slice(CONCORD, 1000), make_slice(CONCORD, 3000, turn=1)])

    assert (result.front_cpu_ms, result.nodes_cpu_ms) == pytest.approx((0.4, 0.2))


def test_nothing_is_said_where_every_promise_is_kept(good):
    assert shortfalls(results(good)) == []


@pytest.mark.parametrize(
    ("stack", "requests", "callers", "latencies", "failed", "sentence"),
    [
        (PLAIN, 1001, 32, (1000,), 0, "3.996"),
        (FASTAPI, 2001, 32, (1000,), 0, "not 2"),
        (CONCORD, 500, 1, (*[1000] * 98, 5000, 5000), 0, "5.0 times its p50"),
        (PLAIN, 1000, 32, (1000,), 3, "failed 3 of 1003"),
    ],
)
def test_each_broken_promise_is_a_sentence(
    good, make_slice, stack, requests, callers, latencies, failed, sentence
):
    worse = make_slice(stack, requests, callers=callers, latencies=latencies, failed=failed)
    kept = [slice_ for slice_ in good if (slice_.stack, slice_.callers) != (stack, callers)]

    [shortfall] = shortfalls(results([*kept, worse]))

    assert sentence in shortfall


def test_what_was_not_measured_is_not_passed(make_slice):
    assert len(shortfalls(results([make_slice(CONCORD, 1000, callers=8)]))) == 3


def test_markdown_replaces_what_stands_between_the_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")

    write_markdown(page, "new")

    assert page.read_text() == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
