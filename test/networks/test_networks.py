"""The networks are those of the paper."""

import numpy as np
import pytest

pytest.importorskip('keras', reason='needs the extra [train]')

from face_classification_ros.networks.registry import build_network


@pytest.mark.parametrize(('classes', 'parameters'), [(7, 58_423), (2, 52_658)])
def test_mini_xception_has_the_parameters_of_the_paper(classes: int, parameters: int) -> None:
    """Trainable and running parameters together, for a grey picture of 64 pixels."""
    network = build_network('mini_xception', (64, 64, 1), classes, head='emotion')
    assert network.count_params() == parameters


@pytest.mark.parametrize('side', [48, 49, 64])
def test_mini_xception_takes_faces_of_any_side(side: int) -> None:
    """One logit per class and face, whatever the size of the picture."""
    network = build_network('mini_xception', (side, side, 1), 7, head='emotion')
    assert network(np.zeros((3, side, side, 1), np.float32)).shape == (3, 7)


def test_an_unknown_network_is_named_with_those_there_are() -> None:
    """A typing error in a recipe is answered with what can be chosen."""
    with pytest.raises(ValueError, match=r"'mini_exception'; there are: mini_xception"):
        build_network('mini_exception', (48, 48, 1), 7, head='emotion')
