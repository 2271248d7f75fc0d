"""From a picture to its faces: detection, classification and tracking put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.classification.crop_quality import crop_weights
from face_classification_ros.classification.crops import crop_faces, cut_sides, InputSpec
from face_classification_ros.detection import create_detector, Detector
from face_classification_ros.detection.region_of_interest import RegionOfInterestDetector
from face_classification_ros.tracking.appearance import compute_appearance
from face_classification_ros.tracking.tracker import Track, Tracker
from face_classification_ros.types import AttributeEstimate, Detection, Face, Image, largest_first

THRESHOLDS = {'gender': 0.7, 'emotion': 0.5}
"""Attribute -> probability below which a label is "unknown", unless the user says otherwise."""

_CV2_ROTATIONS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}


@dataclass
class FacePipeline:
    """Finds the faces of a picture, classifies them and follows them from picture to picture.

    Attributes:
        detector: finds boxes.
        classifiers: attribute -> what tells it; one classifier may serve several attributes.
        tracker: gives ids; None for pictures that do not follow each other.
        thresholds: attribute -> probability below which the label is "unknown".
        smoothing_time: seconds over which probabilities are averaged along a track.
        rotation: degrees clockwise, one of `ROTATIONS`, by which a picture is turned so that
            people stand upright in it. Whoever changes it resets the tracker: tracks live in
            the upright picture.
    """

    detector: Detector
    classifiers: Mapping[str, Classifier]
    tracker: Tracker | None
    thresholds: Mapping[str, float]
    smoothing_time: float = 0.0
    rotation: int = 0

    def process(self, image: Image, stamp: float = 0.0) -> list[Face]:
        """Find and classify all faces of a picture, largest first.

        Args:
            image: uint8 H x W x 3 in BGR.
            stamp: time of the picture in seconds.

        Returns:
            Faces with boxes and landmarks in pixels of `image`.
        """
        upright = self._upright(image)
        detections = self.detector.detect(upright)
        tracks: list[Track | None] = [None] * len(detections)
        if self.tracker is not None:
            boxes = [detection.box for detection in detections]
            tracks = list(
                self.tracker.update(detections, stamp, partial(compute_appearance, upright, boxes))
            )
        answers = self._classify(upright, detections)
        height, width = upright.shape[:2]
        return largest_first(
            [
                Face(
                    detection.rotated(-self.rotation % 360, width, height),
                    track.id if track else '',
                    track.first_seen if track else stamp,
                    self._estimate('gender', answers, index, track),
                    self._estimate('emotion', answers, index, track),
                )
                for index, (detection, track) in enumerate(zip(detections, tracks, strict=True))
            ]
        )

    def process_still(self, image: Image, stamp: float = 0.0) -> list[Face]:
        """Find and classify all faces of a picture that follows no other.

        Nothing is remembered of it, and it does not touch tracks. Arguments and result are those
        of `process`; track ids are empty.
        """
        detector = self.detector
        if isinstance(detector, RegionOfInterestDetector):
            detector = detector.whole
        return replace(self, detector=detector, tracker=None).process(image, stamp)

    def crop(
        self, image: Image, faces: Sequence[Face], input_spec: InputSpec
    ) -> NDArray[np.uint8]:
        """Cut faces out of their picture as a network sees them: upright.

        Args:
            image: uint8 H x W x 3 in BGR, as it was processed.
            faces: what `process` gave.
            input_spec: what the network wants.

        Returns:
            uint8 N x side x side x channels.
        """
        height, width = image.shape[:2]
        boxes = [face.detection.box.rotated(self.rotation, width, height) for face in faces]
        return crop_faces(self._upright(image), boxes, input_spec)

    def _upright(self, image: Image) -> Image:
        if self.rotation == 0:
            return image
        return np.asarray(cv2.rotate(image, _CV2_ROTATIONS[self.rotation]), np.uint8)

    def _classify(
        self, image: Image, detections: list[Detection]
    ) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Give attribute -> probabilities, N x labels, and the weights of the crops, N.

        Faces are cut once per form and classified once per file.
        """
        if not detections:
            return {}
        boxes = [detection.box for detection in detections]
        classifiers = set(self.classifiers.values())
        crops = {
            input_spec: crop_faces(image, boxes, input_spec)
            for input_spec in {c.input_spec for c in classifiers}
        }
        weights = {
            input_spec: crop_weights(each, cut_sides(boxes, input_spec))
            for input_spec, each in crops.items()
        }
        answers = {each: each.classify(crops[each.input_spec]) for each in classifiers}
        return {
            attribute: (answers[classifier][attribute], weights[classifier.input_spec])
            for attribute, classifier in self.classifiers.items()
        }

    def _estimate(
        self,
        attribute: str,
        answers: Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]],
        index: int,
        track: Track | None,
    ) -> AttributeEstimate | None:
        if attribute not in self.classifiers:
            return None
        labels, threshold = (
            self.classifiers[attribute].labels[attribute],
            self.thresholds[attribute],
        )
        frame, weight = (each[index] for each in answers[attribute])
        if track is None:
            return AttributeEstimate(labels, frame, frame, 1, threshold, weight=float(weight))
        weight = 0.0 if track.is_ambiguous else float(weight)
        filter_ = track.update_attribute(attribute, frame, self.smoothing_time, weight)
        stable_label = filter_.update_label(labels, threshold) if self.smoothing_time else None
        return AttributeEstimate(
            labels,
            filter_.probabilities,
            frame,
            filter_.frame_count,
            threshold,
            stable_label,
            weight,
        )


