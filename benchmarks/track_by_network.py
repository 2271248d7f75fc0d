"""Try to follow faces with the classifier instead of the detector, as MediaPipe does.

    python benchmarks/track_by_network.py --scenes face_scenes VIDEO...

Between full searches the node runs the detector around each known face. Here a small head on the
maps of the multi-task network predicts instead how the box must move, and whether there still is a
face, so that nothing but the classifier would run in these images. The head is trained on the
labeled faces of scenes with boxes that are moved and scaled at random; the network itself does not
change. On each video, both ways are compared with a full search of every image: recall, false
boxes, and the mean overlap of the boxes. Needs `pip install '.[train]'`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
import itertools
from pathlib import Path
import time

import cv2
import keras
import numpy as np
from numpy.typing import NDArray
import onnx
from onnxruntime import InferenceSession

from face_classification_ros.classification.classifier import Classifier, INPUT
from face_classification_ros.classification.crops import crop_faces
from face_classification_ros.config import DetectorConfig
from face_classification_ros.datasets.face_scenes import read_face_scenes, Scene
from face_classification_ros.detection import create_detector
from face_classification_ros.detection.full_frame import FullFrameDetector
from face_classification_ros.detection.region_of_interest import RegionOfInterestDetector
from face_classification_ros.inference.model_zoo import model_path
from face_classification_ros.inference.session import load_network
from face_classification_ros.io.images import read_image
from face_classification_ros.io.videos import read_video
from face_classification_ros.progress import progress
from face_classification_ros.types import BoundingBox, Detection, Image

MAPS = 'residual_module3.add'
"""Part of the name of the maps of 6 x 6 pixels, the last ones that know where things are."""

MIN_SIZE = 20
PER_FACE = 4
SHIFT, SCALE = 0.3, 1.3
"""Largest movement in sides of the box and largest change of its size between two images."""

SAME = 0.5
"""Minimum intersection over union of two boxes of one face."""


@dataclass(frozen=True)
class Maps:
    """The last maps of a classifier that know where things are, and its answers.

    Attributes:
        classifier: whose crops are used.
        session: its network, of which one more output has the maps.
        output: name of this output.
    """

    classifier: Classifier
    session: InferenceSession
    output: str

    def __call__(self, image: Image, boxes: Sequence[BoundingBox]) -> NDArray[np.float32]:
        """Return the maps of each box, flattened; as expensive as a classification."""
        crops = crop_faces(image, boxes, self.classifier.input_spec)
        maps = self.session.run([self.output, *self.classifier.labels], {INPUT: crops})[0]
        # The second half are those of the mirror images.
        flat: NDArray[np.float32] = maps[: len(crops)].reshape(len(crops), -1)
        return flat


class Head:
    """From maps to movement in x and y, logarithm of the scale, and logit of a face."""

    def __init__(self, trained: keras.Model) -> None:
        """Take the weights of a Keras model, whose calls take milliseconds."""
        normalization, hidden, last = trained.layers
        self._mean = np.asarray(normalization.mean)
        self._deviation = np.sqrt(np.asarray(normalization.variance)) + 1e-7
        self._hidden, self._last = hidden.get_weights(), last.get_weights()

    def __call__(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return N x 4."""
        x = (maps - self._mean) / self._deviation
        x = np.maximum(x @ self._hidden[0] + self._hidden[1], 0)
        result: NDArray[np.float32] = x @ self._last[0] + self._last[1]
        return result


class FollowingDetector(RegionOfInterestDetector):
    """Moves the boxes of known faces by the network, where the node runs the detector."""

    def __init__(self, detector: FullFrameDetector, interval: int, maps: Maps, head: Head) -> None:
        """See `RegionOfInterestDetector`."""
        super().__init__(detector, interval)
        self._maps = maps
        self._head = head
        self.is_classified = False

    def _find_known(self, image: Image) -> list[Detection] | None:
        self.is_classified = bool(self._known)
        if not self._known:
            return []
        values = self._head(self._maps(image, [face.box for face in self._known]))
        if (values[:, 3] < 0).any():
            return None
        found: list[Detection] = []
        for face, row in zip(self._known, values, strict=True):
            box = moved(face.box, *map(float, row[:3]))
            if any(box.iou(other.box) >= SAME for other in found):
                return None
            found.append(Detection(box, face.confidence))
        return found


def moved(box: BoundingBox, right: float, down: float, log_scale: float) -> BoundingBox:
    """Return a box moved by fractions of its longer side and scaled."""
    side, scale = max(box.width, box.height), np.exp(log_scale)
    width, height = box.width * scale, box.height * scale
    x, y = box.center[0] + right * side, box.center[1] + down * side
    return BoundingBox(x - width / 2, y - height / 2, width, height)


def open_maps(model: str) -> Maps:
    """Return the maps of a shipped model or model file."""
    path = Path(model_path(model))
    proto = onnx.load(path)
    output = next(name for node in proto.graph.node for name in node.output if MAPS in name)
    proto.graph.output.append(onnx.ValueInfoProto(name=output))
    return Maps(Classifier(path), load_network(proto.SerializeToString()), output)


