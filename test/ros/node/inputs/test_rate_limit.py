"""Images are admitted by their stamps."""

from __future__ import annotations

from face_classification_ros.ros.node.inputs.rate_limit import RateLimit


def admitted(rate: float, *stamps: float) -> list[float]:
    """Return the stamps that are admitted."""
    limit = RateLimit()
    return [stamp for stamp in stamps if limit.admit(stamp, rate)]


def test_without_a_limit_every_image_is_admitted() -> None:
    """A rate of 0 is no limit."""
    assert admitted(0.0, 1.0, 1.0, 1.001) == [1.0, 1.0, 1.001]


def test_images_within_the_period_are_not_admitted() -> None:
    """The period starts at the last admitted image, and jitter does not double it."""
    assert admitted(2.0, 1.0, 1.1, 1.4996, 1.6, 2.0) == [1.0, 1.4996, 2.0]


def test_stamps_that_are_constant_or_go_back_are_admitted() -> None:
    """They say nothing about the rate of the camera."""
    assert admitted(2.0, 0.0, 0.0, 5.0, 1.0, 1.1) == [0.0, 0.0, 5.0, 1.0]


def test_image_that_is_canceled_does_not_count() -> None:
    """The period is that of the image before, so that the next image is admitted."""
    limit = RateLimit()
    assert limit.admit(1.0, 2.0)
    assert limit.admit(1.5, 2.0)
    limit.cancel()
    assert not limit.admit(1.4, 2.0)
    assert limit.admit(1.6, 2.0)
