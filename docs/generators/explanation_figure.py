"""Draw how each method explains the emotion of two faces: docs/how_to/explanations.webp."""

from __future__ import annotations

from svg_parts import DOCS

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.classification.crops import crop_faces
from face_classification_ros.config import DetectorConfig
from face_classification_ros.detection import create_detector
from face_classification_ros.explanation import METHODS
from face_classification_ros.explanation.drawing import draw_crop, draw_figure, draw_relevance
from face_classification_ros.explanation.explainer import Explainer
from face_classification_ros.explanation.panels import explain_by_default
from face_classification_ros.inference.model_zoo import model_path
from face_classification_ros.io.images import read_image, write_image
from face_classification_ros.io.portraits import data_folder, PORTRAITS
from face_classification_ros.types import Image

FIGURE = DOCS / 'how_to' / 'explanations.webp'

FACES = ('astronaut', 'admiral')
"""Keys of `PORTRAITS` in the public domain."""

SIZE = 168
"""Height and width in pixels of each image."""


def main() -> None:
    """Write the figure."""
    classifier = Classifier(model_path('multitask_mini_xception'))
    detector = create_detector(DetectorConfig())
    rows = []
    for name in FACES:
        portrait = PORTRAITS[name]
        image = read_image(data_folder(portrait.package) / portrait.file)
        boxes = [detection.box for detection in detector.detect(image)]
        crops = crop_faces(image, boxes[:1], classifier.input_spec)
        index = int(classifier.classify(crops)['emotion'].argmax())
        group: list[Image] = [draw_crop(crops[0], SIZE)]
        for method in METHODS:
            explainer = Explainer(classifier, 'emotion', method=method)
            (relevance,) = explain_by_default(crops, [index], explainer)
            group.append(draw_relevance(method, relevance, crops[0], SIZE))
        rows.append((classifier.labels['emotion'][index], [group]))
    write_image(FIGURE, draw_figure(rows, ', '.join(['face', *METHODS])))


if __name__ == '__main__':
    main()
