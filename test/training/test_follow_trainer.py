"""Training of a head that follows faces, from scenes to a pipeline that uses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip('tensorflow', reason='needs the extra [train]')

import onnx
import skimage.data
from video_files import write_timed_video

from face_classification_ros.classification.classifier import Classifier, MOVEMENT
from face_classification_ros.classification.predictions import follow_faces
from face_classification_ros.commands.main import main
from face_classification_ros.config import DetectorConfig, PipelineConfig
from face_classification_ros.detection import create_detector
from face_classification_ros.inference.model_zoo import model_path
from face_classification_ros.inference.session import load_network
from face_classification_ros.io.classify_files import FileClassifier, Job
from face_classification_ros.io.sources import Source, VIDEO
from face_classification_ros.io.videos import read_video
from face_classification_ros.pipeline import create_pipeline, FacePipeline
from face_classification_ros.types import BoundingBox, Detection, Image

ASTRONAUT = np.ascontiguousarray(skimage.data.astronaut()[:, :, ::-1])
HEAD = ASTRONAUT[20:220, 130:330]
SOURCE = model_path('multitask_mini_xception')
INTERVAL = 8

RECIPE = """
task: face_following
model: multitask_mini_xception
epochs: 30
batch_size: 64
boxes_per_face: 12
"""


def scene(x: int, y: int, size: int = 200, gray: int = 90) -> Image:
    """Return an image of 480x360 with the astronaut's head at a place (left, top)."""
    image = np.full((360, 480, 3), gray, np.uint8)
    head = cv2.resize(HEAD, (size, size), interpolation=cv2.INTER_AREA)
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + size, 480), min(y + size, 360)
    if left < right and top < bottom:
        image[top:bottom, left:right] = head[top - y : bottom - y, left - x : right - x]
    return image


def find(image: Image) -> list[Detection]:
    """Return the faces that the detector finds in a full image."""
    return create_detector(DetectorConfig(detector='own', detection_interval=1)).detect(image)


@pytest.fixture(scope='module')
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write scenes with one face each, at random places of random sizes."""
    folder = tmp_path_factory.mktemp('scenes')
    (head,) = find(HEAD)
    rng = np.random.default_rng(1)
    for name, count in (('train', 60), ('validation', 10)):
        (folder / name).mkdir()
        images = {}
        for number in range(count):
            size = int(rng.integers(120, 240))
            x, y = int(rng.integers(0, 480 - size)), int(rng.integers(0, 360 - size))
            image = scene(x, y, size, int(rng.integers(40, 160)))
            cv2.imwrite(str(folder / name / f'{number}.png'), image)
            box = head.box.scaled(size / len(HEAD)).translated(x, y)
            face = {'box': [box.x, box.y, box.width, box.height], 'use': 'face'}
            images[f'{number}.png'] = {'faces': [face]}
        (folder / name / 'boxes.json').write_text(json.dumps({'images': images}))
    return folder


@pytest.fixture(scope='module')
def model(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the shipped multi-task model with a head, trained by the command."""
    folder = tmp_path_factory.mktemp('run')
    (folder / 'recipe.yaml').write_text(RECIPE)
    recipe, output = str(folder / 'recipe.yaml'), str(folder / 'run')
    assert main(['train', recipe, '--data', str(scenes), '--output', output]) == 0
    return folder / 'run' / 'multitask_mini_xception.onnx'


def pipeline_of(model: Path) -> FacePipeline:
    """Return a pipeline that searches every eighth full image."""
    return create_pipeline(following((str(model),)))


def following(models: tuple[str, ...]) -> PipelineConfig:
    """Return a configuration that lets the network follow faces between full images."""
    return PipelineConfig(detector='own', models=models, detection_interval=INTERVAL, follow=True)


def moving(count: int = INTERVAL) -> list[Image]:
    """Return images in which the astronaut moves by a few pixels and comes nearer."""
    return [scene(60 + 5 * number, 60 + 3 * number, 180 + number) for number in range(count)]


def boxes_of(pipeline: FacePipeline, images: Sequence[Image]) -> list[list[BoundingBox]]:
    """Return the boxes of the faces of each image."""
    return [
        [face.detection.box for face in pipeline.process(image, number / 30)]
        for number, image in enumerate(images)
    ]


