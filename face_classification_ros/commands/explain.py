"""Draw which parts of a face a prediction depends on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from face_classification_ros.commands.common import (
    DONE,
    print_omissions,
    print_problem,
    WRONG_USE,
)
from face_classification_ros.commands.models import DEFAULT_MODELS
from face_classification_ros.commands.options import (
    add_still_detector,
    non_empty_path,
    positive_int,
    still_detector_config,
)
from face_classification_ros.explanation import default_attribute, METHODS

if TYPE_CHECKING:
    from face_classification_ros.classification.classifier import Classifier
    from face_classification_ros.explanation.explainer import Explainer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `explain`."""
    parser.add_argument(
        'paths', nargs='*', type=Path, metavar='PATH', help='an image or a folder of images'
    )
    parser.add_argument(
        '--data',
        type=non_empty_path,
        metavar='DIR',
        help='explain faces of every label of this data set instead of images',
    )
    parser.add_argument(
        '--split',
        default='val',
        metavar='NAME',
        help='use this part of the data set: train, val, test, or all for every image '
        '(default: val)',
    )
    parser.add_argument(
        '--faces',
        type=positive_int,
        default=4,
        metavar='N',
        help='explain this many faces of every label of the data set (default: 4)',
    )
    parser.add_argument(
        '--output',
        type=Path,
        default=Path('explanation'),
        metavar='DIR',
        help='write the explanations to this folder (default: explanation)',
    )
    parser.add_argument(
        '--attribute',
        default='',
        metavar='NAME',
        help='explain the predictions of this attribute (default: the first with more '
        'than two labels)',
    )
    parser.add_argument(
        '--model',
        action='append',
        default=[],
        metavar='MODEL',
        help='explain this shipped model or .onnx file; may be repeated with --data '
        f'(default: {", ".join(DEFAULT_MODELS)})',
    )
    parser.add_argument(
        '--method',
        choices=METHODS,
        default='guided',
        help='use guided back-propagation, the plain gradient or Grad-CAM (default: guided)',
    )
    parser.add_argument(
        '--layer',
        default='',
        metavar='NAME',
        help='explain the most active unit of this layer (default: the last one)',
    )
    parser.add_argument(
        '--label',
        default='',
        metavar='NAME',
        help='explain the score of this label instead of a unit; "predicted" stands for the '
        'predicted label of each face',
    )
    add_still_detector(parser)


def run(arguments: argparse.Namespace) -> int:
    """Draw explanations; returns 2 if an image cannot be read."""
    from face_classification_ros.classification.classifier import Classifier
    from face_classification_ros.explanation.explainer import Explainer
    from face_classification_ros.inference.model_zoo import model_path

    if bool(arguments.paths) == bool(arguments.data):
        raise ValueError('either images or a data set with --data must be given')
    classifiers = [
        Classifier(model_path(each), num_threads=arguments.num_threads)
        for each in arguments.model or DEFAULT_MODELS
    ]
    attribute = arguments.attribute or default_attribute(classifiers[0].labels)
    explainers = [
        Explainer(
            each,
            attribute,
            method=arguments.method,
            layer=arguments.layer,
            num_threads=arguments.num_threads,
        )
        for each in classifiers
    ]
    if arguments.data:
        return _explain_dataset(arguments, attribute, classifiers, explainers)
    if len(classifiers) > 1:
        raise ValueError('several models are compared with --data; images need a single model')
    return _explain_images(arguments, attribute, classifiers[0], explainers[0])


def _explain_dataset(
    arguments: argparse.Namespace,
    attribute: str,
    classifiers: list[Classifier],
    explainers: list[Explainer],
) -> int:
    from face_classification_ros.datasets.registry import read_dataset
    from face_classification_ros.explanation.panels import explain_labels
    from face_classification_ros.io.images import write_image

    dataset = read_dataset(attribute, arguments.data, arguments.split)
    faces = [dataset.crops(each.input_spec) for each in classifiers]
    figure = explain_labels(faces, dataset.y_true, classifiers, explainers, arguments.faces)
    write_image(arguments.output / f'{attribute}.png', figure)
    return DONE


def _explain_images(
    arguments: argparse.Namespace, attribute: str, classifier: Classifier, explainer: Explainer
) -> int:
    import cv2

    from face_classification_ros.classification.crops import crop_faces
    from face_classification_ros.detection import create_detector
    from face_classification_ros.explanation.panels import explain_faces
    from face_classification_ros.io.errors import UnreadableError
    from face_classification_ros.io.images import read_image, write_image
    from face_classification_ros.io.sources import find_sources, plan_copies

    detector = create_detector(still_detector_config(arguments))
    found = find_sources(arguments.paths, arguments.output)
    code = print_omissions(found)
    copies = plan_copies(found.sources, arguments.output, '.png')
    for source, panel in zip(found.sources, copies, strict=True):
        try:
            image = read_image(source.path)
        except UnreadableError as error:
            print_problem(error)
            code = WRONG_USE
            continue
        boxes = [detection.box for detection in detector.detect(image)]
        if not boxes:
            print(f'{source.path}: no face')
            continue
        crops = crop_faces(image, boxes, classifier.input_spec)
        panels = explain_faces(
            crops,
            classifier.labels[attribute],
            classifier.classify(crops)[attribute],
            explainer,
            arguments.label,
        )
        write_image(panel, cv2.vconcat(panels))
        print(f'{source.path}: {panel}')
    return code
