"""`face_classification networks`, as a user runs it."""

import json
import os
from pathlib import Path
import subprocess
import sys

from command_process import run
import cv2
import pytest

pytest.importorskip('tensorflow', reason='needs the extra [train]')

MY_NET = """
name: my_net
blocks:
  - {block: convolution, filters: 8}
  - {block: residual_module, filters: 16}
"""


@pytest.fixture
def my_net(tmp_path: Path) -> Path:
    """Return the description of a small network."""
    path = tmp_path / 'my_net.yaml'
    path.write_text(MY_NET)
    return path


def rows(table: str) -> dict[str, list[str]]:
    """Return the first word of each line -> all others."""
    return {words[0]: words[1:] for words in map(str.split, table.splitlines()) if words}


def test_a_network_is_shown_block_by_block(my_net: Path) -> None:
    """For two heads and faces in color."""
    options = ['--size', 32, '--color', 'bgr', '--heads', 'gender,emotion', '--no-latency']
    result = run('networks', my_net, *options)
    assert result.returncode == 0, result.stderr
    # 3x3 from 3 channels to 8 maps, and 4 for the normalization of each map.
    table = rows(result.stdout)
    assert table['convolution1'][:3] == ['32x32x8', '248', f'{32 * 32 * 9 * 3 * 8:,}']
    assert list(table)[1:5] == ['convolution1', 'residual_module1', 'gender', 'emotion']


def test_the_figures_of_a_network_are_written(my_net: Path, tmp_path: Path) -> None:
    """As JSON and as a diagram."""
    files = ['--json', tmp_path / 'cost.json', '--plot', tmp_path / 'accuracy.png']
    result = run('networks', my_net, '--size', 32, '--color', 'bgr', *files)
    assert result.returncode == 0, result.stderr
    (record,) = json.loads((tmp_path / 'cost.json').read_text())
    assert record['network'] == 'my_net'
    assert record['input_shape'] == [32, 32, 3]
    assert record['heads'] == {'emotion': 7}
    assert record['parameters'] == sum(block['parameters'] for block in record['blocks'])
    assert record['latency_ms'] > 0
    assert not any(record['accuracy'].values())
    assert cv2.imread(str(tmp_path / 'accuracy.png')) is not None


def test_all_networks_of_the_package_are_compared() -> None:
    """The paper's own has 58,423 parameters, 82 and 11 times fewer than others."""
    result = run('networks', '--no-latency')
    assert result.returncode == 0, result.stderr
    table = rows(result.stdout)
    assert {'mini_xception', 'sequential_fully_cnn', 'tang2013'} <= set(table)
    parameters, *_, latency, tang, sequential, _, _, _ = table['mini_xception']
    assert (parameters, latency, tang, sequential) == ('58,423', '-', '82.2', '10.1')


@pytest.mark.parametrize(
    ('arguments', 'problem'),
    [
        (['mini_exception'], "'mini_exception'"),
        (['{bad}'], 'bad.yaml: blocks.1.residual_module.filters: '),
        (['{large}', '--no-latency'], 'residual_module1'),
        (['mini_xception', '--size', '31'], '--size 31'),
        (['mini_xception', '--heads', 'none'], '--heads none'),
    ],
)
def test_wrong_use_is_reported_in_one_line(
    arguments: list[str], problem: str, tmp_path: Path
) -> None:
    """Exit code 2; TensorFlow may print lines of its own before."""
    (tmp_path / 'bad.yaml').write_text(MY_NET.replace('filters: 16', 'filters: 0'))
    (tmp_path / 'large.yaml').write_text(MY_NET + 'limits: {max_parameters: 300}')
    paths = {name: tmp_path / f'{name}.yaml' for name in ('bad', 'large')}
    result = run('networks', *[each.format(**paths) for each in arguments])
    assert result.returncode == 2
    line = result.stderr.splitlines()[-1]
    assert line.startswith('face_classification: ')
    assert problem in line
    assert 'Traceback' not in result.stderr


def test_a_missing_extra_is_named() -> None:
    """One line that shows what to install."""
    program = (
        'import sys; sys.modules["tensorflow"] = None; '
        'from face_classification_ros.commands.main import main; sys.exit(main(["networks"]))'
    )
    # Outside of the source tree, which has no generated messages.
    result = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, timeout=120, cwd='/'
    )
    assert result.returncode == 2
    assert result.stderr.count('\n') == 1
    assert result.stderr.rstrip().endswith('pip install tensorflow')


def test_tensorflow_prints_nothing(my_net: Path) -> None:
    """Neither when it is imported nor when it finds no GPU."""
    result = run('networks', my_net, '--size', 32, '--no-latency')
    assert result.returncode == 0
    assert result.stderr == ''


def test_tensorflow_that_cannot_be_imported_is_one_line(my_net: Path, tmp_path: Path) -> None:
    """With the reason; it is installed, so that there is nothing to install."""
    (tmp_path / 'tensorflow.py').write_text('raise ImportError("broken library")')
    (tmp_path / 'keras.py').write_text('import tensorflow')
    program = (
        'import sys; from face_classification_ros.commands.main import main; sys.exit(main())'
    )
    result = subprocess.run(
        [sys.executable, '-c', program, 'networks', str(my_net)],
        env={**os.environ, 'PYTHONPATH': str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert 'broken library' in line
    assert 'pip install' not in line
