"""Visualize what a network reacts to: guided back-propagation, gradients and Grad-CAM."""

from collections.abc import Mapping, Sequence

METHODS = ('guided', 'gradient', 'grad_cam')
"""Guided back-propagation, the plain gradient, Grad-CAM."""


def default_attribute(labels: Mapping[str, Sequence[str]]) -> str:
    """Return the attribute that is explained unless another one is chosen, "" if there is none.

    It is the first one with more than two labels, if there is one: of two, what speaks for one
    speaks against the other.

    Args:
        labels: attribute -> its labels.
    """
    several = [name for name, each in labels.items() if len(each) > 2]
    return next(iter([*several, *labels]), '')
