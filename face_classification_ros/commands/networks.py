"""Compare the cost and the accuracy of networks, or show one network block by block."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from face_classification_ros.commands.common import DONE, loading_tensorflow, needs_extra

_COST_HEADER = f'{"parameters":>11} {"multiply-adds":>13} {"file":>9} {"field":>6} {"latency":>9}'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `networks`."""
    parser.add_argument(
        'names',
        nargs='*',
        metavar='NAME',
        help='name of a network, or a YAML file that describes one (default: all networks of the '
        'package)',
    )
    parser.add_argument(
        '--size',
        type=int,
        metavar='PIXELS',
        help='height and width of the input (default: 48, and 320 for a detector)',
    )
    parser.add_argument(
        '--color',
        choices=('gray', 'bgr'),
        default='gray',
        help='color of the input of a classifier (default: gray); a detector takes bgr',
    )
    parser.add_argument(
        '--heads',
        default='emotion',
        metavar='ATTRIBUTE[=LABELS],...',
        help='attributes that the network classifies; for attributes without a data set in the '
        'package give the number of labels, such as headwear=3 (default: emotion)',
    )
    parser.add_argument(
        '--no-latency', action='store_true', help='do not measure the time per face'
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all numbers as JSON')
    parser.add_argument(
        '--plot', type=Path, metavar='FILE', help='plot accuracy against the number of parameters'
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure and compare networks."""
    if arguments.size is not None and not 32 <= arguments.size <= 512:
        raise ValueError(f'--size {arguments.size} is not between 32 and 512 pixels')
    with needs_extra('train', 'networks'):
        from face_classification_ros.networks.description import network_names, read_network

        # Before TensorFlow is loaded, so that a wrong name is reported immediately.
        descriptions = [read_network(name) for name in arguments.names or network_names()]
    with loading_tensorflow('networks'):
        from face_classification_ros.networks.comparison import (
            compare_networks,
            plot_accuracy,
            read_models,
            read_published,
        )
        from face_classification_ros.networks.cost import check_limits, measure_cost
    from face_classification_ros.inference.model_zoo import models_folder
    from face_classification_ros.io.records import write_json
    from face_classification_ros.progress import progress

    heads = _heads(arguments.heads.split(','))
    costs = [
        measure_cost(
            description,
            _input_shape(arguments, description.is_detector),
            {} if description.is_detector else heads,
            latency=not arguments.no_latency,
        )
        for description in progress(descriptions, 'network')
    ]
    networks = {cost.network for cost in costs}
    models = [model for model in read_models(models_folder()) if model.network in networks]
    # Their costs are for other inputs, so that one table would mislead.
    classifiers = [cost for cost in costs if cost.heads]
    detectors = [cost for cost in costs if not cost.heads]
    groups = [compare_networks(each, models) for each in (classifiers, detectors) if each]
    records = [record for group in groups for record in group]
    if len(records) == 1:
        _print_blocks(records[0])
    for group in groups:
        _print_networks(group)
    if arguments.json:
        write_json(arguments.json, records)
    if arguments.plot:
        plot_accuracy(models, read_published(), arguments.plot)
    for description, cost in zip(descriptions, costs, strict=True):
        check_limits(description, cost)
    return DONE


def _input_shape(arguments: argparse.Namespace, is_detector: bool) -> tuple[int, int, int]:
    size = arguments.size or (320 if is_detector else 48)
    if is_detector and size % 32:
        raise ValueError(f'--size {size} is not a multiple of 32, which a detector needs')
    return size, size, 3 if is_detector or arguments.color == 'bgr' else 1


def _heads(attributes: Sequence[str]) -> dict[str, int]:
    """Return attribute -> number of labels."""
    from face_classification_ros.datasets.registry import LABELS

    heads = {}
    for text in attributes:
        attribute, _, count = text.partition('=')
        if not count and attribute not in LABELS:
            known = ', '.join(LABELS)
            raise ValueError(f'--heads {text}: how many labels? Write {text}=N, or one of {known}')
        if count and (not count.isdecimal() or int(count) < 2):
            raise ValueError(f'--heads {text}: {count!r} is not a number of labels, 2 or more')
        heads[attribute] = int(count) if count else len(LABELS[attribute])
    return heads


def _print_blocks(record: Mapping[str, Any]) -> None:
    print(f'{record["network"]:>24} {"output":>10} {_COST_HEADER}')
    for block in record['blocks']:
        shape = 'x'.join(map(str, block['output_shape']))
        print(f'{block["name"]:>24} {shape:>10} {_cost_columns(block)}')
    print()


def _print_networks(records: Sequence[Mapping[str, Any]]) -> None:
    first = records[0]
    shape = 'x'.join(map(str, first['input_shape']))
    if first['heads']:
        print(
            f'{", ".join(first["heads"])} of a face of {shape}; x: times fewer parameters than; '
            'accuracy: of the best shipped model'
        )
    else:
        print(f'faces in an image of {shape}')
    references = ' '.join(f'{"x " + name:>{len(name) + 2}}' for name in first['reduction'])
    attributes = ' '.join(f'{name:>7}' for name in first['accuracy'])
    print(f'{"network":>24} {_COST_HEADER} {references} {attributes}')
    for record in records:
        reductions = ' '.join(
            f'{reduction:{len(name) + 2}.1f}' for name, reduction in record['reduction'].items()
        )
        accuracies = ' '.join(
            f'{"-" if accuracy is None else format(accuracy, ".1%"):>7}'
            for accuracy in record['accuracy'].values()
        )
        print(f'{record["network"]:>24} {_cost_columns(record)} {reductions} {accuracies}')
    for record in records:
        for model in record['models']:
            for attribute, figures in model['figures'].items():
                print(
                    f'{model["name"]}: {attribute} {figures["accuracy"]:.2%} on '
                    f'{figures["faces"]} faces of {figures["data"]}'
                )


def _cost_columns(record: Mapping[str, Any]) -> str:
    latency = '-' if record['latency_ms'] is None else f'{record["latency_ms"]:.3f} ms'
    return (
        f'{record["parameters"]:11,} {record["multiply_adds"]:13,} '
        f'{record["file_size"] / 1000:6,.0f} kB {record["receptive_field"]:3} px {latency:>9}'
    )
