"""How many random cases the invariants I1 to I13 are checked on. Each property checks its own number."""

import pytest
from hypothesis import strategies as st

from tests.unit.ledger import test_ledger_machine
from tests.unit.policies import test_scoring, test_stake, test_voting
from tests.unit.properties import Properties, invariants
from tests.unit.settlement import test_batch, test_label_settlement

MODULES = (test_stake, test_voting, test_scoring, test_label_settlement, test_batch)


def test_the_full_slow_suite_checks_the_invariants_on_ten_thousand_random_cases_and_more():
    """Properties that name no invariant are not counted."""
    cases = {
        module.__name__.rsplit(".")[-1]: sum(
            property_.cases for property_ in module.properties if property_.invariants
        )
        for module in MODULES
    }
    cases["test_ledger_machine"] = test_ledger_machine.MANY
    assert sum(cases.values()) >= 10_000, cases


@pytest.mark.parametrize("number", range(1, 14))
def test_every_invariant_of_the_specification_has_a_property(number):
    named = [property_.invariants for module in MODULES for property_ in module.properties]
    assert number in set().union(invariants(test_ledger_machine.__doc__), *named)


def test_a_property_that_gets_fewer_cases_than_it_claims_is_broken():
    properties = Properties()
    properties(st.permutations(range(3)), many=400)(lambda _order: None)
    with pytest.raises(AssertionError, match=r"6 of \d+ cases"):
        properties[0].check()
