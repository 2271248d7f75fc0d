"""The gradients of a model file equal those of TensorFlow and of numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
import onnxruntime
import pytest

pytest.importorskip('tensorflow', reason='needs the extra [train]')

import onnx
import tensorflow as tf

from face_classification_ros.explanation.onnx_gradients import GradientGraph, LABEL
from face_classification_ros.networks.builder import build_network
from face_classification_ros.networks.description import NetworkDescription, read_network
from face_classification_ros.networks.onnx_export import convert_to_onnx, scale_faces

SIDE = 48
FACES = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 1)).astype(np.uint8)
LABELS = np.array([0, 3, 6])


def network_named(name: str) -> tf.keras.Model:
    """Build a network with weights of all signs, as after training."""
    tf.keras.utils.set_random_seed(0)
    network = build_network(read_network(name), (SIDE, SIDE, 1), {'emotion': 7})
    randomize(network)
    return network


def randomize(network: tf.keras.Model) -> None:
    """Set the variables of batch normalization to random values."""
    random = np.random.default_rng(1)
    for weight in network.weights:
        if weight.path.endswith(('gamma', 'moving_variance')):
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
        elif weight.path.endswith(('beta', 'moving_mean')):
            weight.assign(random.normal(0, 0.3, weight.shape))


def converted(network: tf.keras.Model, *, mirror: bool = False) -> bytes:
    """Return a network as the content of a model file."""

    def predict(faces: Any) -> dict[str, Any]:
        if not mirror:
            return {name: tf.nn.softmax(each) for name, each in network(faces).items()}
        both = network(tf.concat([faces, tf.reverse(faces, [2])], 0))
        return {
            name: tf.nn.softmax((tf.add_n(tf.split(each, 2)) / 2 + [0.1] * each.shape[1]) / 1.3)
            for name, each in both.items()
        }

    return convert_to_onnx(predict, network.input_shape[1:]).SerializeToString()


def run(content: bytes, **inputs: NDArray[Any]) -> NDArray[np.float32]:
    """Check and run a model; return a gradient like the faces, with the channels last."""
    onnx.checker.check_model(onnx.load_model_from_string(content), full_check=True)
    session = onnxruntime.InferenceSession(content, providers=['CPUExecutionProvider'])
    (value,) = session.run(None, inputs)
    return np.asarray(value).transpose(0, 2, 3, 1)


@tf.custom_gradient
def guided_relu(values: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Pass positive gradients back through positive activations, as in the paper."""
    active = tf.nn.relu(values)
    return active, lambda gradient: tf.where(active > 0, tf.nn.relu(gradient), 0.0)


def guided_copy(network: tf.keras.Model) -> tf.keras.Model:
    """Return a copy with guided ReLUs."""

    def layer_of(layer: tf.keras.layers.Layer) -> tf.keras.layers.Layer:
        if isinstance(layer, tf.keras.layers.ReLU):
            return tf.keras.layers.Lambda(guided_relu, name=layer.name)
        settings = layer.get_config()
        if settings.get('activation') == 'relu':
            settings['activation'] = guided_relu
        return layer.__class__.from_config(settings)

    copy = tf.keras.models.clone_model(network, clone_function=layer_of)
    copy.set_weights(network.get_weights())
    return copy


def gradient_by_tensorflow(
    network: tf.keras.Model, faces: NDArray[np.uint8], score: Callable[[tf.keras.Model, Any], Any]
) -> NDArray[np.float32]:
    """Return the gradient of a score with respect to the standardized faces."""
    standardized = network.layers[1](scale_faces(faces))
    with tf.GradientTape() as tape:
        tape.watch(standardized)
        value = tf.reduce_sum(score(network, standardized))
    return np.asarray(tape.gradient(value, standardized))


def score_of_labels(network: tf.keras.Model, standardized: Any) -> Any:
    """Return the logits of `LABELS`."""
    rest = tf.keras.Model(network.layers[1].output, network.output['emotion'])
    return rest(standardized, training=False) * tf.one_hot(LABELS, 7)


@pytest.mark.parametrize('guided', [False, True])
@pytest.mark.parametrize('name', ['mini_xception', 'sequential_fully_cnn', 'tang2013'])
def test_the_gradient_of_a_label_is_tensorflows(name: str, guided: bool) -> None:
    """For every network of the package, plain and guided."""
    network = network_named(name)
    graph = GradientGraph(converted(network), 'emotion', guided=guided)
    gradient = run(graph.from_label(), faces=FACES, **{LABEL: LABELS})
    expected = gradient_by_tensorflow(
        guided_copy(network) if guided else network, FACES, score_of_labels
    )
    np.testing.assert_allclose(gradient, expected, atol=1e-5 * np.abs(expected).max())
    assert np.abs(expected).max() > 0


