"""Check that the default detector and the shipped model files compute what they should."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
import json
from pathlib import Path

from face_classification_ros.doctor.findings import ERROR, error_text, Finding, OK
from face_classification_ros.requirements import is_installed

REFERENCE = 'reference_predictions.json'
"""File next to the model files: model -> attribute -> probabilities of the drawn face."""

TOLERANCE = 0.02
"""Largest difference of a probability from its reference: processors round differently."""


def check_detector() -> Iterator[Finding]:
    """Run the default detector on an empty image, and on a face of the sample if installed."""
    import numpy as np

    from face_classification_ros.config import DetectorConfig
    from face_classification_ros.detection import create_detector

    subject = 'detector'
    try:
        detector = create_detector(DetectorConfig())
    except ImportError as error:
        remedy = 'reinstall the package, or another version of onnxruntime'
        yield Finding('detector-import-failed', ERROR, subject, error_text(error), remedy)
        return
    if detector.detect(np.full((240, 320, 3), 128, np.uint8)):
        text = 'detects a face in an empty image'
        yield Finding('detector-false-detection', ERROR, subject, text)
        return
    if not is_installed('skimage'):
        text = 'runs; without the extra [demo] no face is tried'
        yield Finding('detector-ok', OK, subject, text)
        return
    from face_classification_ros.io.sample import crowd

    count = len(detector.detect(crowd(1, 640, 480)))
    code, status = ('detector-ok', OK) if count == 1 else ('detector-misses-face', ERROR)
    yield Finding(code, status, subject, f'detects {count} of 1 face of the sample')


def check_models() -> Iterator[Finding]:
    """Compare the prediction of every shipped classifier for a drawn face with its reference."""
    from face_classification_ros.inference.model_zoo import models_folder, shipped_classifiers

    reference = json.loads((models_folder() / REFERENCE).read_text())
    for path in shipped_classifiers():
        try:
            yield check_model(path, reference.get(path.stem, {}))
        except Exception as error:
            yield Finding(
                'model-failed',
                ERROR,
                f'model {path.stem}',
                error_text(error),
                'reinstall the package, or another version of onnxruntime',
            )


def check_model(path: Path, reference: Mapping[str, list[float]]) -> Finding:
    """Compare the prediction of a model for a drawn face with its reference.

    Args:
        path: path of the model file.
        reference: attribute -> probabilities; empty if there is none.
    """
    subject = f'model {path.stem}'
    predictions = predict_drawn_face(path)
    for attribute, expected in reference.items():
        pairs = zip(predictions[attribute], expected, strict=True)
        difference = max(abs(actual - each) for actual, each in pairs)
        if difference > TOLERANCE:
            return Finding(
                'model-wrong-prediction',
                ERROR,
                subject,
                f'{attribute} of a drawn face differs by {difference:.2f} from the reference',
                'reinstall the package, or another version of onnxruntime',
            )
    if not reference:
        return Finding('model-without-reference', OK, subject, 'runs; it has no reference')
    text = f'predicts the reference of {", ".join(reference)}'
    return Finding('model-ok', OK, subject, text)


def predict_drawn_face(path: Path) -> dict[str, list[float]]:
    """Return the prediction of a model for a drawn face: attribute -> probabilities."""
    import numpy as np

    from face_classification_ros.classification.classifier import Classifier

    classifier = Classifier(path)
    size, channels = classifier.input_spec.size, classifier.input_spec.channels
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    face = 90.0 + 90 * (x**2 / 0.14 + y**2 / 0.2 < 1)
    for eye in (-0.17, 0.17):
        face[(x - eye) ** 2 + (y + 0.12) ** 2 < 0.004] = 20
    face[(abs(y - 0.22 + 0.6 * x**2) < 0.03) & (abs(x) < 0.2)] = 50
    crop = np.repeat(face[..., np.newaxis], channels, axis=2).astype(np.uint8)
    predictions = classifier.classify(crop[np.newaxis])
    return {
        attribute: [round(float(each), 4) for each in probabilities[0]]
        for attribute, probabilities in predictions.items()
    }
