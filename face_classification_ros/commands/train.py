"""Train a classifier by a recipe and export it as a model file."""

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
        help='train on these data sets; a multi-task network needs one for each attribute',
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
        '--init-from',
        metavar='RUN',
        help='start with the weights of another run, given by its output folder, by a model file '
        'or by the name of a shipped model',
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
    """Train and export a classifier."""
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