def examples(
    maps: Maps, scenes: Sequence[Scene], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return maps and what the head should predict for them, N x 4."""
    inputs, targets = [], []
    for scene in progress(scenes, 'scene'):
        faces = [box for box in scene.boxes('face') if min(box.width, box.height) >= MIN_SIZE]
        if not faces:
            continue
        image = read_image(scene.path)
        height, width = image.shape[:2]
        starts, rows = [], []
        for face, _ in itertools.product(faces, range(PER_FACE)):
            right, down = rng.uniform(-SHIFT, SHIFT, 2)
            log_scale = rng.uniform(-np.log(SCALE), np.log(SCALE))
            start = moved(face, right, down, log_scale)
            ratio = np.exp(-log_scale)
            starts.append(start)
            rows.append((-right * ratio, -down * ratio, -log_scale, 1.0))
            # Where nobody is.
            x, y = map(float, rng.uniform(0, (width, height)))
            other = BoundingBox(x, y, face.width, face.height)
            if all(other.iou(region.box) < 0.1 for region in scene.regions):
                starts.append(other)
                rows.append((0.0, 0.0, 0.0, 0.0))
        inputs.append(maps(image, starts))
        targets.append(np.array(rows, np.float32))
    return np.concatenate(inputs), np.concatenate(targets)


def train_head(inputs: NDArray[np.float32], targets: NDArray[np.float32]) -> Head:
    """Return a head of one hidden layer."""

    def loss(y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        is_face = y_true[:, 3]
        distance = keras.ops.sum(keras.ops.abs(y_true[:, :3] - y_pred[:, :3]), axis=1)
        certainty = keras.ops.binary_crossentropy(is_face, y_pred[:, 3], from_logits=True)
        return keras.ops.mean(is_face * distance) + 0.2 * keras.ops.mean(certainty)

    head = keras.Sequential(
        [
            keras.Input(inputs.shape[1:]),
            keras.layers.Normalization(),
            keras.layers.Dense(48, activation='relu'),
            keras.layers.Dense(4),
        ]
    )
    head.layers[0].adapt(inputs)
    schedule = keras.optimizers.schedules.CosineDecay(2e-3, 30 * (len(inputs) // 256 + 1))
    head.compile(keras.optimizers.AdamW(schedule, weight_decay=0.02), loss)
    head.fit(inputs, targets, batch_size=256, epochs=30, verbose=0)
    return Head(head)


def compare(maps: Maps, head: Head, video: Path, interval: int, detector: str) -> str:
    """Return two rows: around known faces by the detector, and by the network."""
    every, between = (
        create_detector(DetectorConfig(detector=detector, detection_interval=each))
        for each in (1, interval)
    )
    full_frame = every.full_frame
    assert isinstance(full_frame, FullFrameDetector)
    following = FollowingDetector(full_frame, interval, maps, head)
    ways = {'detector': between, 'network': following}
    found, false = dict.fromkeys(ways, 0), dict.fromkeys(ways, 0)
    overlaps: dict[str, list[float]] = {name: [] for name in ways}
    milliseconds: dict[str, list[float]] = {name: [] for name in ways}
    faces = 0
    with read_video(video) as opened:
        for _, _, image in progress(opened.frames, 'frame', task=video.name):
            expected = [face.box for face in every.detect(image)]
            faces += len(expected)
            for name, way in ways.items():
                start = time.perf_counter()
                following.is_classified = False
                boxes = [face.box for face in way.detect(image)]
                if boxes and not following.is_classified:
                    maps(image, boxes)
                milliseconds[name].append(1e3 * (time.perf_counter() - start))
                best = [max((box.iou(one) for one in boxes), default=0.0) for box in expected]
                hits = [overlap for overlap in best if overlap >= SAME]
                found[name] += len(hits)
                false[name] += len(boxes) - len(hits)
                overlaps[name] += hits
    return '\n'.join(
        f'| {video.stem} | {name} | {found[name] / faces:.1%} | {false[name]} '
        f'| {np.mean(overlaps[name]):.3f} | {np.mean(milliseconds[name]):.2f} |'
        for name in ways
    )


def main() -> None:
    """Train the head, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('videos', nargs='+', type=Path, metavar='VIDEO')
    parser.add_argument('--scenes', type=Path, required=True, help='as for `train`')
    parser.add_argument('--model', default='multitask_mini_xception')
    parser.add_argument('--detector', default='own')
    parser.add_argument('--interval', type=int, default=10)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    maps = open_maps(options.model)
    head = train_head(*examples(maps, read_face_scenes(options.scenes, 'train'), rng))
    inputs, targets = examples(maps, read_face_scenes(options.scenes, 'val'), rng)
    values = head(inputs)
    faces = targets[:, 3] == 1
    before, after = (abs(each[faces, :3]).mean(axis=0) for each in (targets, values - targets))
    print(f'{faces.sum()} moved boxes of validation faces: mean distance in x, y and log size')
    print('before', before.round(3), 'after', after.round(3))
    print(f'faces that are kept {(values[faces, 3] > 0).mean():.1%}, others', end=' ')
    print(f'{(values[~faces, 3] > 0).mean():.1%}')
    print('| video | between searches | recall | false | mean overlap | ms with classification |')
    print('| --- | --- | --- | --- | --- | --- |')
    for video in options.videos:
        print(compare(maps, head, video, options.interval, options.detector), flush=True)


if __name__ == '__main__':
    main()
