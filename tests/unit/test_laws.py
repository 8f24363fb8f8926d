"""How many random cases the invariants I1 to I13 are checked on."""

import pytest

from tests.unit import test_pool, test_reckoning, test_settlement, test_skill, test_stake
from tests.unit.ledger import test_ledger_machine

MODULES = (test_stake, test_pool, test_skill, test_reckoning, test_settlement)


def test_the_slow_suite_checks_the_laws_on_ten_thousand_random_cases_and_more():
    cases = {module.__name__.rsplit(".")[-1]: sum(one.cases for one in module.law) for module in MODULES}
    cases["test_ledger_machine"] = test_ledger_machine.MANY
    assert sum(cases.values()) >= 10_000, cases


@pytest.mark.parametrize("number", range(1, 14))
def test_every_invariant_of_the_specification_has_a_law(number):
    said = [one.check.__doc__ or "" for module in MODULES for one in module.law]
    said.append(test_ledger_machine.__doc__)
    assert any(f"I{number}." in text for text in said)
