"""Assign detections to tracks at the lowest total cost."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def assign(costs: NDArray[np.float64], unmatched: float) -> list[tuple[int, int]]:
    """Assign rows to columns, each at most once, so that the sum of the costs is minimal.

    The Hungarian method with shortest augmenting paths (Kuhn 1955; Jonker and Volgenant 1987), as
    `scipy.optimize.linear_sum_assignment`: a robot needs SciPy for nothing else. There are few
    faces in view, so it takes less time than the smallest part of a detector.

    Args:
        costs: rows x columns; infinite where the two may not be assigned.
        unmatched: cost of a row without a column, finite.

    Returns:
        (row, column) of each pair, sorted by row.
    """
    rows, columns = costs.shape
    # Each row has a column of its own that stands for being alone, so that there is always a way.
    padded = np.full((rows, columns + rows), np.inf)
    padded[:, :columns] = costs
    padded[np.arange(rows), columns + np.arange(rows)] = unmatched
    # Column 0 holds the row that is being assigned; rows and columns are numbered from 1.
    row_prices, column_prices = np.zeros(rows + 1), np.zeros(columns + rows + 1)
    row_of = np.zeros(columns + rows + 1, int)
    for row in range(1, rows + 1):
        row_of[0], column = row, 0
        least = np.full(columns + rows + 1, np.inf)
        came_from = np.zeros(columns + rows + 1, int)
        done = np.zeros(columns + rows + 1, bool)
        while row_of[column] or column == 0:
            done[column] = True
            reduced = padded[row_of[column] - 1] - row_prices[row_of[column]] - column_prices[1:]
            nearer = ~done[1:] & (reduced < least[1:])
            least[1:][nearer], came_from[1:][nearer] = reduced[nearer], column
            column = int(np.where(done, np.inf, least).argmin())
            step = least[column]
            row_prices[row_of[done]] += step
            column_prices[done] -= step
            least[~done] -= step
        while column:
            before = came_from[column]
            row_of[column], column = row_of[before], before
    return sorted(
        (int(row_of[column]) - 1, column - 1) for column in range(1, columns + 1) if row_of[column]
    )
