"""How many random cases the invariants I1 to I13 are checked on. Each law sees to its own number."""

import pytest
from hypothesis import strategies as st

from tests.unit import test_pool, test_reckoning, test_settlement, test_skill, test_stake
from tests.unit.laws import Laws, invariants
from tests.unit.ledger import test_ledger_machine

MODULES = (test_stake, test_pool, test_skill, test_reckoning, test_settlement)


def test_the_full_slow_suite_checks_the_invariants_on_ten_thousand_random_cases_and_more():
    """Laws that name no invariant are not counted."""
    cases = {
        module.__name__.rsplit(".")[-1]: sum(one.cases for one in module.law if one.invariants)
        for module in MODULES
    }
    cases["test_ledger_machine"] = test_ledger_machine.MANY
    assert sum(cases.values()) >= 10_000, cases


@pytest.mark.parametrize("number", range(1, 14))
def test_every_invariant_of_the_specification_has_a_law(number):
    named = [one.invariants for module in MODULES for one in module.law]
    assert number in set().union(invariants(test_ledger_machine.__doc__), *named)


def test_a_law_that_gets_fewer_cases_than_it_claims_is_broken():
    laws = Laws()
    laws(st.permutations(range(3)), many=400)(lambda _order: None)
    with pytest.raises(AssertionError, match=r"6 of \d+ cases"):
        laws[0].check()
