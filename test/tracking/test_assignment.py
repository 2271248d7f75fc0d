"""The assignment has the minimum cost, which the tests find by brute force."""

import itertools

import numpy as np
import pytest

from face_classification_ros.tracking.assignment import assign

ALONE = 5.0


def total(costs: np.ndarray, pairs: list[tuple[int, int]]) -> float:
    """Return the cost of an assignment."""
    return sum(costs[pair] for pair in pairs) + ALONE * (len(costs) - len(pairs))


def minimum(costs: np.ndarray) -> float:
    """Return the minimum cost of all assignments; -1 is unassigned."""
    rows, columns = costs.shape
    ways = itertools.product(range(-1, columns), repeat=rows)
    pairings = (
        [(row, column) for row, column in enumerate(way) if column >= 0]
        for way in ways
        if len({c for c in way if c >= 0}) == sum(c >= 0 for c in way)
    )
    return min(total(costs, pairs) for pairs in pairings)


@pytest.mark.parametrize('shape', [(0, 0), (0, 3), (3, 0), (1, 1), (2, 4), (4, 2), (4, 4)])
def test_cost_is_the_minimum(shape: tuple[int, int]) -> None:
    """With more rows than columns, with fewer, and with impossible pairs."""
    random = np.random.default_rng(0)
    for _ in range(20):
        costs = random.uniform(0, 6, shape)
        costs[random.random(shape) < 0.3] = np.inf
        pairs = assign(costs, ALONE)
        assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
        assert total(costs, pairs) == pytest.approx(minimum(costs))


def test_assignment_is_not_greedy() -> None:
    """The cheapest pair is not used if the others would remain unassigned."""
    costs = np.array([[0.8, np.inf], [0.1, 0.8]])
    assert assign(costs, ALONE) == [(0, 0), (1, 1)]
