"""Classify many files in parallel: by workers on this machine, or of a running Dask cluster."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
import itertools
import logging
from multiprocessing import resource_tracker
import signal
import tempfile
import threading
from typing import NamedTuple
import uuid

import cv2
import dask
from distributed import Client, Future, KilledWorker, LocalCluster
from distributed.client import FutureCancelledError
from distributed.comm import resolve_address
from distributed.utils import silence_logging_cmgr

from face_classification_ros.config import PipelineConfig
from face_classification_ros.io.classify_files import FileClassifier, Job, Opener
from face_classification_ros.io.errors import FileError, UnreadableError
from face_classification_ros.io.sources import IMAGE
from face_classification_ros.types import FrameFaces

BATCH = 8
"""Images per task, since a scheduler needs about a millisecond per task."""

WINDOW = 32
"""Batches per worker that may be ahead of the first unfinished one."""

CONNECTION_TIMEOUT = 30.0
"""Seconds to wait for a scheduler and for its first worker."""

# Number of attempts for a file while others run, and again alone.
_TRIES = 2


@contextmanager
def local_workers(count: int) -> Iterator[Client]:
    """Start worker processes on this machine, and stop them after the block.

    They listen on the loopback only, and communicate over TLS with a certificate of their own;
    otherwise every user of this machine could make them run code.

    Args:
        count: number of processes, each with one thread.

    Raises:
        ValueError: `count` is below 1.
    """
    if count < 1:
        raise ValueError(f'{count} workers: expected 1 or more')
    settings = {
        'distributed.scheduler.allowed-failures': _TRIES - 1,
        # A worker takes its time to restart, and may die again soon. If it were given up, the
        # cluster would go on without it, or wait for ever if it was the last one.
        'distributed.deploy.lost-worker-timeout': '365 days',
        # No web pages, which are without TLS.
        'distributed.scheduler.http.routes': [],
        'distributed.worker.http.routes': [],
    }
    with (
        tempfile.TemporaryDirectory(prefix='face_classification_') as folder,
        dask.config.set(settings),
        _start(count, folder) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def _start(count: int, folder: str) -> LocalCluster:
    # Ctrl-C in a terminal reaches every process, and each worker would print a traceback; we stop
    # them ourselves. A process inherits the blocked signals of the thread that starts it, also
    # when it is restarted; the resource tracker of multiprocessing would unblock them.
    resource_tracker.ensure_running()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            host='127.0.0.1',
            dashboard_address='127.0.0.1:0',
            security=True,
            memory_limit=None,
            local_directory=folder,
            # Errors are reported through the results of the tasks.
            silence_logs=logging.CRITICAL,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


@contextmanager
def running_workers(address: str) -> Iterator[Client]:
    """Connect to a running scheduler, such as tcp://host:8786.

    Raises:
        OSError: nothing responds at this address, or the scheduler has no workers.
        ValueError: the address is invalid.
    """
    # Raises for an invalid address, before a client exists.
    resolve_address(address)
    with (
        # A lost connection is reported by us, in one line.
        silence_logging_cmgr(logging.CRITICAL),
        Client(address, timeout=CONNECTION_TIMEOUT, set_as_default=False) as client,
    ):
        try:
            client.wait_for_workers(1, timeout=CONNECTION_TIMEOUT)
        except TimeoutError as error:
            raise OSError(
                f'the scheduler {address} has no workers, start some: dask worker {address}'
            ) from error
        yield client


def classify_in_parallel(
    jobs: Sequence[Job], config: PipelineConfig, openers: Mapping[str, Opener], client: Client
) -> Iterator[Iterator[FrameFaces]]:
    """Classify files by workers, each of which loads the detector and the models once.

    Args:
        jobs: what to classify; workers find the files under the same paths.
        config: detector, models and how to use them.
        openers: as for `classify_files`; workers import them by name.
        client: connected to the workers.

    Yields:
        The same results as `classify_files`, in the same order. The files of a worker that dies
        are classified again; a file whose workers die repeatedly ends with an `UnreadableError`.

    Raises:
        OSError: the connection to the cluster is lost.
    """
    num_threads = sum(client.nthreads().values())
    size = max(1, min(BATCH, len(jobs) // (4 * num_threads)))
    # The scheduler keeps the tasks of one group until a worker has room for them, so that at most
    # two tasks are suspected if a worker dies.
    group = f'classify-{uuid.uuid4().hex}'
    numbers = itertools.count()
    batches = _batches(jobs, size)
    waiting: deque[tuple[list[Job], Future]] = deque()

    def submit(batch: list[Job]) -> Future:
        key = (group, next(numbers))
        return client.submit(_classify_batch, batch, config, openers, key=key, pure=False)

    def classify_alone(job: Job) -> _Outcome:
        """Classify a file whose worker died while nothing else runs that could be the reason."""
        for _, future in waiting:
            # Returns when the task is done.
            future.exception()
        try:
            return submit([job]).result()[0]
        except KilledWorker:
            problem = 'ends every worker process that reads it, skipped'
            return _Outcome([], UnreadableError(job.source.path, problem, 'worker'))

    try:
        while True:
            room = WINDOW * num_threads - len(waiting)
            waiting.extend((batch, submit(batch)) for batch in itertools.islice(batches, room))
            if not waiting:
                break
            batch, future = waiting.popleft()
            try:
                outcomes = future.result()
            except KilledWorker:
                outcomes = [classify_alone(job) for job in batch]
            for outcome in outcomes:
                yield _results_of(outcome)
    except FutureCancelledError as error:
        raise OSError('the connection to the scheduler is lost') from error


def _batches(jobs: Sequence[Job], size: int) -> Iterator[list[Job]]:
    """Combine consecutive images; a video or a recording is a batch of its own."""
    batch: list[Job] = []
    for job in jobs:
        if batch and (job.source.kind != IMAGE or len(batch) == size):
            yield batch
            batch = []
        batch.append(job)
        if job.source.kind != IMAGE:
            yield batch
            batch = []
    if batch:
        yield batch


class _Outcome(NamedTuple):
    """The results of a file, and the error that ended them (None at the end of the file)."""

    results: list[FrameFaces]
    error: FileError | None


def _results_of(outcome: _Outcome) -> Iterator[FrameFaces]:
    yield from outcome.results
    if outcome.error is not None:
        raise outcome.error


_loaded = threading.local()


def _classify_batch(
    jobs: Sequence[Job], config: PipelineConfig, openers: Mapping[str, Opener]
) -> list[_Outcome]:
    """Classify files in a worker, with what its thread has loaded for this configuration."""
    if getattr(_loaded, 'config', None) != config:
        # Otherwise OpenCV takes every core for each worker.
        cv2.setNumThreads(config.num_threads)
        _loaded.classifier = FileClassifier(config)
        _loaded.config = config
    return [_classify(job, _loaded.classifier, openers) for job in jobs]


def _classify(job: Job, classifier: FileClassifier, openers: Mapping[str, Opener]) -> _Outcome:
    results: list[FrameFaces] = []
    try:
        for result in classifier.classify(job, openers):
            results.append(result)
    except FileError as error:
        return _Outcome(results, error)
    return _Outcome(results, None)
