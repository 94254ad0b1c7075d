"""What a request costs grows in proportion to its bytes, whatever stands in it (section 6, Cost).

`python -m bench.cost` prints what each place costs.
"""

import pytest

from tests.edge.costs import Costs, measured

MOST = 2**13
"""Bytes of each text, at most; half as many are compared with them."""
TOO_FAST = 3.2
"""Growth from half to the whole: 2 in proportion, 4 with the square."""


@pytest.mark.slow
def test_nothing_grows_faster_than_what_is_sent():
    costs = [measured(case, MOST) for case in Costs().cases()]
    grown = [cost for cost in costs if cost.growth is not None and cost.growth > TOO_FAST]
    assert not [f"{cost.case.place}, {cost.case.kind}: {cost.growth:.1f}" for cost in grown]
