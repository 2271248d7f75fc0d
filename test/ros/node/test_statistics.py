"""Images that were not received are found by the sequence numbers of those that were."""

from __future__ import annotations

from face_classification_ros.ros.node.statistics import ImageStatistics, SequenceGaps

ONE, OTHER = frozenset([b'one']), frozenset([b'other'])


def gaps(*images: tuple[int | None, frozenset[bytes]]) -> list[int | None]:
    """Return the gap before each image, by its number and the publishers at that time."""
    present: frozenset[bytes] = frozenset()
    sequence = SequenceGaps(lambda: present)
    found = []
    for number, present in images:  # noqa: B007
        found.append(sequence.before(number))
    return found


def test_gaps_are_counted_from_the_first_image_on() -> None:
    """Images that were sent before the subscription do not count."""
    assert gaps((7, ONE), (8, ONE), (12, ONE), (13, ONE), (15, ONE)) == [0, 0, 3, 0, 1]


def test_restarted_publisher_starts_again() -> None:
    """Whether its numbers are lower or already higher than those before."""
    assert gaps((7, ONE), (1, OTHER), (3, OTHER)) == [0, 0, 1]
    assert gaps((2, ONE), (9, OTHER), (11, OTHER)) == [0, 0, 1]
    assert gaps((7, ONE), (2, ONE), (4, ONE)) == [0, 0, 1]


def test_gaps_of_several_publishers_are_not_known() -> None:
    """Their numbers cannot be distinguished; with a single publisher they count again."""
    both = ONE | OTHER
    images = [(7, ONE), (1, both), (9, both), (12, ONE), (14, ONE)]
    assert gaps(*images) == [0, None, None, 0, 1]


def test_missing_numbers_are_accepted() -> None:
    """A middleware may have none, and a publisher may be gone when its image arrives."""
    assert gaps((None, ONE), (None, ONE)) == [None, None]
    assert gaps((1, ONE), (4, frozenset())) == [0, None]


def test_every_sent_image_is_accounted_for() -> None:
    """DDS reports losses before or after the gap; the rest of the gap was superseded."""
    statistics = ImageStatistics()
    statistics.record_arrival(0)
    statistics.record_lost(2)
    assert (statistics.sent, statistics.superseded) == (3, 0)
    statistics.record_arrival(5)
    assert (statistics.sent, statistics.superseded, statistics.are_gaps_known) == (7, 3, True)
    statistics.record_arrival(None)
    assert (statistics.sent, statistics.superseded, statistics.are_gaps_known) == (8, 3, False)
