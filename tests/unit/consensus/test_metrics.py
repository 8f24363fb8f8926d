"""A task's counts are there before its first round: from nothing to 1 is no increase to Prometheus."""

from concord.consensus.metrics import declare_task
from concord.observability import exposition

FROM_ZERO = (
    'concord_rounds_total{status="ok",task="unasked"} 0.0',
    'concord_rounds_total{status="degraded",task="unasked"} 0.0',
    'concord_rounds_total{status="no_quorum",task="unasked"} 0.0',
    'concord_round_seconds_count{task="unasked"} 0.0',
    'concord_overhead_seconds_count{task="unasked"} 0.0',
    'concord_agreement_count{task="unasked"} 0.0',
)


def test_a_tasks_counts_begin_at_zero():
    assert 'task="unasked"' not in exposition.render("consensus")[0].decode()
    declare_task("unasked")
    assert set(FROM_ZERO) <= set(exposition.render("consensus")[0].decode().splitlines())
