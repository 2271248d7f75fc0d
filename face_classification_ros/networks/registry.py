"""The networks by name."""

from __future__ import annotations

from typing import Protocol

import keras

from face_classification_ros.networks.mini_xception import mini_xception


class Network(Protocol):
    """A function that builds a network for an input shape and a number of classes."""

    def __call__(
        self, input_shape: tuple[int, int, int], classes: int, *, head: str
    ) -> keras.Model:
        """Build it; see `build_network`."""
        ...


NETWORKS: dict[str, Network] = {'mini_xception': mini_xception}


def build_network(
    name: str, input_shape: tuple[int, int, int], classes: int, *, head: str
) -> keras.Model:
    """Build a network by its name.

    Raises:
        ValueError: no network has this name.
    """
    if name not in NETWORKS:
        raise ValueError(f'unknown network {name!r}; there are: {", ".join(sorted(NETWORKS))}')
    return NETWORKS[name](input_shape, classes, head=head)
