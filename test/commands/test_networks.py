"""`face_classification networks`, as a user runs it."""

import json
from pathlib import Path
import subprocess
import sys

import cv2
import pytest

pytest.importorskip('tensorflow', reason='needs the extra [train]')

MY_NET = """
name: my_net
blocks:
  - {block: convolution, filters: 8}
  - {block: residual_module, filters: 16}
"""


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `face_classification networks` in a process of its own."""
    program = str(Path(sys.executable).with_name('face_classification'))
    command = [program, 'networks', *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def rows(table: str) -> dict[str, list[str]]:
    """Give the first word of each line -> all others."""
    return {words[0]: words[1:] for words in map(str.split, table.splitlines()) if words}


def test_a_network_of_ones_own_is_told_block_by_block(tmp_path: Path) -> None:
    """Table, JSON and diagram, for blended heads and faces in color."""
    path = tmp_path / 'my_net.yaml'
    path.write_text(MY_NET)
    files = {'--json': tmp_path / 'cost.json', '--plot': tmp_path / 'accuracy.png'}
    arguments = [each for pair in files.items() for each in pair]
    result = run(path, '--side', 32, '--color', 'bgr', '--heads', 'both', *arguments)
    assert result.returncode == 0, result.stderr

    # 3x3 from 3 channels to 8 maps, and 4 for each map's normalization.
    table = rows(result.stdout)
    assert table['convolution1'][:3] == ['32x32x8', '248', f'{32 * 32 * 9 * 3 * 8:,}']
    assert list(table)[1:5] == ['convolution1', 'residual_module1', 'gender', 'emotion']

    (record,) = json.loads(files['--json'].read_text())
    assert record['network'] == 'my_net'
    assert record['input_shape'] == [32, 32, 3]
    assert record['heads'] == {'gender': 2, 'emotion': 7}
    assert record['parameters'] == sum(block['parameters'] for block in record['blocks'])
    assert record['latency_ms'] > 0
    assert record['accuracy'] == {'emotion': None, 'gender': None}
    assert cv2.imread(str(files['--plot'])) is not None


def test_all_networks_of_the_package_are_compared() -> None:
    """Without a name; the paper's own has 58,423 parameters, 82 and 11 times fewer than others."""
    result = run('--no-latency')
    assert result.returncode == 0, result.stderr
    table = rows(result.stdout)
    assert {'mini_xception', 'sequential_fully_cnn', 'tang2013'} <= set(table)
    parameters, *_, latency, tang, sequential, _, _ = table['mini_xception']
    assert (parameters, latency, tang, sequential) == ('58,423', '-', '82.2', '10.1')


@pytest.mark.parametrize(
    ('arguments', 'problem'),
    [
        (['mini_exception'], "unknown network 'mini_exception'; there are: mini_xception"),
        (['{bad}'], 'bad.yaml: blocks.1.residual_module.filters: Input should be greater'),
        (['{large}', '--no-latency'], 'my_net: at residual_module1 there are 1,024 parameters'),
        (['mini_xception', '--side', '31'], '--side 31 is not between 32 and 512 pixels'),
    ],
)
def test_wrong_use_is_one_clear_line(arguments: list[str], problem: str, tmp_path: Path) -> None:
    """Exit code 2 and what is wrong, never a traceback."""
    (tmp_path / 'bad.yaml').write_text(MY_NET.replace('filters: 16', 'filters: 0'))
    (tmp_path / 'large.yaml').write_text(MY_NET + 'limits: {max_parameters: 300}')
    paths = {name: tmp_path / f'{name}.yaml' for name in ('bad', 'large')}
    result = run(*[each.format(**paths) for each in arguments])
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].startswith('face_classification: ')
    assert problem in result.stderr
    assert 'Traceback' not in result.stderr


def test_without_tensorflow_it_is_said_what_to_install() -> None:
    """One line and exit code 2."""
    program = (
        'import sys; sys.modules["keras"] = None; '
        'from face_classification_ros.commands.main import main; sys.exit(main(["networks"]))'
    )
    # Away from the source tree, which has no messages.
    result = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, timeout=120, cwd='/'
    )
    assert result.returncode == 2
    assert result.stderr.count('\n') == 1
    assert "networks needs: pip install 'face_classification_ros[train]'" in result.stderr