@pytest.mark.parametrize('layer', ['residual_module3.2.separable', 'emotion'])
def test_the_gradient_of_the_most_active_unit_is_tensorflows(layer: str) -> None:
    """One unit of one map of a convolution, another one for every face."""
    network = network_named('mini_xception')
    graph = GradientGraph(converted(network), 'emotion', guided=True)
    assert layer in graph.layers and graph.layers[-1] == 'emotion'
    copy = guided_copy(network)
    last = {
        'emotion': 'emotion.maps',
        'residual_module3.2.separable': 'residual_module3.2.norm',
    }

    def most_active(network: tf.keras.Model, standardized: Any) -> Any:
        rest = tf.keras.Model(network.layers[1].output, network.get_layer(last[layer]).output)
        return tf.reduce_max(rest(standardized, training=False), axis=(1, 2, 3))

    gradient = run(graph.from_unit(layer), faces=FACES)
    expected = gradient_by_tensorflow(copy, FACES, most_active)
    np.testing.assert_allclose(gradient, expected, atol=1e-5 * np.abs(expected).max())


def test_grad_cam_is_tensorflows() -> None:
    """Maps before the head, weighted by the mean of the score's gradient by them."""
    network = network_named('sequential_fully_cnn')
    graph = GradientGraph(converted(network), 'emotion', guided=False)
    cam = run(graph.grad_cam('convolution8'), faces=FACES, **{LABEL: LABELS})
    maps_of = tf.keras.Model(network.inputs, network.get_layer('convolution8.relu').output)
    rest = tf.keras.Model(network.get_layer('convolution8.relu').output, network.output['emotion'])
    maps = maps_of(scale_faces(FACES), training=False)
    with tf.GradientTape() as tape:
        tape.watch(maps)
        score = tf.reduce_sum(rest(maps, training=False) * tf.one_hot(LABELS, 7))
    weights = tf.reduce_mean(tape.gradient(score, maps), axis=(1, 2), keepdims=True)
    expected = tf.nn.relu(tf.reduce_sum(maps * weights, axis=-1, keepdims=True)).numpy()
    np.testing.assert_allclose(cam, expected, atol=1e-5 * expected.max())
    assert cam.shape == (3, 6, 6, 1)


def test_mirrored_face_is_excluded() -> None:
    """The explanation of a model file with flip averaging is that of the original face."""
    network = network_named('mini_xception')
    alone = GradientGraph(converted(network), 'emotion', guided=True).from_unit('emotion')
    averaged = GradientGraph(converted(network, mirror=True), 'emotion', guided=True)
    np.testing.assert_allclose(
        run(averaged.from_unit('emotion'), faces=FACES), run(alone, faces=FACES), atol=1e-6
    )


TINY = NetworkDescription.model_validate(
    {
        'name': 'tiny',
        'blocks': [
            {'block': 'convolution', 'filters': 3, 'padding': 'valid'},
            {'block': 'convolution', 'filters': 2, 'padding': 'valid'},
        ],
    }
)


def test_guided_back_propagation_is_what_numpy_computes() -> None:
    """For a network of two convolutions, with the rule of Springenberg at each ReLU."""
    tf.keras.utils.set_random_seed(3)
    network = build_network(TINY, (8, 8, 1), {'gender': 2})
    face = np.random.default_rng(2).integers(0, 256, (1, 8, 8, 1)).astype(np.uint8)
    kernels = [network.get_layer(f'convolution{n}.maps').get_weights()[0] for n in (1, 2)]
    # Untrained batch normalization divides by the square root of 1.001.
    kernels = [kernel / np.sqrt(1.001) for kernel in kernels]
    head = network.get_layer('gender.maps').get_weights()[0]

    x = face[0].astype(np.float32) / 127.5 - 1
    activations = []
    for kernel in kernels:
        x = np.maximum(convolved(x, kernel), 0)
        activations.append(x)
    # The score of label 1 is the mean over its map, whose borders are padded with zeros.
    gradient = np.zeros_like(activations[1])
    for row, column in np.ndindex(4, 4):
        for dy, dx in np.ndindex(3, 3):
            y, z = row + dy - 1, column + dx - 1
            if 0 <= y < 4 and 0 <= z < 4:
                gradient[y, z] += head[dy, dx, :, 1] / 16
    for activation, kernel in zip(activations[::-1], kernels[::-1], strict=True):
        gradient = np.where((activation > 0) & (gradient > 0), gradient, 0)
        before = np.zeros((len(gradient) + 2, len(gradient) + 2, kernel.shape[2]))
        for row, column in np.ndindex(gradient.shape[:2]):
            before[row : row + 3, column : column + 3] += kernel @ gradient[row, column]
        gradient = before

    graph = GradientGraph(converted(network), 'gender', guided=True)
    found = run(graph.from_label(), faces=face, **{LABEL: np.array([1])})
    np.testing.assert_allclose(found[0], gradient, atol=1e-6)
    assert gradient.any()


