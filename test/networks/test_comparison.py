"""Networks are compared by the accuracy of what was trained from them."""

from collections.abc import Callable
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('tensorflow', reason='needs the extra [train]')

from face_classification_ros.networks.comparison import (
    compare_networks,
    plot_accuracy,
    read_models,
    TrainedModel,
)
from face_classification_ros.networks.cost import measure_cost
from face_classification_ros.networks.description import read_network

GENDERS, EMOTIONS = ['woman', 'man'], ['happy', 'sad']


@pytest.fixture
def models(make_model: Callable[..., Path], tmp_path: Path) -> list[TrainedModel]:
    """Read three model files: one per attribute, and one for both."""
    for name, network, accuracies in (
        ('emotion_small', 'mini_xception', {'emotion': 0.66}),
        ('gender_small', 'mini_xception', {'gender': 0.95}),
        ('blended_large', 'sequential_fully_cnn', {'gender': 0.96, 'emotion': 0.68}),
    ):
        labels = {
            attribute: GENDERS if attribute == 'gender' else EMOTIONS for attribute in accuracies
        }
        figures = {
            attribute: {'data': 'faces', 'faces': 100, 'accuracy': accuracy}
            for attribute, accuracy in accuracies.items()
        }
        make_model(
            labels,
            name=f'{name}.onnx',
            metadata={
                'labels': json.dumps(labels),
                'network': network,
                'parameters': '58423' if network == 'mini_xception' else '590495',
                'figures': json.dumps(figures),
            },
        )
    return read_models(tmp_path)


def test_model_files_say_what_they_were_trained_from(models: list[TrainedModel]) -> None:
    """Network, parameters and a figure for every attribute stand in the file."""
    assert [model.name for model in models] == ['blended_large', 'emotion_small', 'gender_small']
    assert models[0].network == 'sequential_fully_cnn'
    assert models[0].parameters == 590_495
    assert {name: each['accuracy'] for name, each in models[0].figures.items()} == {
        'gender': 0.96,
        'emotion': 0.68,
    }


def test_a_network_is_compared_by_parameters_and_accuracy(models: list[TrainedModel]) -> None:
    """The paper's claim: 80 times fewer parameters than Tang's, 10 times than the sequential."""
    cost = measure_cost(read_network('mini_xception'), (48, 48, 1), {'emotion': 7}, latency=False)
    (record,) = compare_networks([cost], models)
    assert record['network'] == 'mini_xception'
    assert record['parameters'] == 58_423
    assert record['reduction']['tang2013'] == pytest.approx(82, abs=1)
    assert record['reduction']['sequential_fully_cnn'] == pytest.approx(10.1, abs=0.1)
    assert record['accuracy'] == {'emotion': 0.66, 'gender': 0.95}
    assert [model['name'] for model in record['models']] == ['emotion_small', 'gender_small']


def test_a_network_that_nothing_was_trained_from_has_no_accuracy() -> None:
    """None, not 0."""
    cost = measure_cost(read_network('mini_xception'), (48, 48, 1), {'emotion': 7}, latency=False)
    assert compare_networks([cost], [])[0]['accuracy'] == {'emotion': None, 'gender': None}


def colors_in(path: Path) -> set[tuple[int, ...]]:
    """Give the colors, B, G, R, of a picture."""
    return {tuple(color) for color in np.unique(cv2.imread(str(path)).reshape(-1, 3), axis=0)}


def test_the_diagram_shows_our_models_beside_what_was_published(
    models: list[TrainedModel], tmp_path: Path
) -> None:
    """Ours are blue, others gray; an attribute without models has no diagram of its own."""
    blue, gray = (180, 119, 31), (184, 184, 184)
    plot_accuracy(models, tmp_path / 'both.png')
    assert {blue, gray} <= colors_in(tmp_path / 'both.png')
    plot_accuracy([], tmp_path / 'published.png')
    assert blue not in colors_in(tmp_path / 'published.png')
    assert gray in colors_in(tmp_path / 'published.png')
    heights = [cv2.imread(str(path)).shape[0] for path in sorted(tmp_path.glob('*.png'))]
    assert heights == [1200, 600]