def load_classifiers(models: Mapping[str, str], *, num_threads: int = 1) -> dict[str, Classifier]:
    """Load the model file of each attribute; a file named twice is loaded once.

    Args:
        models: attribute -> path; an empty path switches the attribute off.
        num_threads: processor threads for one call.

    Raises:
        FileNotFoundError: a file does not exist.
        ValueError: a file is not usable, or does not tell its attribute.
    """
    loaded = {
        path: Classifier(path, num_threads=num_threads) for path in set(models.values()) if path
    }
    classifiers = {attribute: loaded[path] for attribute, path in models.items() if path}
    for attribute, classifier in classifiers.items():
        if attribute not in classifier.labels:
            told = ', '.join(classifier.labels)
            raise ValueError(f'model file {classifier.path} tells {told}, not {attribute}')
    return classifiers


@dataclass(frozen=True)
class Settings:
    """Everything that decides what is told of a picture; equal settings give equal results.

    Attributes:
        detector: see `create_detector`, as are the next three.
        detector_model: path of its model, "" for its own.
        detection_threshold: detections of lower confidence are dropped, 0 to 1.
        detection_size: longer side in pixels to which a larger picture is scaled for detection.
        gender_model: path of a model file, "" for none.
        emotion_model: likewise.
        num_threads: processor threads for one picture.
        rotation: degrees clockwise that turn the picture upright, see `FacePipeline`.
    """

    detector: str
    detector_model: str
    detection_threshold: float
    detection_size: int
    gender_model: str
    emotion_model: str
    num_threads: int
    rotation: int

    @property
    def models(self) -> dict[str, str]:
        """Attribute -> path of its model file, "" where it is switched off."""
        return {'gender': self.gender_model, 'emotion': self.emotion_model}

    def load_detector(self, interval: int = 1) -> Detector:
        """Load the detector; `interval` and the errors are those of `create_detector`."""
        return create_detector(
            self.detector,
            model=self.detector_model,
            threshold=self.detection_threshold,
            width=self.detection_size,
            num_threads=self.num_threads,
            interval=interval,
        )

    def load_classifiers(self) -> dict[str, Classifier]:
        """Load the models; the errors are those of `load_classifiers`."""
        return load_classifiers(self.models, num_threads=self.num_threads)
