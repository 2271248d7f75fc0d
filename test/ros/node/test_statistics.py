"""Pictures that did not come are found by the numbers of those that did."""

from __future__ import annotations

from face_classification_ros.ros.node.statistics import ImageStatistics, SequenceGaps

ONE, OTHER = frozenset([b'one']), frozenset([b'other'])


def found(*pictures: tuple[int | None, frozenset[bytes]]) -> list[int | None]:
    """Give what was missing before each of the pictures, by number and who publishes then."""
    publishing: frozenset[bytes] = frozenset()
    gaps = SequenceGaps(lambda: publishing)
    missing = []
    for number, publishing in pictures:  # noqa: B007
        missing.append(gaps.before(number))
    return missing


def test_gaps_are_counted_from_the_first_picture_on() -> None:
    """What was sent before the node listened is nothing that it missed."""
    assert found((7, ONE), (8, ONE), (12, ONE), (13, ONE), (15, ONE)) == [0, 0, 3, 0, 1]


def test_a_restarted_publisher_begins_anew() -> None:
    """Whether its numbers are lower or already higher than those of the one before."""
    assert found((7, ONE), (1, OTHER), (3, OTHER)) == [0, 0, 1]
    assert found((2, ONE), (9, OTHER), (11, OTHER)) == [0, 0, 1]
    assert found((7, ONE), (2, ONE), (4, ONE)) == [0, 0, 1]


def test_gaps_of_several_publishers_are_not_known() -> None:
    """Their numbers cannot be told apart; once there is one alone, they count again."""
    both = ONE | OTHER
    pictures = [(7, ONE), (1, both), (9, both), (12, ONE), (14, ONE)]
    assert found(*pictures) == [0, None, None, 0, 1]


def test_numbers_that_are_not_available_are_done_without() -> None:
    """A middleware may have none, and a publisher may be gone when its picture is looked at."""
    assert found((None, ONE), (None, ONE)) == [None, None]
    assert found((1, ONE), (4, frozenset())) == [0, None]


def test_every_picture_that_was_sent_is_accounted_for() -> None:
    """Lost ones are told by DDS, before or after the gap is seen; the rest of it was replaced."""
    counts = ImageStatistics()
    counts.record_arrival(0)
    counts.lost += 2
    assert (counts.sent, counts.superseded) == (3, 0)
    counts.record_arrival(5)
    assert (counts.sent, counts.superseded, counts.are_gaps_known) == (7, 3, True)
    counts.record_arrival(None)
    assert (counts.sent, counts.superseded, counts.are_gaps_known) == (8, 3, False)