def test_other_outputs_and_metadata_of_the_file_stay(model: Path) -> None:
    """All probabilities are the same to the last bit, and the head is small."""
    before, after = Classifier(SOURCE), Classifier(model)
    crops = np.random.default_rng(2).integers(0, 256, (9, 48, 48, 1), np.uint8)
    expected, found = before.classify(crops), after.classify(crops)
    assert list(expected) == list(found)
    followed, movements = after.classify_and_follow(crops)
    for attribute, probabilities in expected.items():
        assert np.array_equal(probabilities, found[attribute])
        assert np.array_equal(probabilities, followed[attribute])
    assert movements.shape == (9, 4)
    kept = {name: text for name, text in before.properties.items() if name[:7] != 'follow_'}
    assert kept.items() <= after.properties.items()
    assert int(after.properties['follow_parameters']) < 4500
    assert json.loads(after.properties['follow_recipe'])['task'] == 'face_following'
    assert json.loads((model.parent / 'run.json').read_text())['recipe']['epochs'] == 30


def test_head_predicts_the_way_back_to_a_face(model: Path) -> None:
    """Validation boxes are much nearer to their faces afterwards, and other boxes are lost."""
    figures = json.loads(Classifier(model).properties['follow_figures'])
    before, after = np.array(figures['distance_before']), np.array(figures['distance_after'])
    assert (after < [0.5, 0.5, 0.8] * before).all(), figures
    assert figures['faces_kept'] > 0.8
    assert figures['others_kept'] < 0.2


def test_movement_does_not_depend_on_other_faces(model: Path) -> None:
    """The mirror images in the second half of the batch are not taken for other faces."""
    classifier = Classifier(model)
    crops = np.random.default_rng(2).integers(0, 256, (4, 48, 48, 1), np.uint8)
    together = classifier.classify_and_follow(crops)[1]
    alone = [classifier.classify_and_follow(crops[i : i + 1])[1][0] for i in range(4)]
    assert np.allclose(together, alone, atol=1e-5)


def test_file_with_a_head_gets_another_one(model: Path, tmp_path: Path) -> None:
    """Training again replaces the head."""
    onnx_model = onnx.load(model)
    onnx.save(onnx_model, tmp_path / 'mine.onnx')
    scenes_folder, recipe = tmp_path / 'scenes', tmp_path / 'recipe.yaml'
    write_one_scene(scenes_folder)
    recipe.write_text(RECIPE.replace('multitask_mini_xception', 'mine.onnx') + 'units: 3\n')
    arguments = ['train', str(recipe), '--data', str(scenes_folder), '--output']
    assert main([*arguments, str(tmp_path / 'run')]) == 0
    again = onnx.load(tmp_path / 'run' / 'mine.onnx')
    assert [each.name for each in again.graph.output].count(MOVEMENT) == 1
    assert len(again.graph.node) == len(onnx_model.graph.node)
    assert Classifier(tmp_path / 'run' / 'mine.onnx').follow_threshold == 0.6


def write_one_scene(folder: Path) -> None:
    """Write a scene with a face for training, and one for validation."""
    for name in ('train', 'validation'):
        (folder / name).mkdir(parents=True)
        cv2.imwrite(str(folder / name / '0.png'), scene(100, 100))
        face = {'box': [150, 140, 89, 110], 'use': 'face'}
        content = {'images': {'0.png': {'faces': [face]}}}
        (folder / name / 'boxes.json').write_text(json.dumps(content))


