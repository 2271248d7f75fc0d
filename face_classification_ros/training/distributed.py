"""Train on several machines at once: each learns from its share of every batch."""

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

ADDRESS = re.compile(r'[^:\s]+:\d{1,5}')

GROUP = 1
"""Key of the group of all workers in TensorFlow's collective operations."""

GRADIENTS = 1
"""Key of the sum of the gradients. A key names one sum, whose summands are of one shape."""

# Every other sum has a key of its own, counted in the order in which all workers come to them.
_keys = itertools.count(GRADIENTS + 1)

# What TensorFlow raises in the middle of a collective operation when a worker is gone.
LOST = (tf.errors.AbortedError, tf.errors.DeadlineExceededError, tf.errors.UnavailableError)


@dataclass(frozen=True)
class Workers:
    """All machines of a run, and which of them this one is; none for a run on one machine.

    Every worker has the same recipe and the same data, learns from every n-th face of each batch
    (see `FaceBatches`) and steps along the mean of all gradients, so that n workers learn what one
    does, but for noise: batch normalization in training goes by a worker's own share. Only the
    first one writes results.

    Workers talk by TensorFlow's own protocol, which has no password and no encryption and listens
    on all of a machine's networks: only use it in a network that you trust.

    Attributes:
        addresses: HOST:PORT of each worker, the same on all of them.
        index: which of them this one is, from 0.
    """

    addresses: tuple[str, ...] = ()
    index: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ValueError: an address is not of the form HOST:PORT or there twice, or there are not as
                many workers as `index` says.
        """
        for address in self.addresses:
            if not ADDRESS.fullmatch(address):
                raise ValueError(f'worker {address!r}: expected HOST:PORT, as in robot:2222')
            if self.addresses.count(address) > 1:
                raise ValueError(f'worker {address!r} is named twice; each needs its own')
        if not 0 <= self.index < self.count:
            raise ValueError(
                f'worker {self.index} of {self.count}: expected a number from 0 to '
                f'{self.count - 1}, the place of this machine in the list of workers'
            )

    @property
    def count(self) -> int:
        """Number of workers, 1 for a run on one machine."""
        return max(1, len(self.addresses))

    @property
    def is_first(self) -> bool:
        """Whether this one writes results."""
        return self.index == 0

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Wait for all others, and after the work until all are done with theirs.

        Has to come before anything else that TensorFlow does.

        Raises:
            ConnectionError: another worker ended before its work was done, or its machine has not
                been heard of for ten seconds; or an hour passed and it did not come.
        """
        if self.count == 1:
            yield
            return
        try:
            self._join()
            yield
            self._sum(np.zeros(1))
        except LOST as error:
            raise ConnectionError(
                'another worker is gone or did not come (see its own output); '
                'start all of them again, with --resume'
            ) from error

    def share(self, batch: NDArray[np.int64]) -> tuple[NDArray[np.int64], np.float32]:
        """Give this worker's share of a batch: every n-th of its faces.

        Returns:
            The faces, at least one; and what each counts, so that the mean of the workers' mean
            losses is the mean loss of the batch: 1 where all shares are of the same size.
        """
        faces = batch[self.index :: self.count]
        weight = np.float32(self.count * len(faces) / len(batch))
        # A network cannot be shown nothing; the face of somebody else counts 0.
        return (faces if len(faces) else batch[:1]), weight

    def check_same(self, **facts: str) -> None:
        """Make sure that all workers are about to do the same.

        Args:
            facts: what has to be the same on all of them, by what it is called in the error.

        Raises:
            ValueError: something differs from the others'.
        """
        if self.count == 1:
            return
        mine = np.array([zlib.crc32(fact.encode()) for fact in facts.values()], np.float64)
        for name, same in zip(facts, mine * self.count == self._sum(mine), strict=True):
            if not same:
                raise ValueError(f'the {name} is not the same on all workers')

    def connect(self, network: keras.Model) -> None:
        """Let a compiled network start as the first worker's does, and step as all of them do."""
        if self.count == 1:
            return
        network.optimizer.build(network.trainable_variables)
        variables = [*network.weights, *network.optimizer.variables]
        self.check_same(network=str([tuple(each.shape) for each in variables]))
        # All but the first add nothing, so that the sum is what the first one has.
        _assign(variables, self._sum(_flat(variables) * self.is_first))
        # XLA knows no sums over several machines.
        network.jit_compile = False
        apply = network.optimizer.apply

        def apply_mean(gradients: Sequence[tf.Tensor], weights: Sequence[keras.Variable]) -> None:
            # One sum of all is much faster than one for each.
            flat = tf.concat([tf.reshape(gradient, [-1]) for gradient in gradients], 0)
            mean = _sum_of_all(flat, self.count, GRADIENTS) / self.count
            parts = tf.split(mean, [math.prod(weight.shape) for weight in weights])
            shaped = [
                tf.reshape(part, weight.shape) for part, weight in zip(parts, weights, strict=True)
            ]
            apply(shaped, weights)

        # Not a class of its own: a checkpoint can be resumed by any number of workers.
        network.optimizer.apply = apply_mean

    def callback(self) -> keras.callbacks.Callback:
        """Give what has to come before all other callbacks of a run."""
        return _Exchange(self) if self.count > 1 else keras.callbacks.Callback()

    def _join(self) -> None:
        print(f'worker {self.index} of {self.count} waits for the others', flush=True)
        # While TensorFlow waits, Python cannot look at signals; afterwards TensorFlow would keep
        # SIGTERM for itself, and the process would not end.
        handlers = {
            number: signal.signal(number, signal.SIG_DFL)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            # Keras 3 cannot fit a network inside of this strategy (keras-team/keras 20585), so
            # it only connects the workers; what they exchange is said here.
            tf.distribute.MultiWorkerMirroredStrategy(
                tf.distribute.cluster_resolver.SimpleClusterResolver(
                    tf.train.ClusterSpec({'worker': self.addresses}),
                    task_type='worker',
                    task_id=self.index,
                    rpc_layer='grpc',
                )
            )
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _sum(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the sum over all workers, who all have to come here."""
        return _sum_of_all(tf.constant(values), self.count, next(_keys)).numpy()


class _Exchange(keras.callbacks.Callback):
    """Give all workers the same figures, the same end, and the same averages for validation."""

    def __init__(self, workers: Workers) -> None:
        super().__init__()
        self._workers = workers

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        # The moving averages of batch normalization, which each has of its own shares.
        if averages := self.model.non_trainable_weights:
            _assign(averages, self._workers._sum(_flat(averages)) / self._workers.count)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        assert logs is not None
        stop = float(self.model.stop_training)
        *figures, stopped = self._workers._sum(np.array([*logs.values(), stop]))
        logs.update(zip(list(logs), np.array(figures) / self._workers.count, strict=True))
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
    # Whole numbers, as the number of steps, are exact in it, too.
    return np.concatenate(
        [np.ravel(variable.numpy()).astype(np.float64) for variable in variables]
    )


def _assign(variables: Sequence[keras.Variable], values: NDArray[np.float64]) -> None:
    sizes = [math.prod(variable.shape) for variable in variables]
    for variable, part in zip(variables, np.split(values, np.cumsum(sizes)[:-1]), strict=True):
        variable.assign(part.reshape(variable.shape).astype(variable.dtype))
