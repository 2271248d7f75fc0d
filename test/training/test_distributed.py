"""Distributed training, with processes on one machine and synthetic faces."""

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
from face_classification_ros.training.distributed import Cluster
from face_classification_ros.training.recipe import Recipe

TIMEOUT = 600.0
"""Seconds after which a worker counts as hanging."""

TINY = """
name: tiny
blocks:
  - {block: convolution, filters: 8}
  - {block: residual_module, filters: 8}
"""

RECIPE = """
attributes: [gender]
network: tiny.yaml
size: 32
epochs: 12
batch_size: 8
learning_rate: 0.01
ema: 0.9
"""


def faces(count: int) -> FaceDataset:
    """Return faces of gray noise, every third one a woman's."""
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
    """Return free addresses on this machine."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(('127.0.0.1', 0))
        return [f'127.0.0.1:{each.getsockname()[1]}' for each in sockets]
    finally:
        for each in sockets:
            each.close()


class Processes:
    """Workers as a user starts them, each in its own process."""

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
        """Start two workers with separate output folders."""
        (self._folder / 'tiny.yaml').write_text(TINY)
        (self._folder / 'recipe.yaml').write_text(RECIPE)
        command = Path(sys.executable).with_name('face_classification')
        common: list[str | Path] = [command, 'train', 'recipe.yaml', '--data', data, *more]
        common += ['--cluster-hosts', *addresses(2)]
        return [
            self.start([*common, '--task-index', str(index), '--output', f'run_{index}'])
            for index in range(2)
        ]

    def end(self, process: subprocess.Popen[str]) -> tuple[int, str, str]:
        """Wait for a process; return its exit code, output and errors."""
        output, _ = process.communicate(timeout=TIMEOUT)
        errors = self._folder / f'errors_{self._running.index(process)}.txt'
        return process.returncode, output, errors.read_text()

    def kill(self) -> None:
        """Kill all processes."""
        for process in self._running:
            process.kill()
            process.wait()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Start workers in the folder of the test."""
    processes = Processes(tmp_path)
    yield processes
    processes.kill()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Write 81 `women` with a bright upper half and 80 `men` with a bright lower half."""
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
    ('hosts', 'task_index', 'problem'),
    [
        (('a:2222', 'b:2222'), 2, 'task index 2 '),
        (('a:2222', 'b:2222'), -1, 'task index -1 '),
        (('a:2222', 'b'), 0, "host 'b': expected HOST:PORT"),
        (('a:2222', 'a:2222'), 0, "host 'a:2222' is listed twice"),
    ],
)
def test_invalid_cluster_is_refused(hosts: tuple[str, ...], task_index: int, problem: str) -> None:
    """Each machine needs its own address and its own position in the list."""
    with pytest.raises(ValueError, match=problem):
        Cluster(hosts, task_index)


@pytest.mark.parametrize(
    ('arguments', 'problem'),
    [
        (['--cluster-hosts', 'a:2222', 'b:2222', '--task-index', '2'], 'task index 2'),
        (['--cluster-hosts', 'a:2222', 'b:2222'], '--task-index'),
        (['--task-index', '1'], '--cluster-hosts'),
    ],
)
def test_wrong_use_is_a_one_line_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], problem: str
) -> None:
    """An index without hosts, or out of range, is an error before workers connect."""
    (tmp_path / 'recipe.yaml').write_text(RECIPE)
    recipe, data, output = tmp_path / 'recipe.yaml', tmp_path / 'data', tmp_path / 'run'
    command = ['train', str(recipe), '--data', str(data), '--output', str(output), *arguments]
    assert main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert problem in line


def test_local_batches_add_up_to_the_batch() -> None:
    """Three workers get all faces of a batch of five, each face once.

    With the weights, the mean of the workers' mean losses is the mean loss of the batch.
    """
    recipe = Recipe(attributes=('gender',), network='x', size=32, batch_size=5, balance=1)
    whole, _, weights = FaceBatches([faces(15)], recipe).batch(0, 1)
    shown, mean_weights = [], []
    for index in range(3):
        cluster = Cluster(('a:1', 'b:1', 'c:1'), index)
        part, _, part_weights = FaceBatches([faces(15)], recipe, cluster).batch(0, 1)
        shown += list(part)
        mean_weights.append(part_weights['gender'].mean())
    assert {face.tobytes() for face in shown} == {face.tobytes() for face in whole}
    assert len(shown) == 5
    assert np.mean(mean_weights) == pytest.approx(weights['gender'].mean())


def test_batch_may_be_smaller_than_the_cluster() -> None:
    """A worker without a part gets a face of weight 0, as a training step needs one."""
    recipe = Recipe(attributes=('gender',), network='x', size=32, batch_size=2)
    cluster = Cluster(('a:1', 'b:1', 'c:1'), 2)
    shown, _, weights = FaceBatches([faces(4)], recipe, cluster).batch(0, 0)
    assert len(shown) == 1
    assert weights['gender'].tolist() == [0]


FIT = """
import json, sys
sys.path.append(sys.argv[1])
import keras
from face_classification_ros.training.batches import FaceBatches
from face_classification_ros.training.recipe import Recipe
from face_classification_ros.training.distributed import Cluster
from test_distributed import faces