def convolved(x: NDArray[np.float32], kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Convolve H x W x C with 3 x 3 x C x F, without padding."""
    side = len(x) - 2
    result = np.empty((side, side, kernel.shape[3]), np.float32)
    for row, column in np.ndindex(side, side):
        result[row, column] = np.tensordot(x[row : row + 3, column : column + 3], kernel, 3)
    return result


def test_guided_and_plain_gradients_agree_where_nothing_is_negative() -> None:
    """With positive weights and a white face, no activation and no gradient is negative."""
    network = build_network(TINY, (8, 8, 1), {'gender': 2})
    for weight in network.trainable_weights:
        if weight.path.endswith('kernel'):
            weight.assign(np.abs(weight.numpy()))
    model, white = converted(network), np.full((1, 8, 8, 1), 255, np.uint8)
    plain, guided = (
        run(
            GradientGraph(model, 'gender', guided=each).from_label(),
            faces=white,
            **{LABEL: np.array([0])},
        )
        for each in (False, True)
    )
    np.testing.assert_array_equal(plain, guided)
    assert (plain > 0).all()


def small_model(*nodes: onnx.NodeProto) -> bytes:
    """Return a model with an input `faces` of 8 x 8 pixels, and an output `mood`."""
    value, kinds = onnx.helper.make_tensor_value_info, onnx.TensorProto
    kernel = onnx.numpy_helper.from_array(np.ones((1, 1, 1, 1), np.float32), 'kernel')
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node('Cast', ['faces'], ['pixels'], to=kinds.FLOAT), *nodes],
        'small',
        [value('faces', kinds.UINT8, ['N', 1, 8, 8])],
        [value('mood', kinds.FLOAT, None)],
        [kernel],
    )
    opset = onnx.helper.make_opsetid('', 13)
    return onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()


def test_a_model_file_without_convolutions_cannot_be_explained() -> None:
    """A gradient needs the input of the first convolution."""
    mean = onnx.helper.make_node('ReduceMean', ['pixels'], ['mood'], axes=[2, 3], keepdims=0)
    with pytest.raises(ValueError, match='no convolution'):
        GradientGraph(small_model(mean), 'mood', guided=True)


def test_an_operation_without_a_known_gradient_is_named() -> None:
    """The error for a model file of other origin names the operation."""
    model = onnx.load_model_from_string(converted(network_named('mini_xception')))
    relu = next(node for node in model.graph.node if node.op_type == 'Relu')
    relu.op_type = 'Sigmoid'
    with pytest.raises(ValueError, match='Sigmoid'):
        GradientGraph(model.SerializeToString(), 'emotion', guided=True).from_label()


def test_a_pooling_window_beyond_the_image_takes_no_memory() -> None:
    """With as much padding, ONNX Runtime runs a window of any size."""
    size = 2**20
    content = small_model(
        onnx.helper.make_node('Conv', ['pixels', 'kernel'], ['maps']),
        onnx.helper.make_node(
            'AveragePool',
            ['maps'],
            ['means'],
            kernel_shape=[size] * 2,
            strides=[size] * 2,
            pads=[size - 1] * 4,
        ),
        onnx.helper.make_node('GlobalAveragePool', ['means'], ['mood']),
    )
    with pytest.raises(ValueError, match=f'{size}, {size}'):
        GradientGraph(content, 'mood', guided=True).from_label()


def test_a_graph_can_be_extended_twice() -> None:
    """The gradients that were added first do not change the second ones."""
    graph = GradientGraph(converted(network_named('tang2013')), 'emotion', guided=True)
    first = run(graph.from_label(), faces=FACES, **{LABEL: LABELS})
    np.testing.assert_array_equal(run(graph.from_label(), faces=FACES, **{LABEL: LABELS}), first)
