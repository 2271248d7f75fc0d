"""Comparison of networks by the accuracy of trained models."""

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
    PublishedNetwork,
    read_models,
    read_published,
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
        ('multitask_large', 'sequential_fully_cnn', {'gender': 0.96, 'emotion': 0.68}),
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


def test_model_files_contain_network_and_accuracy(models: list[TrainedModel]) -> None:
    """Network, parameters and figures for each attribute are in the metadata."""
    assert [model.name for model in models] == ['emotion_small', 'gender_small', 'multitask_large']
    assert models[2].network == 'sequential_fully_cnn'
    assert models[2].parameters == 590_495
    assert {name: each['accuracy'] for name, each in models[2].figures.items()} == {
        'gender': 0.96,
        'emotion': 0.68,
    }


def test_networks_are_compared_by_parameters_and_accuracy(models: list[TrainedModel]) -> None:
    """The claim of the paper: 80 times fewer parameters than Tang, 10 times than sequential."""
    cost = measure_cost(read_network('mini_xception'), (48, 48, 1), {'emotion': 7}, latency=False)
    (record,) = compare_networks([cost], models)
    assert record['network'] == 'mini_xception'
    assert record['parameters'] == 58_423
    assert record['reduction']['tang2013'] == pytest.approx(82, abs=1)
    assert record['reduction']['sequential_fully_cnn'] == pytest.approx(10.1, abs=0.1)
    assert record['accuracy'] == {'emotion': 0.66, 'gender': 0.95}
    assert [model['name'] for model in record['models']] == ['emotion_small', 'gender_small']


def test_network_without_models_has_no_accuracy(models: list[TrainedModel]) -> None:
    """None for each attribute of the other models."""
    cost = measure_cost(read_network('tang2013'), (48, 48, 1), {'emotion': 7}, latency=False)
    assert compare_networks([cost], models)[0]['accuracy'] == {'emotion': None, 'gender': None}
    assert compare_networks([cost], [])[0]['accuracy'] == {}


def test_published_networks_have_an_accuracy_of_0_to_1() -> None:
    """The package has those of the literature on FER-2013."""
    published = read_published()
    assert {each.data for each in published} == {'FER-2013'}
    assert all(0 < each.accuracy < 1 for each in published)


def colors_in(path: Path) -> set[tuple[int, ...]]:
    """Return the colors, B, G, R, of an image."""
    return {tuple(color) for color in np.unique(cv2.imread(str(path)).reshape(-1, 3), axis=0)}


def test_plot_contains_our_models_and_published_networks(
    models: list[TrainedModel], tmp_path: Path
) -> None:
    """Ours are blue, published ones gray; each attribute has a diagram."""
    blue, gray = (180, 119, 31), (184, 184, 184)
    published = [
        PublishedNetwork(
            name='other', attribute='emotion', data='faces', parameters=10**6, accuracy=0.7
        )
    ]
    plot_accuracy(models, published, tmp_path / 'both.png')
    assert {blue, gray} <= colors_in(tmp_path / 'both.png')
    plot_accuracy([], published, tmp_path / 'published.png')
    assert blue not in colors_in(tmp_path / 'published.png')
    assert gray in colors_in(tmp_path / 'published.png')
    heights = [cv2.imread(str(path)).shape[0] for path in sorted(tmp_path.glob('*.png'))]
    assert heights == [1200, 600]
