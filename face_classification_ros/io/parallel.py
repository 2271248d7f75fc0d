"""Many files in parallel: workers on this machine, or those of a running Dask cluster."""

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

from face_classification_ros.io.files import (
    FileClassifier,
    Job,
    Opener,
    PICTURE,
    Record,
    UnreadableError,
)
from face_classification_ros.pipeline import Settings

BATCH = 8
"""Pictures in a task: a scheduler needs about a millisecond for each, whatever its size."""

WINDOW = 32
"""Batches per worker that may be ahead of the first one that is not done yet."""

CONNECTION_TIMEOUT = 30.0
"""Seconds after which a scheduler that does not answer, or has no worker, is given up."""

# A file is tried so many times with others that run beside it, and as often alone.
_TRIES = 2


@contextmanager
def local_workers(count: int) -> Iterator[Client]:
    """Start worker processes on this machine, and end them.

    They listen on the loopback only, and talk over TLS with a certificate of their own: whoever
    else is on this machine could otherwise have them run anything.

    Args:
        count: of processes, each of one thread.

    Raises:
        ValueError: `count` is below 1.
    """
    if count < 1:
        raise ValueError(f'{count} workers: expected 1 or more')
    settings = {
        'distributed.scheduler.allowed-failures': _TRIES - 1,
        # A worker that is started anew takes its time, and may die soon again, but is never given
        # up: the cluster would go on without it, and stand still without any.
        'distributed.deploy.lost-worker-timeout': '365 days',
        # No pages, which are without TLS.
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
    # Ctrl-C in a terminal reaches every process, and each worker would print a traceback; we end
    # them ourselves. A process inherits the blocked signals of the thread that starts it, also
    # when it is started anew; the resource tracker of multiprocessing would unblock them.
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
            # What goes wrong is told by what a task returns.
            silence_logs=logging.CRITICAL,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


@contextmanager
def running_workers(address: str) -> Iterator[Client]:
    """Connect to a running scheduler, such as tcp://host:8786.

    Raises:
        OSError: nobody answers there, or it has no workers.
        ValueError: the address is none.
    """
    # A malformed one is told here, before a client is half made.
    resolve_address(address)
    with (
        # A lost connection is told by us, in one line.
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
    jobs: Sequence[Job], settings: Settings, openers: Mapping[str, Opener], client: Client
) -> Iterator[Iterator[Record]]:
    """Classify files by workers, each of which loads detector and models once.

    Args:
        jobs: what to classify; workers find the files under the same paths.
        settings: how.
        openers: as for `classify_files`; workers import them by their names.
        client: connected to the workers.

    Yields:
        The same as `classify_files`, in the same order. A worker that dies has its files done
        again; a file whose workers die again and again ends in an `UnreadableError`.

    Raises:
        OSError: the cluster is lost, or a copy cannot be written.
    """
    num_threads = sum(client.nthreads().values())
    size = max(1, min(BATCH, len(jobs) // (4 * num_threads)))
    # Tasks of one group are kept by the scheduler until a worker has room for them. So no more
    # than two are at a worker that dies, and suspected.
    group = f'classify-{uuid.uuid4().hex}'
    numbers = itertools.count()
    batches = _batches(jobs, size)
    waiting: deque[tuple[list[Job], Future]] = deque()

    def submit(batch: list[Job]) -> Future:
        key = (group, next(numbers))
        return client.submit(_classify_batch, batch, settings, openers, key=key, pure=False)

    def alone(job: Job) -> _Outcome:
        """Judge a file whose worker died, while nothing else runs that could be the reason."""
        for _, future in waiting:
            # Comes when it is done.
            future.exception()
        try:
            return submit([job]).result()[0]
        except KilledWorker:
            return _Outcome([], 'ends each worker process that reads it, and is left out')

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
                outcomes = [alone(job) for job in batch]
            for job, outcome in zip(batch, outcomes, strict=True):
                yield _replay(job, outcome)
    except FutureCancelledError as error:
        raise OSError('the connection to the scheduler is lost') from error


def _batches(jobs: Sequence[Job], size: int) -> Iterator[list[Job]]:
    """Put pictures that follow each other together; a video or a bag stays alone."""
    batch: list[Job] = []
    for job in jobs:
        if batch and (job.source.kind != PICTURE or len(batch) == size):
            yield batch
            batch = []
        batch.append(job)
        if job.source.kind != PICTURE:
            yield batch
            batch = []
    if batch:
        yield batch


class _Outcome(NamedTuple):
    """What a worker tells of a file: its records, and why there are no more ("": all read)."""

    records: list[Record]
    problem: str


def _replay(job: Job, outcome: _Outcome) -> Iterator[Record]:
    yield from outcome.records
    if outcome.problem:
        raise UnreadableError(job.source.path, outcome.problem)


_loaded = threading.local()


def _classify_batch(
    jobs: Sequence[Job], settings: Settings, openers: Mapping[str, Opener]
) -> list[_Outcome]:
    """Run in a worker: classify files with what the thread has loaded for these settings."""
    if getattr(_loaded, 'settings', None) != settings:
        # OpenCV would take every core for each worker.
        cv2.setNumThreads(settings.num_threads)
        _loaded.classifier = FileClassifier(settings)
        _loaded.settings = settings
    return [_classify(job, _loaded.classifier, openers) for job in jobs]


def _classify(job: Job, classifier: FileClassifier, openers: Mapping[str, Opener]) -> _Outcome:
    records: list[Record] = []
    try:
        for record in classifier.classify(job, openers):
            records.append(record)
    except UnreadableError as error:
        return _Outcome(records, error.problem)
    return _Outcome(records, '')
