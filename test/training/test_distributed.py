"""Several machines train together; here they are processes on one, with faces made here."""

from collections.abc import Iterator, Sequence
import csv
import json
from pathlib import Path
import signal
import socket
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

pytest.importorskip('tensorflow', reason='needs the extra [train]')

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.commands.main import main
from face_classification_ros.datasets.registry import FaceDataset, read_dataset
from face_classification_ros.evaluation.classification import evaluate_classifier
from face_classification_ros.training.batches import FaceBatches
from face_classification_ros.training.distributed import Workers
from face_classification_ros.training.recipe import Recipe

PATIENCE = 600.0
"""Seconds after which a worker that has not ended counts as hanging."""

TINY = """
name: tiny
blocks:
  - {block: convolution, filters: 8}
  - {block: residual_module, filters: 8}
"""

RECIPE = """
attributes: [gender]
network: tiny.yaml
side: 32
epochs: 12
batch_size: 8
learning_rate: 0.01
average: 0.9
"""


def faces(count: int) -> FaceDataset:
    """Make faces of gray noise, every third one a woman's."""
    random = np.random.default_rng(0)
    y_true = np.minimum(np.arange(count) % 3, 1)
    return FaceDataset(
        'gender',
        'noise',
        [random.integers(0, 256, (32, 32, 1)).astype(np.uint8) for _ in y_true],
        y_true,
        np.eye(2, dtype=np.float32)[y_true],
    )


def addresses(count: int) -> list[str]:
    """Give addresses on this machine at which nobody listens."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(('127.0.0.1', 0))
        return [f'127.0.0.1:{each.getsockname()[1]}' for each in sockets]
    finally:
        for each in sockets:
            each.close()


class Processes:
    """Workers that run as a user starts them, each in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[subprocess.Popen[str]] = []

    def start(self, command: Sequence[str | Path]) -> subprocess.Popen[str]:
        """Start a command."""
        process = subprocess.Popen(
            [str(each) for each in command],
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=(self._folder / f'errors_{len(self._running)}.txt').open('w+'),
            text=True,
        )
        self._running.append(process)
        return process

    def train(self, data: Path, *more: str) -> list[subprocess.Popen[str]]:
        """Start two workers; the second one has an output folder of its own."""
        (self._folder / 'tiny.yaml').write_text(TINY)
        (self._folder / 'recipe.yaml').write_text(RECIPE)
        command = Path(sys.executable).with_name('face_classification')
        common: list[str | Path] = [command, 'train', 'recipe.yaml', '--data', data, *more]
        common += ['--workers', *addresses(2)]
        return [
            self.start([*common, '--worker', str(index), '--output', f'run_{index}'])
            for index in range(2)
        ]

    def end(self, process: subprocess.Popen[str]) -> tuple[int, str, str]:
        """Wait for a process; give its exit code, output and errors."""
        output, _ = process.communicate(timeout=PATIENCE)
        errors = self._folder / f'errors_{self._running.index(process)}.txt'
        return process.returncode, output, errors.read_text()

    def kill(self) -> None:
        """Leave nothing behind."""
        for process in self._running:
            process.kill()
            process.wait()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Give what starts workers in the test's own folder."""
    processes = Processes(tmp_path)
    yield processes
    processes.kill()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Make 81 `women` that are bright above and 80 `men` that are bright below."""
    folder, random = tmp_path / 'data', np.random.default_rng(0)
    for split, count in (('train', 64), ('val', 16)):
        for label, half in (('woman', slice(0, 16)), ('man', slice(16, 32))):
            (folder / split / label).mkdir(parents=True)
            for number in range(count + (split == 'train' and label == 'woman')):
                face = random.integers(0, 120, (32, 32, 3)).astype(np.uint8)
                face[half] += 100
                assert cv2.imwrite(str(folder / split / label / f'{number}.png'), face)
    return folder


@pytest.mark.parametrize(
    ('names', 'index', 'expected'),
    [
        (('a:2222', 'b:2222'), 2, 'worker 2 of 2: expected a number from 0 to 1'),
        (('a:2222', 'b:2222'), -1, 'worker -1 of 2: expected a number from 0 to 1'),
        (('a:2222', 'b'), 0, "worker 'b': expected HOST:PORT"),
        (('a:2222', 'a:2222'), 0, "worker 'a:2222' is named twice"),
    ],
)
def test_workers_that_cannot_be_are_refused(
    names: tuple[str, ...], index: int, expected: str
) -> None:
    """Each machine has its own address, and its own place in the list."""
    with pytest.raises(ValueError, match=expected):
        Workers(names, index)


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        (['--workers', 'a:2222', 'b:2222', '--worker', '2'], 'worker 2 of 2: expected a number'),
        (['--workers', 'a:2222', 'b:2222'], '--workers HOST:PORT ... and --worker N go together'),
        (['--worker', '1'], '--workers HOST:PORT ... and --worker N go together'),
    ],
)
def test_wrong_use_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    """A list without a place in it, or a place outside of it, is told before any waiting."""
    (tmp_path / 'recipe.yaml').write_text(RECIPE)
    recipe, data, output = tmp_path / 'recipe.yaml', tmp_path / 'data', tmp_path / 'run'
    command = ['train', str(recipe), '--data', str(data), '--output', str(output), *arguments]
    assert main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line


def test_shares_of_a_batch_are_the_batch() -> None:
    """Three workers show their networks all faces of a batch of five, each face once.

    The weights make the mean of the workers' mean losses the mean loss of the batch.
    """
    recipe = Recipe(attributes=('gender',), network='x', side=32, batch_size=5, balance=1)
    whole, _, weights = FaceBatches([faces(15)], recipe).batch(0, 1)
    shown, shares = [], []
    for index in range(3):
        workers = Workers(('a:1', 'b:1', 'c:1'), index)
        part, _, part_weights = FaceBatches([faces(15)], recipe, workers).batch(0, 1)
        shown += list(part)
        shares.append(part_weights['gender'].mean())
    assert {face.tobytes() for face in shown} == {face.tobytes() for face in whole}
    assert len(shown) == 5
    assert np.mean(shares) == pytest.approx(weights['gender'].mean())


def test_a_batch_may_be_too_small_for_all_workers() -> None:
    """Who has no share is shown a face that counts nothing: a network cannot learn from none."""
    recipe = Recipe(attributes=('gender',), network='x', side=32, batch_size=2)
    workers = Workers(('a:1', 'b:1', 'c:1'), 2)
    shown, _, weights = FaceBatches([faces(4)], recipe, workers).batch(0, 0)
    assert len(shown) == 1
    assert weights['gender'].tolist() == [0]


FIT = """
import json, sys
sys.path.append(sys.argv[1])
import keras
from face_classification_ros.training.batches import FaceBatches
from face_classification_ros.training.recipe import Recipe
from face_classification_ros.training.distributed import Workers
from test_workers import faces