@pytest.mark.parametrize(
    'more',
    [['--resume'], ['--teacher', 'x.onnx'], ['--init-from', 'run'], ['--cluster-hosts', 'a:1']],
)
def test_option_of_other_trainings_is_rejected(
    tmp_path: Path, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The line names the option, and nothing is written."""
    (tmp_path / 'recipe.yaml').write_text(RECIPE)
    recipe, output = str(tmp_path / 'recipe.yaml'), str(tmp_path / 'run')
    assert main(['train', recipe, '--data', 'x', '--output', output, *more]) == 2
    assert not Path(output).exists()
    assert more[0] in capsys.readouterr().err


def test_moving_face_is_followed_without_the_detector(model: Path) -> None:
    """Boxes and landmarks stay near those of a search in every full image."""
    images = moving()
    pipeline = pipeline_of(model)
    assert pipeline.follower is not None
    for number, image in enumerate(images):
        (face,) = pipeline.process(image, number / 30)
        (expected,) = find(image)
        assert face.detection.box.iou(expected.box) > 0.75, number
        distances = np.array(face.detection.landmarks) - np.array(expected.landmarks)
        assert np.abs(distances).max() < 0.2 * expected.box.height
        assert face.attributes['gender'].frame_count == number + 1
        assert face.track_id


def test_estimates_come_with_the_movement(model: Path) -> None:
    """Between searches they are those of the crops at the places in the image before."""
    first, second = moving(2)
    pipeline = replace(pipeline_of(model), tracker=None)
    known = [face.detection for face in pipeline.process(first)]
    (face,) = pipeline.process(second)
    assert pipeline.follower is not None
    followed = follow_faces(second, known, pipeline.follower)
    assert followed is not None
    (expected,), predictions = followed
    assert asdict(face.detection.box) == pytest.approx(asdict(expected.box))
    for attribute, (probabilities, _) in predictions.items():
        assert np.array_equal(face.attributes[attribute].probabilities, probabilities[0])


def test_face_that_leaves_is_dropped_in_the_same_image(model: Path) -> None:
    """An empty image has no face, whenever it comes."""
    for count in range(1, INTERVAL):
        boxes = boxes_of(pipeline_of(model), [*moving(count), scene(480, 0)])
        assert [len(each) for each in boxes] == [1] * count + [0]


def test_results_are_the_same_each_time_also_of_a_video(model: Path, tmp_path: Path) -> None:
    """A file that was classified before has no effect on the next one."""
    write_timed_video(tmp_path / 'a.mp4', moving(12), [number / 25 for number in range(12)])
    config = following((str(model),))
    classifier = FileClassifier(config)
    job = Job(Source(tmp_path / 'a.mp4', Path('a.mp4'), VIDEO), None)
    first, second = (
        [frame.to_dict() for frame in classifier.classify(job, {VIDEO: read_video})]
        for _ in range(2)
    )
    ids = [[face.pop('track_id') for face in frame['faces']] for frame in (*first, *second)]
    assert [len(each) for each in ids] == [1] * 24
    assert first == second
    pipeline = create_pipeline(config)
    with read_video(tmp_path / 'a.mp4') as opened:
        faces = [pipeline.process(image, stamp) for _, stamp, image in opened.frames]
    boxes = [[each.to_dict()['box'] for each in frame] for frame in faces]
    assert boxes == [[each['box'] for each in frame['faces']] for frame in first]


@pytest.mark.parametrize(
    ('models', 'settings'),
    [
        (('emotion_mini_xception',), {}),
        (('model',), {'follow': False}),
        (('model',), {'detection_interval': 1}),
        (('gender_mini_xception', 'model'), {}),
    ],
    ids=['no output', 'switched off', 'every full image', 'two models'],
)
def test_otherwise_the_detector_finds_known_faces(
    model: Path, models: tuple[str, ...], settings: dict[str, Any]
) -> None:
    """All boxes are those of the detector, as if there were no classifier."""
    paths = tuple(str(model) if each == 'model' else each for each in models)
    config = replace(following(paths), **settings)
    images = moving(4)
    detector = create_detector(config)
    expected = [[asdict(face.box) for face in detector.detect(image)] for image in images]
    found = [[asdict(box) for box in each] for each in boxes_of(create_pipeline(config), images)]
    assert [len(each) for each in found] == [1] * 4
    assert [box for (box,) in found] == [pytest.approx(box) for (box,) in expected]


def test_network_of_the_file_has_only_one_more_output(model: Path) -> None:
    """Whoever reads the file without this package finds it at the end."""
    names = [output.name for output in load_network(model).get_outputs()]
    assert names == [*Classifier(SOURCE).labels, MOVEMENT]


def test_unknown_task_is_refused_with_the_known_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line names the recipe and the tasks."""
    recipe = tmp_path / 'recipe.yaml'
    recipe.write_text('task: dancing\n')
    output = tmp_path / 'run'
    assert main(['train', str(recipe), '--data', str(tmp_path), '--output', str(output)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert all(each in line for each in (str(recipe), 'dancing', 'face_following'))
    assert not output.exists()
