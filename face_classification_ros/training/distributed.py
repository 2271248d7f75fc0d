"""Synchronous training on several machines: each trains on its part of every batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
import itertools
import math
import re
import signal
from typing import Any
import zlib

import keras
import numpy as np
from numpy.typing import NDArray
import tensorflow as tf

HOST_PORT = re.compile(r'[^:\s]+:\d{1,5}')

GROUP = 1
"""Key of the group of all workers in TensorFlow's collective operations."""

GRADIENTS = 1
"""Instance key of the sum of the gradients; all its summands have the same shape."""

# Every other sum has its own instance key, counted in the order in which all workers call it.
_keys = itertools.count(GRADIENTS + 1)

# Raised by TensorFlow during a collective operation when a worker has disappeared.
LOST = (tf.errors.AbortedError, tf.errors.DeadlineExceededError, tf.errors.UnavailableError)


@dataclass(frozen=True)
class Cluster:
    """The machines of a distributed run; without hosts, a run on this machine alone.

    Every worker has the same recipe and the same data, trains on every n-th face of each batch
    (see `FaceBatches`) and applies the mean of all gradients. So n workers train the same network
    as one, except that batch normalization uses the statistics of a worker's own part. Only the
    chief writes results.

    Workers use TensorFlow's gRPC protocol, which has neither authentication nor encryption and
    listens on all network interfaces: use it on a trusted network only.

    Attributes:
        hosts: HOST:PORT of each worker, the same list on all of them.
        task_index: position of this machine in `hosts`, from 0; 0 is the chief.
    """

    hosts: tuple[str, ...] = ()
    task_index: int = 0

    def __post_init__(self) -> None:
        """Check the hosts and the index.

        Raises:
            ValueError: a host is not HOST:PORT or is listed twice, or `task_index` is out of
                range.
        """
        for host in self.hosts:
            if not HOST_PORT.fullmatch(host):
                raise ValueError(f'cluster host {host!r}: expected HOST:PORT, as in robot:2222')
            if self.hosts.count(host) > 1:
                raise ValueError(f'cluster host {host!r} is listed twice')
        if not 0 <= self.task_index < self.size:
            raise ValueError(
                f'task index {self.task_index} is not between 0 and {self.size - 1}, '
                'the position of this machine in the list of cluster hosts'
            )

    @property
    def size(self) -> int:
        """Number of workers, 1 for a run on one machine."""
        return max(1, len(self.hosts))

    @property
    def is_chief(self) -> bool:
        """Whether this worker writes the results."""
        return self.task_index == 0

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Wait for all workers to connect and, at the end, for all of them to finish.

        Must be entered before any other TensorFlow operation.

        Raises:
            ConnectionError: another worker stopped early, has been unreachable for ten seconds,
                or did not connect within an hour.
        """
        if self.size == 1:
            yield
            return
        try:
            self._join()
            yield
            self._sum(np.zeros(1))
        except LOST as error:
            raise ConnectionError(
                'lost the connection to another worker (see its output); '
                'restart all workers with --resume'
            ) from error

    def local_batch(self, batch: NDArray[np.int64]) -> tuple[NDArray[np.int64], np.float32]:
        """Return this worker's part of a batch: every n-th of its faces.

        Returns:
            The faces, at least one, and their weight. With it, the mean of the workers' mean
            losses is the mean loss of the batch; it is 1 where all parts have the same size.
        """
        faces = batch[self.task_index :: self.size]
        weight = np.float32(self.size * len(faces) / len(batch))
        # A training step needs a face; without a part, another worker's face gets weight 0.
        return (faces if len(faces) else batch[:1]), weight

    def check_same(self, **facts: str) -> None:
        """Check that all workers have the same values.

        Args:
            facts: the values by their names for the error message.

        Raises:
            ValueError: a value differs between workers.
        """
        if self.size == 1:
            return
        mine = np.array([zlib.crc32(fact.encode()) for fact in facts.values()], np.float64)
        for name, same in zip(facts, mine * self.size == self._sum(mine), strict=True):
            if not same:
                raise ValueError(f'the {name} differs between the workers')

    def connect(self, network: keras.Model) -> None:
        """Copy the chief's weights to a compiled network and make its steps synchronous."""
        if self.size == 1:
            return
        network.optimizer.build(network.trainable_variables)
        variables = [*network.weights, *network.optimizer.variables]
        self.check_same(network=str([tuple(each.shape) for each in variables]))
        # Only the chief adds its values, so that the sum equals them.
        _assign(variables, self._sum(_flat(variables) * self.is_chief))
        # XLA does not support collectives over several machines.
        network.jit_compile = False
        apply = network.optimizer.apply

        def apply_mean(gradients: Sequence[tf.Tensor], weights: Sequence[keras.Variable]) -> None:
            # One sum of all gradients is much faster than one per variable.
            flat = tf.concat([tf.reshape(gradient, [-1]) for gradient in gradients], 0)
            mean = _sum_of_all(flat, self.size, GRADIENTS) / self.size
            parts = tf.split(mean, [math.prod(weight.shape) for weight in weights])
            shaped = [
                tf.reshape(part, weight.shape) for part, weight in zip(parts, weights, strict=True)
            ]
            apply(shaped, weights)

        # Not a subclass: a checkpoint can be resumed by any number of workers.
        network.optimizer.apply = apply_mean

    def callback(self) -> keras.callbacks.Callback:
        """Return the callback that must precede all other callbacks of a run."""
        return _Exchange(self) if self.size > 1 else keras.callbacks.Callback()

    def _join(self) -> None:
        print(f'task {self.task_index} of {self.size} waits for the other workers', flush=True)
        # While TensorFlow waits, Python cannot handle signals; afterwards TensorFlow would keep
        # its own handler of SIGTERM, and the process would not end.
        handlers = {
            number: signal.signal(number, signal.SIG_DFL)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            # Keras 3 cannot fit a network within this strategy (keras-team/keras 20585), so it
            # only connects the workers; the exchange is implemented here.
            tf.distribute.MultiWorkerMirroredStrategy(
                tf.distribute.cluster_resolver.SimpleClusterResolver(
                    tf.train.ClusterSpec({'worker': self.hosts}),
                    task_type='worker',
                    task_id=self.task_index,
                    rpc_layer='grpc',
                )
            )
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _sum(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum over all workers, all of which must call this."""
        return _sum_of_all(tf.constant(values), self.size, next(_keys)).numpy()


class _Exchange(keras.callbacks.Callback):
    """Synchronize logs, early stopping and the moving averages used in validation."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__()
        self._cluster = cluster

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        # The moving averages of batch normalization come from each worker's own part.
        if averages := self.model.non_trainable_weights:
            _assign(averages, self._cluster._sum(_flat(averages)) / self._cluster.size)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        assert logs is not None
        stop = float(self.model.stop_training)
        *figures, stopped = self._cluster._sum(np.array([*logs.values(), stop]))
        logs.update(zip(list(logs), np.array(figures) / self._cluster.size, strict=True))
        self.model.stop_training = stopped > 0


def _sum_of_all(values: tf.Tensor, count: int, key: int) -> tf.Tensor:
    with tf.device('CPU:0'):
        return tf.raw_ops.CollectiveReduceV2(
            input=values,
            group_size=count,
            group_key=GROUP,
            instance_key=key,
            ordering_token=[],
            merge_op='Add',
            final_op='Id',
        )


def _flat(variables: Sequence[keras.Variable]) -> NDArray[np.float64]:
    # Double precision is exact for integers such as the number of steps, too.
    return np.concatenate(
        [np.ravel(variable.numpy()).astype(np.float64) for variable in variables]
    )


def _assign(variables: Sequence[keras.Variable], values: NDArray[np.float64]) -> None:
    sizes = [math.prod(variable.shape) for variable in variables]
    for variable, part in zip(variables, np.split(values, np.cumsum(sizes)[:-1]), strict=True):
        variable.assign(part.reshape(variable.shape).astype(variable.dtype))
