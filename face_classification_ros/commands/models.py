"""Choose the model and the data of the sub-commands that work with one classifier."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from face_classification_ros.config import PipelineConfig

if TYPE_CHECKING:
    from face_classification_ros.classification.classifier import Classifier

DEFAULT_MODELS = PipelineConfig().models


def add_min_age(parser: argparse.ArgumentParser) -> None:
    """Add the option `--min-age`."""
    parser.add_argument(
        '--min-age',
        type=int,
        default=13,
        metavar='YEARS',
        help='skip people below this age in UTKFace and IMDB-WIKI, for attributes whose labels '
        'are unreliable for children (default: 13)',
    )


def add_model(parser: argparse.ArgumentParser, task: str) -> None:
    """Add the option `--model`.

    Args:
        parser: parser of the sub-command.
        task: what it does with the model, for the help text.
    """
    parser.add_argument(
        '--model',
        default='',
        metavar='MODEL',
        help=f'{task} this shipped model or .onnx file (default: {", ".join(DEFAULT_MODELS)})',
    )


def load_classifier(model: str, attribute: str, num_threads: int) -> Classifier:
    """Load the classifier of an attribute.

    Args:
        model: name of a shipped model or path of an .onnx file, "" for the default.
        attribute: that it must classify.
        num_threads: CPU threads per call.

    Raises:
        FileNotFoundError: the model does not exist.
        ValueError: the file is not usable, or the model does not classify the attribute.
    """
    from face_classification_ros.classification.classifier import load_classifiers

    models = [model] if model else DEFAULT_MODELS
    return load_classifiers(models, [attribute], num_threads=num_threads)[attribute]
