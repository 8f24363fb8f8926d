"""The place of a row among those like it is counted right in any order and any batches."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.data.database.occurrences import Occurrences


@given(st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=30), max_size=12))
def test_each_row_is_told_how_many_like_it_came_before(batches):
    counting, seen = Occurrences(), []
    for batch in batches:
        found = counting.count(np.array(batch, dtype=np.uint64))
        assert found == [(seen + batch[:place]).count(one) for place, one in enumerate(batch)]
        seen += batch
    assert len(counting) == len(seen)


def test_a_million_rows_are_looked_up_in_few_runs():
    counting = Occurrences()
    for start in range(0, 100_000, 1000):
        counting.count(np.arange(start, start + 1000, dtype=np.uint64))
    assert len(counting._runs) <= 7
    assert counting.count(np.array([5, 99_999, 100_000], dtype=np.uint64)) == [1, 1, 0]
