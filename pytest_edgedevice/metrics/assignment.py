"""The pairing of rows and columns with the largest sum of weights.

Owns the search: rows that want different columns have them at once, the others are
fitted in by shortest augmenting paths. Knows numpy only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from pytest_edgedevice.metrics.sums import Floats

Positions = npt.NDArray[np.intp]


def best_assignment(weights: Floats) -> tuple[Positions, Positions]:
    """Rows and columns of the pairing with the largest sum; pairs of weight 0 are none.

    Args:
        weights: 0 or more, shape (n, m).

    Returns:
        Rows, rising, and the column of each.

    Source:
        Crouse: On implementing 2D rectangular assignment algorithms, 2016.
    """
    rows, columns = np.flatnonzero(weights.any(axis=1)), np.flatnonzero(weights.any(axis=0))
    part = weights[np.ix_(rows, columns)]
    pairs = [(row, column) for column, row in _paths(-part.T)] if len(rows) > len(columns) else _paths(-part)
    found = np.array(sorted(pair for pair in pairs if part[pair] > 0), np.intp).reshape(-1, 2)
    return rows[found[:, 0]], columns[found[:, 1]]


def _paths(cost: Floats) -> list[tuple[int, int]]:
    """Shortest augmenting paths for no more rows than columns; the smallest sum of costs."""
    rows, columns = cost.shape
    row_of, column_of = np.full(columns, -1), np.full(rows, -1)
    if not rows:
        return []
    liked = cost.argmin(axis=1)
    row_price, column_price = cost[np.arange(rows), liked], np.zeros(columns)
    wanted, first = np.unique(liked, return_index=True)
    row_of[wanted], column_of[first] = first, wanted  # each column to the first row that likes it best
    for start in np.flatnonzero(column_of < 0).tolist():
        near = np.full(columns, np.inf)  # cost of the shortest path to each column
        before = np.full(columns, -1)
        done = np.zeros(columns, bool)
        seen = [start]
        row, reach = start, 0.0
        while True:
            step = reach + cost[row] - row_price[row] - column_price
            closer = (step < near) & ~done
            near[closer] = step[closer]
            before[closer] = row
            open_near = np.where(done, np.inf, near)
            column = int(open_near.argmin())
            reach = float(open_near[column])
            ties = np.flatnonzero((open_near == reach) & (row_of < 0))
            column = int(ties[0]) if ties.size else column  # a free column ends the path
            done[column] = True
            if row_of[column] < 0:
                break
            row = int(row_of[column])
            seen.append(row)
        for other in seen:
            row_price[other] += reach - (near[column_of[other]] if other != start else 0.0)
        column_price[done] -= reach - near[done]
        while True:  # swap along the path
            row = int(before[column])
            row_of[column] = row
            column_of[row], column = column, int(column_of[row])
            if row == start:
                break
    return [(row, int(column_of[row])) for row in range(rows)]
