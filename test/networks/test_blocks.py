"""Building blocks of networks."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('tensorflow', reason='needs the extra [train]')

import tensorflow as tf

from face_classification_ros.networks.blocks import FaceStandardization, FusedBatchNormalization
from face_classification_ros.networks.builder import build_network
from face_classification_ros.networks.description import read_network

MAPS = np.random.default_rng(0).normal(3, 2, (4, 5, 6, 7)).astype(np.float32)
FACES = np.random.default_rng(1).uniform(-1, 1, (3, 48, 48, 1)).astype(np.float32)


def two_normalizations() -> tuple[tf.keras.Layer, tf.keras.Layer]:
    """Return ours and Keras' own with the same parameters, none of them 0 or 1."""
    random = np.random.default_rng(2)
    gamma, beta, mean, variance = random.uniform(0.5, 2, (4, MAPS.shape[-1]))
    ours, theirs = FusedBatchNormalization(), tf.keras.layers.BatchNormalization()
    for layer in (ours, theirs):
        layer.build(MAPS.shape)
        layer.set_weights([gamma, beta, mean, variance])
    return ours, theirs


def test_fused_normalization_trains_like_that_of_keras() -> None:
    """Outputs and all gradients are the same for one batch."""
    results = []
    for layer in two_normalizations():
        maps = tf.constant(MAPS)
        with tf.GradientTape() as tape:
            tape.watch(maps)
            output = layer(maps, training=True)
            # A loss with a varying gradient, as normalization cancels a constant one.
            loss = tf.reduce_sum(tf.sin(output))
        results.append([output, *tape.gradient(loss, [maps, layer.gamma.value, layer.beta.value])])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_fused_normalization_updates_moving_averages() -> None:
    """Like Keras, but with the unbiased variance, n / (n - 1) times the other."""
    ours, theirs = two_normalizations()
    before = theirs.moving_variance.numpy()
    for layer in (ours, theirs):
        layer(MAPS, training=True)
    np.testing.assert_allclose(ours.moving_mean, theirs.moving_mean, rtol=1e-5)
    pixels = MAPS[..., 0].size
    unbiased = theirs.moving_variance + 0.01 * MAPS.var(axis=(0, 1, 2)) / (pixels - 1)
    np.testing.assert_allclose(ours.moving_variance, unbiased, rtol=1e-5)
    assert np.all(np.abs(ours.moving_variance - before) > 1e-3)


def test_fused_normalization_predicts_like_that_of_keras() -> None:
    """It uses the moving averages and does not change them."""
    ours, theirs = two_normalizations()
    before = ours.moving_mean.numpy()
    np.testing.assert_allclose(
        ours(MAPS, training=False), theirs(MAPS, training=False), rtol=1e-5, atol=1e-5
    )
    np.testing.assert_array_equal(ours.moving_mean, before)


def test_standardization_removes_brightness_and_contrast() -> None:
    """Each face is standardized independently."""
    standardize = FaceStandardization()
    pale = FACES * np.array([0.2, 0.4, 1]).reshape(3, 1, 1, 1) - 0.3
    np.testing.assert_allclose(standardize(pale), standardize(FACES), atol=1e-4)
    assert np.std(standardize(FACES), axis=(1, 2, 3)) == pytest.approx(1, abs=1e-4)


def test_standardization_does_not_amplify_noise() -> None:
    """A constant image gives zeros; noise of one gray level stays below a half."""
    standardize = FaceStandardization()
    assert not np.any(standardize(np.full((1, 48, 48, 1), 0.25, np.float32)))
    noise = np.random.default_rng(0).integers(0, 2, (1, 48, 48, 1)) / 127.5
    assert np.abs(standardize(noise.astype(np.float32))).max() < 0.5


def test_saved_network_gives_the_same_predictions(tmp_path: Path) -> None:
    """Keras knows the layers of this package when it loads a file."""
    network = build_network(
        read_network('mini_xception'), (48, 48, 1), {'gender': 2, 'emotion': 7}
    )
    network(FACES, training=True)
    network.save(tmp_path / 'network.keras')
    loaded = tf.keras.models.load_model(tmp_path / 'network.keras')
    before, after = network(FACES), loaded(FACES)
    assert list(after) == ['gender', 'emotion']
    for attribute in before:
        np.testing.assert_allclose(after[attribute], before[attribute], rtol=1e-5)
