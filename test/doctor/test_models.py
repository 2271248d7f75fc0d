"""Detector and model files are checked by what they compute."""

import json
from pathlib import Path

from face_classification_ros.doctor import models
from face_classification_ros.doctor.findings import ERROR, OK
from face_classification_ros.inference.model_zoo import model_path, shipped_classifiers


def test_model_with_another_prediction_is_an_error() -> None:
    """The model file was changed, or the runtime computes wrongly."""
    path = Path(model_path('gender_mini_xception'))
    reference = models.predict_drawn_face(path)
    assert models.check_model(path, reference).code == 'model-ok'
    first, second = reference['gender']
    finding = models.check_model(path, {'gender': [first - 0.1, second + 0.1]})
    assert (finding.code, finding.status) == ('model-wrong-prediction', ERROR)
    assert '0.10' in finding.text and finding.remedy


def test_model_without_reference_is_only_run() -> None:
    """A model of the user."""
    finding = models.check_model(Path(model_path('gender_mini_xception')), {})
    assert (finding.code, finding.status) == ('model-without-reference', OK)


def test_every_shipped_model_predicts_its_reference() -> None:
    """After a model file has changed: python benchmarks/reference_predictions.py."""
    folder = Path(model_path('gender_mini_xception')).parent
    reference = json.loads((folder / models.REFERENCE).read_text())
    assert set(reference) == {path.stem for path in shipped_classifiers()}
    assert {finding.code for finding in models.check_models()} == {'model-ok'}


def test_default_detector_is_tried() -> None:
    """On an empty image, and on a face where the sample is installed."""
    (finding,) = models.check_detector()
    assert (finding.code, finding.status) == ('detector-ok', OK)
