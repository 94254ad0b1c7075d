"""What bytes of clients cost at each place where they come in, beside a plain request.

python -m bench.cost [--most BYTES] [--rows ROWS] [--only TEXT]

Each place is driven with what is worst for something that looks at a text, up to its limit.
Shown are those that cost most CPU a KB, then those whose cost grows fastest when the input
doubles: 2 is in proportion, 4 with the square.
"""

import argparse
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table as Grid

from tests.edge.costs import Cost, Costs, measured

console = Console(width=130)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=2**16, help="bytes of each text, at most")
    parser.add_argument("--rows", type=int, default=10, help="rows of each table")
    parser.add_argument("--only", default="", help="only places whose name has this text")
    asked = parser.parse_args()
    costs = Costs()
    found = [measured(case, asked.most) for case in costs.cases() if asked.only in case.place]
    places = {cost.case.place for cost in found}
    plain = costs.plain() * 1e3
    console.print(f"{len(found)} cases in {len(places)} places; a plain GET: {plain:.2f} ms of CPU")
    show("most CPU a KB", found, lambda cost: cost.milliseconds_per_kb, asked.rows, plain)
    grown = [cost for cost in found if cost.growth is not None]
    show("fastest growth", grown, lambda cost: cost.growth or 0, asked.rows, plain)


def show(
    title: str, found: Sequence[Cost], by: Callable[[Cost], float], rows: int, plain: float
) -> None:
    grid = Grid("place", "filled with", "bytes", "ms", "ms a KB", "plain GETs", "growth")
    grid.title = title
    for cost in sorted(found, key=by, reverse=True)[:rows]:
        taken = cost.taken * 1e3
        grid.add_row(
            cost.case.place,
            cost.case.kind,
            str(cost.size),
            f"{taken:.1f}",
            f"{cost.milliseconds_per_kb:.2f}",
            f"{taken / plain:.0f}",
            "-" if cost.growth is None else f"{cost.growth:.1f}",
        )
    console.print(grid)


if __name__ == "__main__":
    main()
