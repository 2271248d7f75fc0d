"""Building blocks of the networks: convolutions, residual module, heads."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops
import tensorflow as tf

PACKAGE = 'face_classification_ros'

DETECTION_VALUES = 15
"""Of a cell: score, four of the box and ten of the landmarks."""


@keras.saving.register_keras_serializable(PACKAGE)
class FusedBatchNormalization(layers.BatchNormalization):
    """Batch normalization over all but the last axis, by TensorFlow's fused operation.

    N x H x W x C -> the same; 4 C parameters, 2 C of them trained (Ioffe, Szegedy 2015). The same
    function as Keras' own layer, which computes mean and variance in separate operations: a
    training step of mini-Xception takes two thirds of the time with this one. Its moving variance
    is unbiased, n / (n - 1) times that of Keras for n pixels in a batch.
    """

    def call(
        self, inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Normalize by the batch in training, by the moving averages otherwise."""
        if not training:
            return super().call(inputs, training=False, mask=mask)
        normalized, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            tf.convert_to_tensor(self.gamma),
            tf.convert_to_tensor(self.beta),
            epsilon=self.epsilon,
            is_training=True,
        )
        for average, of_batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            average.assign(average * self.momentum + of_batch * (1 - self.momentum))
        return normalized


@keras.saving.register_keras_serializable(PACKAGE)
class FaceStandardization(layers.Layer):
    """Standardize each face to mean 0 and standard deviation 1, against lighting and contrast.

    N x H x W x C -> the same; no parameters. Smaller deviations count as 1/64 of the range, so
    that the noise of a blank image is not amplified.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Standardize each face independently."""
        centered = inputs - ops.mean(inputs, axis=(1, 2, 3), keepdims=True)
        variance = ops.mean(ops.square(centered), axis=(1, 2, 3), keepdims=True)
        return centered / ops.maximum(ops.sqrt(variance), 1 / 32)

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the shape of the input."""
        return input_shape


def convolution(
    x: keras.KerasTensor,
    filters: int,
    *,
    size: int = 3,
    stride: int = 1,
    padding: str = 'valid',
    name: str,
) -> keras.KerasTensor:
    """`size` x `size` convolution, batch normalization, ReLU.

    N x H x W x C -> N x H' x W' x `filters`, H' = H - `size` + 1 without padding ('valid') and H
    with it ('same'), divided by `stride`; `size`^2 C `filters` + 4 `filters` parameters.
    """
    x = layers.Conv2D(filters, size, stride, padding=padding, use_bias=False, name=f'{name}.maps')(
        x
    )
    x = FusedBatchNormalization(name=f'{name}.norm')(x)
    return layers.ReLU(name=f'{name}.relu')(x)


def separable_convolution(
    x: keras.KerasTensor,
    filters: int,
    *,
    size: int = 3,
    stride: int = 1,
    relu: bool = True,
    name: str,
) -> keras.KerasTensor:
    """Depth-wise separable convolution, batch normalization, optional ReLU (Chollet 2017).

    N x H x W x C -> N x ceil(H / `stride`) x ceil(W / `stride`) x `filters`; `size`^2 C +
    C `filters` + 4 `filters` parameters.
    """
    x = layers.SeparableConv2D(
        filters, size, stride, padding='same', use_bias=False, name=f'{name}.separable'
    )(x)
    x = FusedBatchNormalization(name=f'{name}.norm')(x)
    return layers.ReLU(name=f'{name}.relu')(x) if relu else x


def residual_module(x: keras.KerasTensor, filters: int, *, name: str) -> keras.KerasTensor:
    """Two separable convolutions and a pooling, added to a 1x1 shortcut, at half the size.

    N x H x W x C -> N x ceil(H / 2) x ceil(W / 2) x `filters`, the module of mini-Xception
    (Arriaga et al. 2017, figure 4); 9 (C + F) + 2 C F + F^2 + 12 F parameters for F filters.
    """
    # The same function as a 1x1 convolution with stride 2, whose backward pass crashes in
    # oneDNN on some processors; subsampling first is faster, too.
    shortcut = layers.MaxPooling2D(1, 2, padding='same', name=f'{name}.shortcut_pixels')(x)
    shortcut = layers.Conv2D(filters, 1, use_bias=False, name=f'{name}.shortcut')(shortcut)
    shortcut = FusedBatchNormalization(name=f'{name}.shortcut_norm')(shortcut)

    x = separable_convolution(x, filters, name=f'{name}.1')
    x = separable_convolution(x, filters, relu=False, name=f'{name}.2')
    x = layers.MaxPooling2D(3, 2, padding='same', name=f'{name}.pool')(x)
    return layers.Add(name=f'{name}.add')([x, shortcut])


def pooling_head(x: keras.KerasTensor, classes: int, *, name: str) -> keras.KerasTensor:
    """One 3x3 map per class, averaged over the image: logits without a dense layer.

    N x H x W x C -> N x `classes`; 9 C `classes` + `classes` parameters (Lin et al. 2013).
    """
    x = layers.Conv2D(classes, 3, padding='same', name=f'{name}.maps')(x)
    return layers.GlobalAveragePooling2D(name=f'{name}.logits')(x)


def dense_head(
    x: keras.KerasTensor, classes: int, *, units: int, dropout: float, name: str
) -> keras.KerasTensor:
    """Hidden fully connected layer with ReLU and dropout, then one unit per class: logits.

    N x H x W x C -> N x `classes`; (H W C + 1) `units` + (`units` + 1) `classes` parameters. The
    kind of head that the paper avoids.
    """
    x = layers.Flatten(name=f'{name}.flat')(x)
    x = layers.Dense(units, activation='relu', name=f'{name}.hidden')(x)
    x = layers.Dropout(dropout, name=f'{name}.dropout')(x)
    return layers.Dense(classes, name=f'{name}.logits')(x)


def add_upsampled(
    x: keras.KerasTensor, coarse: keras.KerasTensor, *, name: str
) -> keras.KerasTensor:
    """Add maps of half the size (feature pyramid, Lin et al. 2017); no parameters.

    N x H x W x C and N x H/2 x W/2 x C -> N x H x W x C.
    """
    coarse = layers.UpSampling2D(2, name=f'{name}.up')(coarse)
    return layers.Add(name=f'{name}.add')([x, coarse])


def detection_head(x: keras.KerasTensor, *, name: str) -> keras.KerasTensor:
    """One separable convolution, then the values of a face per cell.

    N x H x W x C -> N x H x W x 15: the logit of the score; center from the corner of the cell and
    logarithm of width and height, in cells; five landmarks from the corner, in cells. C^2 + 28 C
    + 15 parameters.
    """
    x = separable_convolution(x, x.shape[-1], name=f'{name}.block')
    # A score of 0.01 at the start, since nearly all cells are empty (Lin et al. 2017).
    return layers.Conv2D(DETECTION_VALUES, 1, bias_initializer=_rare_faces, name=f'{name}.values')(
        x
    )


@keras.saving.register_keras_serializable(PACKAGE)
def _rare_faces(shape: tuple[int, ...], dtype: str | None = None) -> tf.Tensor:
    return ops.convert_to_tensor([-4.6] + [0.0] * (shape[0] - 1), dtype)