cluster = Cluster(tuple(sys.argv[3:]), int(sys.argv[2]))
with cluster.joined():
    recipe = Recipe(
        attributes=['gender'], network='x', size=32, batch_size=4, epochs=3, balance=0.5
    )
    batches = FaceBatches([faces(11)], recipe, cluster)
    # Every worker has other initial weights, which the chief's replace.
    keras.utils.set_random_seed(1 + cluster.task_index)
    shown = keras.Input((32, 32, 1))
    logits = keras.layers.Dense(2, name='gender')(keras.layers.Flatten()(shown))
    network = keras.Model(shown, {'gender': logits})
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.SGD(0.01), loss={'gender': loss})
    cluster.connect(network)
    history = network.fit(
        batches.stream(0), epochs=3, steps_per_epoch=3, verbose=0, callbacks=[cluster.callback()]
    )
    try:
        cluster.check_same(recipe=f'of worker {cluster.task_index}')
        refusal = ''
    except ValueError as error:
        refusal = str(error)
weights = [weight.tolist() for weight in network.get_weights()]
print(json.dumps([weights, history.history['loss'], refusal]))
"""


def test_two_workers_train_like_one(processes: Processes, tmp_path: Path) -> None:
    """Without batch normalization, the final weights are the same, even for uneven parts.

    The last batch has three faces: two for one worker, one for the other.
    """
    (tmp_path / 'fit.py').write_text(FIT)
    both = addresses(2)
    started = [
        processes.start([sys.executable, 'fit.py', str(Path(__file__).parent), *arguments])
        for arguments in (['0'], ['0', *both], ['1', *both])
    ]
    results = []
    for process in started:
        code, output, errors = processes.end(process)
        assert code == 0, errors
        results.append(json.loads(output.splitlines()[-1]))
    (alone, losses, refusal), *others = results
    assert not refusal
    assert losses[-1] < losses[0]
    for weights, its_losses, its_refusal in others:
        for mine, its in zip(alone, weights, strict=True):
            np.testing.assert_allclose(its, mine, atol=1e-5)
        # The mean over an epoch weights uneven parts by their own sizes.
        np.testing.assert_allclose(its_losses, losses, rtol=0.1)
        assert 'recipe' in its_refusal


def test_workers_stop_when_one_is_killed_and_can_resume(
    processes: Processes, tmp_path: Path, data: Path
) -> None:
    """The chief ends with an error when the other worker is killed, and both can resume.

    Only the chief writes the checkpoint, the log and the model file, which is a good one.
    """
    first, second = processes.train(data)
    checkpoint = tmp_path / 'run_0' / 'checkpoint.keras'
    deadline = time.monotonic() + TIMEOUT
    while not checkpoint.exists():
        assert first.poll() is None, processes.end(first)
        assert time.monotonic() < deadline
        time.sleep(0.1)
    second.send_signal(signal.SIGKILL)
    code, _, errors = processes.end(first)
    assert code == 2, errors
    assert any(
        line.startswith('face_classification: ') and '--resume' in line
        for line in errors.splitlines()
    )

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
