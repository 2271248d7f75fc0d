"""mini-Xception, the small network of the paper."""

from __future__ import annotations

import keras

from face_classification_ros.networks.blocks import convolution, pooling_head, residual_module


def mini_xception(input_shape: tuple[int, int, int], classes: int, *, head: str) -> keras.Model:
    """Build mini-Xception (Arriaga, Valdenegro-Toro, Plöger 2017, figure 4).

    Two convolutions of 8 maps, four residual modules of separable convolutions with 16 to 128
    maps, global average pooling instead of dense layers: 58,423 parameters with 7 classes and
    52,658 with 2, for grey pictures of any size.

    Args:
        input_shape: height, width and channels of a face.
        classes: number of labels.
        head: name of the output.

    Returns:
        A model from float32 N x H x W x C in [-1, 1] to logits float32 N x `classes`.
    """
    faces = keras.Input(input_shape, name='scaled_faces')
    x = convolution(faces, 8, name='convolution1')
    x = convolution(x, 8, name='convolution2')
    for number, filters in enumerate((16, 32, 64, 128), start=1):
        x = residual_module(x, filters, name=f'module{number}')
    return keras.Model(faces, pooling_head(x, classes, name=head), name='mini_xception')
