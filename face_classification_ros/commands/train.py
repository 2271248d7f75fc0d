"""Train a classifier, a detector or following from a recipe; export it as a model file."""

from __future__ import annotations

import argparse
from pathlib import Path

from face_classification_ros.commands.common import (
    DONE,
    loading_tensorflow,
    needs_extra,
    NO,
    print_problem,
)
from face_classification_ros.commands.options import non_empty_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `train`."""
    parser.add_argument(
        'recipe', type=Path, metavar='RECIPE', help='a YAML file that describes the training'
    )
    parser.add_argument(
        '--data',
        type=non_empty_path,
        required=True,
        nargs='+',
        action='extend',
        metavar='DIR',
        help='train on these data sets; a multi-task network needs one for each attribute, a '
        'detector one of labeled scenes',
    )
    parser.add_argument(
        '--output',
        type=non_empty_path,
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
    """Train and export what a recipe describes; returns 1 if the training diverges."""
    with needs_extra('train', 'training'):
        from face_classification_ros.training.recipe import task_of
    task = task_of(arguments.recipe)
    trainings = {
        '': _train_classifier,
        'face_detection': _train_detector,
        'face_following': _train_follower,
    }
    if task not in trainings:
        tasks = ' or '.join(filter(None, trainings))
        raise ValueError(
            f'{arguments.recipe}: task: {task!r} is not {tasks}; a classifier has no task'
        )
    try:
        trainings[task](arguments)
    except FloatingPointError as error:
        print_problem(error)
        return NO
    return DONE


def _train_detector(arguments: argparse.Namespace) -> None:
    from face_classification_ros.training.detector_recipe import read_detector_recipe

    # Before TensorFlow is loaded, so that wrong use is reported immediately.
    if arguments.teacher is None:
        raise ValueError('a detector needs --teacher, the model file by which it is trained')
    if arguments.cluster_hosts or arguments.task_index is not None:
        raise ValueError('--cluster-hosts is for classifiers')
    if len(arguments.data) != 1:
        raise ValueError(f'a detector needs one data set, not {len(arguments.data)}')
    recipe = read_detector_recipe(arguments.recipe)
    with loading_tensorflow('training'):
        from face_classification_ros.training.detector_trainer import train_detector
    _mention_new_run(arguments)
    model = train_detector(
        recipe,
        arguments.data[0],
        arguments.teacher,
        arguments.output,
        resume=arguments.resume,
        init_from=_source_of_weights(arguments),
    )
    print(model)


def _train_follower(arguments: argparse.Namespace) -> None:
    from face_classification_ros.training.follow_recipe import read_follow_recipe

    # Before TensorFlow is loaded, so that wrong use is reported immediately.
    others = {
        '--resume': arguments.resume,
        '--teacher': arguments.teacher is not None,
        '--init-from': arguments.init_from is not None,
        '--cluster-hosts': bool(arguments.cluster_hosts) or arguments.task_index is not None,
    }
    for name, is_given in others.items():
        if is_given:
            raise ValueError(f'{name} is not for following, which is trained in minutes')
    if len(arguments.data) != 1:
        raise ValueError(f'following needs one data set of scenes, not {len(arguments.data)}')
    recipe = read_follow_recipe(arguments.recipe)
    with loading_tensorflow('training'):
        from face_classification_ros.training.follow_trainer import train_follower
    print(train_follower(recipe, arguments.data[0], arguments.output))


def _train_classifier(arguments: argparse.Namespace) -> None:
    from face_classification_ros.training.stages import read_stages

    # Before TensorFlow is loaded, so that wrong use is reported immediately.
    if arguments.teacher is not None:
        raise ValueError(
            '--teacher is for a detector; a recipe names the teachers of a classifier'
        )
    if bool(arguments.cluster_hosts) != (arguments.task_index is not None):
        raise ValueError('--cluster-hosts and --task-index are used together')
    stages = read_stages(arguments.recipe)
    if stages[0].name and arguments.cluster_hosts:
        raise ValueError('--cluster-hosts: a recipe with stages is trained by one machine')
    with loading_tensorflow('training'):
        from face_classification_ros.training.distributed import Cluster
        from face_classification_ros.training.staged_trainer import train_stages
        from face_classification_ros.training.trainer import train
    source = _source_of_weights(arguments)
    _mention_new_run(arguments)
    if stages[0].name:
        print(
            train_stages(
                stages,
                arguments.data,
                arguments.output,
                resume=arguments.resume,
                init_from=source,
            )
        )
        return
    cluster = Cluster(tuple(arguments.cluster_hosts), arguments.task_index or 0)
    with cluster.joined():
        model = train(
            stages[0].recipe,
            arguments.data,
            arguments.output,
            resume=arguments.resume,
            init_from=source,
            cluster=cluster,
        )
    if cluster.is_chief:
        print(model)


def _mention_new_run(arguments: argparse.Namespace) -> None:
    """Print that there is nothing to resume: the name of the folder may be misspelled."""
    # Of several machines, only the first writes to the folder.
    if arguments.resume and not arguments.output.exists() and not arguments.task_index:
        print_problem(f'{arguments.output} does not exist, so --resume starts a new run')


def _source_of_weights(arguments: argparse.Namespace) -> Path | None:
    """Return the output folder or model file of `--init-from`."""
    from face_classification_ros.inference.model_zoo import model_path

    source = arguments.init_from
    if source is None:
        return None
    return Path(source if Path(source).is_dir() else model_path(source))