workers = Workers(tuple(sys.argv[3:]), int(sys.argv[2]))
with workers.joined():
    recipe = Recipe(
        attributes=['gender'], network='x', side=32, batch_size=4, epochs=3, balance=0.5
    )
    batches = FaceBatches([faces(11)], recipe, workers)
    # Every worker starts elsewhere, and shall go on from where the first one is.
    keras.utils.set_random_seed(1 + workers.index)
    shown = keras.Input((32, 32, 1))
    logits = keras.layers.Dense(2, name='gender')(keras.layers.Flatten()(shown))
    network = keras.Model(shown, {'gender': logits})
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.SGD(0.01), loss={'gender': loss})
    workers.connect(network)
    history = network.fit(
        batches.stream(0), epochs=3, steps_per_epoch=3, verbose=0, callbacks=[workers.callback()]
    )
    try:
        workers.check_same(recipe=f'of worker {workers.index}')
        refusal = ''
    except ValueError as error:
        refusal = str(error)
weights = [weight.tolist() for weight in network.get_weights()]
print(json.dumps([weights, history.history['loss'], refusal]))
"""


def test_two_workers_step_as_one_does(processes: Processes, tmp_path: Path) -> None:
    """Without batch normalization, the weights are the same at the end, also with uneven shares.

    The last batch has three faces: two for one worker, one for the other.
    """
    (tmp_path / 'fit.py').write_text(FIT)
    both = addresses(2)
    started = [
        processes.start([sys.executable, 'fit.py', str(Path(__file__).parent), *arguments])
        for arguments in (['0'], ['0', *both], ['1', *both])
    ]
    answers = []
    for process in started:
        code, output, errors = processes.end(process)
        assert code == 0, errors
        answers.append(json.loads(output.splitlines()[-1]))
    (alone, losses, refusal), *others = answers
    assert refusal == ''
    assert losses[-1] < losses[0]
    for weights, its_losses, its_refusal in others:
        for mine, its in zip(alone, weights, strict=True):
            np.testing.assert_allclose(its, mine, atol=1e-5)
        # The mean over an epoch counts uneven shares by their own sizes.
        np.testing.assert_allclose(its_losses, losses, rtol=0.1)
        assert its_refusal == 'the recipe is not the same on all workers'


def test_workers_that_lose_one_end_and_go_on_together(
    processes: Processes, tmp_path: Path, data: Path
) -> None:
    """The second of two workers is killed: the first one says so and ends, and both can resume.

    Only the first one has the checkpoint, the log and the model file, which is a good one.
    """
    first, second = processes.train(data)
    checkpoint = tmp_path / 'run_0' / 'checkpoint.keras'
    deadline = time.monotonic() + PATIENCE
    while not checkpoint.exists():
        assert first.poll() is None, processes.end(first)
        assert time.monotonic() < deadline
        time.sleep(0.1)
    second.send_signal(signal.SIGKILL)
    code, _, errors = processes.end(first)
    assert code == 2, errors
    line = 'another worker is gone or did not come (see its own output); start all of them again'
    assert f'face_classification: {line}, with --resume' in errors.splitlines()

    resumed = [processes.end(process) for process in processes.train(data, '--resume')]
    assert [code for code, _, _ in resumed] == [0, 0], resumed
    with open(tmp_path / 'run_0' / 'log.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert [int(row['epoch']) for row in rows] == list(range(12))
    assert float(rows[-1]['loss']) < float(rows[0]['loss'])
    assert not (tmp_path / 'run_1').exists()
    model = Classifier(tmp_path / resumed[0][1].splitlines()[-1])
    report = evaluate_classifier(model, read_dataset('gender', data, 'val'), 'val')
    assert report['accuracy'] > 0.9
