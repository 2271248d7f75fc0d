"""What networks are worth: accuracy of trained models over their number of parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
import json
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
import onnx

from face_classification_ros.networks.builder import build_network
from face_classification_ros.networks.cost import NetworkCost
from face_classification_ros.networks.description import read_network

ATTRIBUTES = ('emotion', 'gender')

REFERENCES = ('tang2013', 'sequential_fully_cnn')
"""Networks that the paper compares its own with."""

_Point = tuple[str, int, float]

PUBLISHED: tuple[_Point, ...] = (
    ("the paper's mini-Xception", 58_423, 65.5),
    ('TinyFER-Lite', 930_000, 67.1),
    ('MicroExpNet', 1_200_000, 71.2),
    ('Tang 2013', 5_000_000, 71.2),
)
"""Name, parameters and accuracy in % of networks for the emotions of FER-2013, as published."""


@dataclass(frozen=True)
class TrainedModel:
    """A model file.

    Attributes:
        name: of the file, without its ending.
        network: what it was trained from.
        parameters: of the network.
        figures: attribute -> `data`, `faces` and `accuracy` (0 to 1), as measured after training.
    """

    name: str
    network: str
    parameters: int
    figures: Mapping[str, Mapping[str, Any]]


def read_models(folder: Path) -> list[TrainedModel]:
    """Read what all model files of a folder say of themselves, in the order of their names."""
    return [_read_model(path) for path in sorted(folder.glob('*.onnx'))]


def _read_model(path: Path) -> TrainedModel:
    properties = {each.key: each.value for each in onnx.load(path).metadata_props}
    figures = json.loads(properties['figures'])
    return TrainedModel(
        path.stem,
        properties['network'],
        int(properties['parameters']),
        {name: figures[name] for name in json.loads(properties['labels']) if name in figures},
    )


def compare_networks(
    costs: Sequence[NetworkCost], models: Sequence[TrainedModel]
) -> list[dict[str, Any]]:
    """Put together what is known of each network.

    Args:
        costs: of the networks, for the same faces and heads.
        models: what was trained from them.

    Returns:
        A record per network, for JSON: the fields of its `NetworkCost`; `reduction`, reference
        network -> how many times fewer parameters the network has; `accuracy`, attribute -> that
        of the best model, or None; `models`, the `name`, `parameters` and `figures` of each.
    """
    references = {
        name: build_network(
            read_network(name), costs[0].input_shape, costs[0].heads
        ).count_params()
        for name in REFERENCES
    }
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
                'accuracy': {
                    attribute: max(
                        (
                            model.figures[attribute]['accuracy']
                            for model in own
                            if attribute in model.figures
                        ),
                        default=None,
                    )
                    for attribute in ATTRIBUTES
                },
                'models': [asdict(model) for model in own],
            }
        )
    return records


def plot_accuracy(models: Sequence[TrainedModel], path: Path) -> None:
    """Draw accuracy over parameters, in one diagram per attribute.

    Args:
        models: one marker each, in the diagram of every attribute that they tell.
        path: of the picture; its ending names the format.

    Raises:
        ValueError: there is no such format.
    """
    ours: dict[str, list[_Point]] = {
        attribute: [
            (model.name, model.parameters, 100 * float(model.figures[attribute]['accuracy']))
            for model in models
            if attribute in model.figures
        ]
        for attribute in ATTRIBUTES
    }
    published = {'emotion': PUBLISHED}
    shown = [each for each in ours if ours[each] or each in published]
    figure = Figure(figsize=(8, 4 * len(shown)), dpi=150, layout='constrained')
    for attribute, axes in zip(
        shown, figure.subplots(len(shown), sharex=True, squeeze=False).flat, strict=True
    ):
        theirs = published.get(attribute, ())
        for points, color, name in (
            (theirs, '0.72', 'published, FER-2013'),
            (ours[attribute], 'tab:blue', 'of this package'),
        ):
            if points:
                _, parameters, accuracies = zip(*points, strict=True)
                axes.scatter(parameters, accuracies, s=45, color=color, label=name, zorder=3)
        low, high = axes.dataLim.intervaly
        # Tenths of a point are noise and must not look like more.
        axes.set(
            title=attribute.capitalize(),
            ylabel='accuracy, %',
            xscale='log',
            ylim=(low - 2, high + 2),
        )
        axes.grid(color='0.92', which='both', zorder=0)
        axes.legend(loc='lower right')
        _label(axes, [*theirs, *ours[attribute]])
    # The labels stand to the right.
    few, many = axes.get_xlim()
    axes.set(xlabel='parameters', xlim=(few / 2, many * 10))
    figure.savefig(path)


def _label(axes: Axes, points: Sequence[_Point]) -> None:
    """Write name and accuracy beside each point, one above the other where points are close."""
    low, high = axes.get_ylim()
    gap = 0.06 * (high - low)
    written: list[tuple[int, float]] = []
    for name, parameters, accuracy in sorted(points, key=lambda point: (point[2], -point[1])):
        height = accuracy
        for beside, below in written:
            if 0.1 < parameters / beside < 10:
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
