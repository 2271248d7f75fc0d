"""Building blocks of the networks: convolution, residual module, pooling head."""

from __future__ import annotations

import keras
from keras import layers


def convolution(x: keras.KerasTensor, filters: int, *, name: str) -> keras.KerasTensor:
    """3x3 convolution without padding, batch normalisation, ReLU.

    N x H x W x C -> N x (H - 2) x (W - 2) x `filters`; 9 C `filters` + 4 `filters` parameters.
    """
    x = layers.Conv2D(filters, 3, use_bias=False, name=name)(x)
    x = layers.BatchNormalization(name=f'{name}_norm')(x)
    return layers.ReLU(name=f'{name}_relu')(x)


def separable_convolution(x: keras.KerasTensor, filters: int, *, name: str) -> keras.KerasTensor:
    """3x3 depth-wise separable convolution and batch normalisation (Chollet 2017).

    N x H x W x C -> N x H x W x `filters`; 9 C + C `filters` + 4 `filters` parameters.
    """
    x = layers.SeparableConv2D(filters, 3, padding='same', use_bias=False, name=name)(x)
    return layers.BatchNormalization(name=f'{name}_norm')(x)


def residual_module(x: keras.KerasTensor, filters: int, *, name: str) -> keras.KerasTensor:
    """Two separable convolutions and a pooling beside a 1x1 shortcut, at half the size.

    N x H x W x C -> N x ceil(H / 2) x ceil(W / 2) x `filters`, the module of mini-Xception
    (Arriaga et al. 2017, figure 4).
    """
    # The same function as a 1x1 convolution with stride 2, whose backward pass crashes in
    # oneDNN on some processors; taking every second pixel first is faster, too.
    shortcut = x[:, ::2, ::2, :]
    shortcut = layers.Conv2D(filters, 1, use_bias=False, name=f'{name}_shortcut')(shortcut)
    shortcut = layers.BatchNormalization(name=f'{name}_shortcut_norm')(shortcut)

    x = separable_convolution(x, filters, name=f'{name}_separable1')
    x = layers.ReLU(name=f'{name}_relu')(x)
    x = separable_convolution(x, filters, name=f'{name}_separable2')
    x = layers.MaxPooling2D(3, 2, padding='same', name=f'{name}_pool')(x)
    return layers.Add(name=f'{name}_add')([x, shortcut])


def pooling_head(x: keras.KerasTensor, classes: int, *, name: str) -> keras.KerasTensor:
    """One 3x3 map per class, averaged over the picture: logits without a dense layer.

    N x H x W x C -> N x `classes`; 9 C `classes` + `classes` parameters (Lin et al. 2013).
    """
    x = layers.Conv2D(classes, 3, padding='same', name=f'{name}_maps')(x)
    return layers.GlobalAveragePooling2D(name=name)(x)
