"""Compare networks: accuracy of trained models over the number of parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
import json
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
import onnx
from pydantic import BaseModel, ConfigDict

from face_classification_ros.inference.model_zoo import share_folder
from face_classification_ros.networks.builder import build_network
from face_classification_ros.networks.cost import NetworkCost
from face_classification_ros.networks.description import read_network
from face_classification_ros.networks.settings import read_settings

REFERENCES = ('tang2013', 'sequential_fully_cnn')
"""Networks with which the paper compares its own."""

PUBLISHED = Path('config', 'published_networks.yaml')
"""Networks of the literature, relative to the share folder."""

_Point = tuple[str, int, float]


class PublishedNetwork(BaseModel):
    """A network of the literature.

    Attributes:
        name: of the network.
        attribute: that it estimates.
        data: on which its accuracy was measured.
        parameters: their number.
        accuracy: 0 to 1.
    """

    model_config = ConfigDict(extra='forbid', frozen=True)

    name: str
    attribute: str
    data: str
    parameters: int
    accuracy: float


class _Published(BaseModel):
    networks: tuple[PublishedNetwork, ...]


@dataclass(frozen=True)
class TrainedModel:
    """A model file.

    Attributes:
        name: of the file, without its suffix.
        network: its name.
        parameters: of the network.
        figures: attribute -> `data`, `faces` and `accuracy` (0 to 1), as measured after training;
            empty for a detector.
    """

    name: str
    network: str
    parameters: int
    figures: Mapping[str, Mapping[str, Any]]


def read_models(folder: Path) -> list[TrainedModel]:
    """Read the metadata of all model files in a folder, in the order of their names."""
    return [_read_model(path) for path in sorted(folder.glob('*.onnx'))]


def read_published() -> tuple[PublishedNetwork, ...]:
    """Return the networks of the literature to which trained models are compared."""
    return read_settings(share_folder() / PUBLISHED, _Published).networks


def compare_networks(
    costs: Sequence[NetworkCost], models: Sequence[TrainedModel]
) -> list[dict[str, Any]]:
    """Combine cost and accuracy of each network.

    Args:
        costs: of classifiers for the same faces and heads, or of detectors for the same images.
        models: trained with these networks.

    Returns:
        A record per network, for JSON: the fields of its `NetworkCost`; `reduction`, reference
        network -> how many times fewer parameters the network has, empty for detectors;
        `accuracy`, for each attribute of the models that of the network's best one, or None;
        `models`, the `name`, `parameters` and `figures` of each.
    """
    references = {
        name: build_network(
            read_network(name), costs[0].input_shape, costs[0].heads
        ).count_params()
        for name in REFERENCES
        if costs[0].heads
    }
    # Detectors have no attributes.
    attributes = _attributes(models) if costs[0].heads else []
    records = []
    for cost in costs:
        own = [model for model in models if model.network == cost.network]
        records.append(
            {
                **asdict(cost),
                'parameters': cost.parameters,
                'multiply_adds': cost.multiply_adds,
                'receptive_field': cost.receptive_field,
                'file_size': cost.file_size,
                'latency_ms': cost.latency_ms,
                'reduction': {
                    name: parameters / cost.parameters for name, parameters in references.items()
                },
                'accuracy': {attribute: _best(own, attribute) for attribute in attributes},
                'models': [asdict(model) for model in own],
            }
        )
    return records


def plot_accuracy(
    models: Sequence[TrainedModel], published: Sequence[PublishedNetwork], path: Path
) -> None:
    """Draw accuracy over parameters, in one diagram per attribute; create the folder.

    Args:
        models: one marker each, in the diagrams of their attributes.
        published: networks of the literature, in gray.
        path: of the diagram; its suffix is the format.

    Raises:
        ValueError: the format is unknown.
    """
    ours: dict[str, list[_Point]] = {}
    theirs: dict[str, list[_Point]] = {}
    for network in published:
        theirs.setdefault(network.attribute, []).append(
            (network.name, network.parameters, 100 * network.accuracy)
        )
    for model in models:
        for attribute, figures in model.figures.items():
            ours.setdefault(attribute, []).append(
                (model.name, model.parameters, 100 * float(figures['accuracy']))
            )
    shown = list(theirs | ours)
    figure = Figure(figsize=(8, 4 * len(shown)), dpi=150, layout='constrained')
    for attribute, axes in zip(
        shown, figure.subplots(len(shown), sharex=True, squeeze=False).flat, strict=True
    ):
        _draw_points(axes, ours.get(attribute, []), theirs.get(attribute, []))
        axes.set_title(attribute.capitalize())
    # Leave room for the names to the right of the points.
    few, many = axes.get_xlim()
    axes.set(xlabel='parameters', xlim=(few / 2, many * 10))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _read_model(path: Path) -> TrainedModel:
    properties = {each.key: each.value for each in onnx.load(path).metadata_props}
    # A detector has no labels, and its figures depend on the scenes.
    figures = json.loads(properties.get('figures', '{}'))
    labels = json.loads(properties.get('labels', '{}'))
    return TrainedModel(
        path.stem,
        properties['network'],
        int(properties['parameters']),
        {name: figures[name] for name in labels if name in figures},
    )


def _attributes(models: Sequence[TrainedModel]) -> list[str]:
    return list(dict.fromkeys(attribute for model in models for attribute in model.figures))


def _best(models: Sequence[TrainedModel], attribute: str) -> float | None:
    accuracies = [
        model.figures[attribute]['accuracy'] for model in models if attribute in model.figures
    ]
    return max(accuracies, default=None)


def _draw_points(axes: Axes, ours: Sequence[_Point], theirs: Sequence[_Point]) -> None:
    for points, color, name in (
        (theirs, '0.72', 'published'),
        (ours, 'tab:blue', 'of this package'),
    ):
        if points:
            _, parameters, accuracies = zip(*points, strict=True)
            axes.scatter(parameters, accuracies, s=45, color=color, label=name, zorder=3)
    low, high = axes.dataLim.intervaly
    # A wide range: tenths of a point are noise and must not dominate the diagram.
    axes.set(ylabel='accuracy, %', xscale='log', ylim=(low - 2, high + 2))
    axes.grid(color='0.92', which='both', zorder=0)
    axes.legend(loc='lower right')
    _label(axes, [*theirs, *ours])


def _label(axes: Axes, points: Sequence[_Point]) -> None:
    """Write name and accuracy next to each point, stacked where points are close."""
    low, high = axes.get_ylim()
    gap = 0.06 * (high - low)
    written: list[tuple[int, float]] = []
    for name, parameters, accuracy in sorted(points, key=lambda point: (point[2], -point[1])):
        height = accuracy
        for neighbor, below in written:
            if 0.1 < parameters / neighbor < 10:
                height = max(height, below + gap)
        written.append((parameters, height))
        axes.annotate(
            f'{name}  {accuracy:.1f} %',
            (parameters, accuracy),
            (parameters * 1.25, height),
            va='center',
            fontsize=9,
            arrowprops={'arrowstyle': '-', 'color': '0.8', 'shrinkA': 0, 'relpos': (0, 0.5)},
        )
