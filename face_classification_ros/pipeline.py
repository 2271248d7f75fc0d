"""Combine detection, tracking, classification and geometry: an image goes in, faces come out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from face_classification_ros.classification.classifier import Classifier, load_classifiers
from face_classification_ros.classification.crops import crop_faces, InputSpec
from face_classification_ros.classification.predictions import (
    classify_faces,
    follow_faces,
    follower_of,
    Predictions,
)
from face_classification_ros.config import check_threshold, PipelineConfig, SettingError
from face_classification_ros.detection import create_detector, Detector
from face_classification_ros.detection.region_of_interest import RegionOfInterestDetector
from face_classification_ros.geometry.head_pose import (
    default_intrinsics,
    estimate_head_pose,
    looking_probability,
)
from face_classification_ros.geometry.positions import DepthView, Intrinsics, locate
from face_classification_ros.tracking.appearance import compute_appearance
from face_classification_ros.tracking.tracker import Track, Tracker
from face_classification_ros.types import (
    AttributeEstimate,
    Detection,
    Face,
    Image,
    largest_first,
)

HEAD_SMOOTHING = 0.3
"""Time constant of the orientation of a head relative to that of attributes: heads turn."""

_CV2_ROTATIONS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}


def create_pipeline(
    config: PipelineConfig | None = None, *, tracker: Tracker | None = None
) -> FacePipeline:
    """Load the detector and the models of a configuration.

    Args:
        config: the defaults if it is None.
        tracker: tracks to continue; a new tracker if it is None.

    Raises:
        FileNotFoundError, ImportError, ValueError: see `create_detector`, `load_classifiers` and
            `thresholds_of`.
    """
    config = config or PipelineConfig()
    classifiers = load_classifiers(
        config.models, config.attributes, num_threads=config.num_threads
    )
    return FacePipeline(
        create_detector(config),
        classifiers,
        tracker or Tracker(config.track_timeout),
        thresholds_of(classifiers, config.unknown_threshold),
        config.smoothing_time,
        config.rotation,
        follower_of(classifiers) if config.follow else None,
    )


def thresholds_of(
    classifiers: Mapping[str, Classifier], unknown_threshold: Mapping[str, float]
) -> dict[str, float]:
    """Return attribute -> probability below which its label is "unknown".

    Args:
        classifiers: by attribute; their thresholds are the defaults.
        unknown_threshold: attribute -> threshold that replaces the default, 0 to 1.

    Raises:
        SettingError: a threshold is not a number from 0 to 1, or no model estimates its attribute.
    """
    for attribute, threshold in unknown_threshold.items():
        check_threshold(attribute, threshold)
        if attribute not in classifiers:
            available = ', '.join(classifiers) or 'none'
            raise SettingError(
                f'unknown_threshold.{attribute}',
                f'no model estimates this attribute; available: {available}',
            )
    return {
        attribute: float(unknown_threshold.get(attribute, classifier.thresholds[attribute]))
        for attribute, classifier in classifiers.items()
    }


@dataclass(frozen=True, slots=True)
class PipelineResult:
    """The result for one image.

    Attributes:
        faces: largest first, with boxes and landmarks in pixels of the image.
        was_reset: whether the tracks started again because time jumped back.
        position_error: why no face has a position although there is a depth image, "" otherwise.
    """

    faces: list[Face]
    was_reset: bool = False
    position_error: str = ''


@dataclass
class FacePipeline:
    """Detects, tracks and classifies the faces of images, see `create_pipeline`.

    Attributes:
        detector: finds the boxes.
        classifiers: attribute -> classifier; one classifier may serve several attributes.
        tracker: assigns track ids; None for images that do not follow each other.
        thresholds: attribute -> probability below which the label is "unknown".
        smoothing_time: time constant in seconds of the temporal filter of a track.
        rotation: degrees clockwise, one of `ROTATIONS`, by which images are rotated for people to
            be upright. Reset the tracker after a change: tracks live in the upright image.
        follower: the classifier of all attributes, which finds known faces while the detector
            would search around them; None leaves that to the detector.
    """

    detector: Detector
    classifiers: Mapping[str, Classifier]
    tracker: Tracker | None
    thresholds: Mapping[str, float]
    smoothing_time: float = 0.0
    rotation: int = 0
    follower: Classifier | None = None

    def process(self, image: Image, stamp: float = 0.0) -> list[Face]:
        """Return all faces of an image, largest first, see `process_frame`."""
        return self.process_frame(image, stamp).faces

    def process_frame(
        self,
        image: Image,
        stamp: float = 0.0,
        depth_view: DepthView | None = None,
        *,
        intrinsics: Intrinsics | None = None,
    ) -> PipelineResult:
        """Detect, track, classify and locate all faces of an image.

        Args:
            image: uint8 H x W x 3 in BGR.
            stamp: time of the image in seconds.
            depth_view: depth image of the same view, for positions.
            intrinsics: calibration of the camera for the size of the image, for the orientation
                of heads; that of a usual camera if it is None.

        Raises:
            ValueError: `image` is not an image.
        """
        upright = self._upright(image)
        detections, predictions = self._find(upright)
        tracks, was_reset = self._track(upright, detections, stamp)
        height, width = upright.shape[:2]
        camera = intrinsics or default_intrinsics(image.shape[1], image.shape[0])
        faces = largest_first(
            [
                self._with_head_pose(
                    Face(
                        detection.rotated(-self.rotation % 360, width, height),
                        {
                            attribute: self._estimate(attribute, predictions, index, track)
                            for attribute in self.classifiers
                        },
                        track.id if track else '',
                        track.first_seen if track else stamp,
                        appearance=track.appearance if track else None,
                    ),
                    track,
                    camera,
                )
                for index, (detection, track) in enumerate(zip(detections, tracks, strict=True))
            ]
        )
        return self.locate(PipelineResult(faces, was_reset), image, depth_view)

    def locate(
        self, result: PipelineResult, image: Image, depth_view: DepthView | None
    ) -> PipelineResult:
        """Add the positions of the faces to the result of `process_frame` without depth.

        A depth image that arrives while an image is processed can still be used this way.
        """
        if depth_view is None or not result.faces:
            return result
        height, width = image.shape[:2]
        try:
            faces = locate(result.faces, depth_view, width, height, self.rotation)
        except ValueError as error:
            return replace(result, position_error=str(error))
        return replace(result, faces=faces)

    def process_still(self, image: Image, depth_view: DepthView | None = None) -> list[Face]:
        """Return all faces of an image that does not belong to a stream, largest first.

        The full frame is searched. Tracks are neither used nor changed, and track ids are empty.
        """
        still = replace(self, detector=self.detector.full_frame, tracker=None)
        return still.process_frame(image, depth_view=depth_view).faces

    def crop(
        self, image: Image, faces: Sequence[Face], input_spec: InputSpec
    ) -> NDArray[np.uint8]:
        """Crop faces out of their image as a network sees them: upright.

        Args:
            image: uint8 H x W x 3 in BGR, as it was processed.
            faces: result of `process`.
            input_spec: crops that the network expects.

        Returns:
            uint8 N x size x size x channels.
        """
        height, width = image.shape[:2]
        boxes = [face.detection.box.rotated(self.rotation, width, height) for face in faces]
        return crop_faces(self._upright(image), boxes, input_spec)

    def _upright(self, image: Image) -> Image:
        if self.rotation == 0:
            return image
        return np.asarray(cv2.rotate(image, _CV2_ROTATIONS[self.rotation]), np.uint8)

    def _track(
        self, image: Image, detections: Sequence[Detection], stamp: float
    ) -> tuple[Sequence[Track | None], bool]:
        if self.tracker is None:
            return [None] * len(detections), False
        boxes = [detection.box for detection in detections]
        update = self.tracker.update(detections, stamp, partial(compute_appearance, image, boxes))
        return update.tracks, update.was_reset

    def _find(self, image: Image) -> tuple[list[Detection], Predictions]:
        """Return the faces of an upright image with their predictions."""
        if self.follower is None or not isinstance(self.detector, RegionOfInterestDetector):
            faces = self.detector.detect(image)
            return faces, classify_faces(image, faces, self.classifiers)
        follow = partial(follow_faces, image, follower=self.follower)
        faces, predictions = self.detector.detect_or_follow(image, follow)
        if predictions is None:
            predictions = classify_faces(image, faces, self.classifiers)
        return faces, predictions

    def _with_head_pose(self, face: Face, track: Track | None, camera: Intrinsics) -> Face:
        """Return a face with the pose of its head, where it has landmarks."""
        landmarks = face.detection.landmarks
        pose = estimate_head_pose(landmarks, camera)
        if pose is None:
            return face
        orientation = pose.orientation
        if track is not None:
            orientation = track.update_orientation(
                orientation, self.smoothing_time * HEAD_SMOOTHING
            )
        looking = looking_probability(orientation, landmarks, camera)
        return replace(
            face,
            orientation=orientation,
            looking_at_camera=looking,
            head_position=pose.position,
        )

    def _estimate(
        self,
        attribute: str,
        predictions: Predictions,
        index: int,
        track: Track | None,
    ) -> AttributeEstimate:
        labels = self.classifiers[attribute].labels[attribute]
        threshold = self.thresholds[attribute]
        probabilities, weights = predictions[attribute]
        frame, weight = probabilities[index], float(weights[index])
        if track is None:
            return AttributeEstimate(labels, frame, frame, 1, threshold, weight=weight)
        if track.is_ambiguous:
            weight = 0.0
        temporal = track.update_attribute(attribute, frame, self.smoothing_time, weight)
        label = temporal.update_label(labels, threshold) if self.smoothing_time else None
        return AttributeEstimate(
            labels, temporal.probabilities, frame, temporal.frame_count, threshold, label, weight
        )
