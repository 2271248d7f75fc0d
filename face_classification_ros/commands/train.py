"""Train a classifier or a detector from a recipe and export it as a model file."""

from __future__ import annotations

import argparse
from pathlib import Path

from face_classification_ros.commands.common import DONE, needs_extra


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `train`."""
    parser.add_argument(
        'recipe', type=Path, metavar='RECIPE', help='a YAML file that describes the training'
    )
    parser.add_argument(
        '--data',
        type=Path,
        required=True,
        nargs='+',
        metavar='DIR',
        help='train on these data sets; a multi-task network needs one for each attribute, a '
        'detector one of labeled scenes',
    )
    parser.add_argument(
        '--output',
        type=Path,
        required=True,
        metavar='DIR',
        help='write the results to this folder',
    )
    parser.add_argument(
        '--resume', action='store_true', help='continue an interrupted run in the output folder'
    )
    parser.add_argument(
        '--teacher',
        type=Path,
        metavar='MODEL',
        help='train a detector on the predictions of this model file for the detector yunet',
    )
    parser.add_argument(
        '--init-from',
        metavar='RUN',
        help='start with the weights of another run, given by its output folder, a model file or '
        'the name of a shipped model',
    )
    parser.add_argument(
        '--cluster-hosts',
        nargs='+',
        default=[],
        metavar='HOST:PORT',
        help='train together with these machines, in a network that you trust; run the same '
        'command on each of them',
    )
    parser.add_argument(
        '--task-index',
        type=int,
        metavar='N',
        help='index of this machine in --cluster-hosts; 0 writes the results',
    )


def run(arguments: argparse.Namespace) -> int:
    """Train and export a classifier or a detector."""
    with needs_extra('train', 'training'):
        from face_classification_ros.training.detector_recipe import is_detector_recipe
    if is_detector_recipe(arguments.recipe):
        return _train_detector(arguments)
    if arguments.teacher is not None:
        raise ValueError(
            '--teacher is for a detector; a recipe names the teachers of a classifier'
        )
    return _train_classifier(arguments)


def _train_detector(arguments: argparse.Namespace) -> int:
    with needs_extra('train', 'training'):
        from face_classification_ros.training.detector_recipe import read_detector_recipe
        from face_classification_ros.training.detector_trainer import train_detector

    if arguments.teacher is None:
        raise ValueError('a detector needs --teacher, the model file by which it is trained')
    if arguments.init_from or arguments.cluster_hosts or arguments.task_index is not None:
        raise ValueError('--init-from and --cluster-hosts are for classifiers')
    if len(arguments.data) != 1:
        raise ValueError(f'a detector needs one data set, not {len(arguments.data)}')
    model = train_detector(
        read_detector_recipe(arguments.recipe),
        arguments.data[0],
        arguments.teacher,
        arguments.output,
        resume=arguments.resume,
    )
    print(model)
    return DONE


def _train_classifier(arguments: argparse.Namespace) -> int:
    with needs_extra('train', 'training'):
        from face_classification_ros.training.distributed import Cluster
        from face_classification_ros.training.recipe import read_recipe
        from face_classification_ros.training.trainer import train
    from face_classification_ros.inference.model_zoo import model_path

    if bool(arguments.cluster_hosts) != (arguments.task_index is not None):
        raise ValueError('--cluster-hosts and --task-index are used together')
    recipe = read_recipe(arguments.recipe)
    init_from = arguments.init_from
    if init_from is not None:
        init_from = Path(init_from if Path(init_from).is_dir() else model_path(init_from))
    cluster = Cluster(tuple(arguments.cluster_hosts), arguments.task_index or 0)
    with cluster.joined():
        model = train(
            recipe,
            arguments.data,
            arguments.output,
            resume=arguments.resume,
            init_from=init_from,
            cluster=cluster,
        )
    if cluster.is_chief:
        print(model)
    return DONE
