"""`face_classification explain` draws what a network looks at."""

from pathlib import Path
import shutil

import cv2
import numpy as np
import pytest
import skimage

from face_classification_ros.commands.main import main
from face_classification_ros.explanation.drawing import BARS_WIDTH, PANEL_SIZE

ASTRONAUT = Path(skimage.__file__).parent / 'data' / 'astronaut.png'
OPTIONS = ['--detector', 'haar', '--model', 'emotion_sequential_fully_cnn']


def explain(*arguments: str | Path) -> int:
    """Run the command with a detector that every machine has."""
    return main(['explain', *map(str, arguments), *OPTIONS])


def test_a_picture_gives_a_panel_for_each_face(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The face, what was looked at, and the distribution as bars."""
    assert explain(ASTRONAUT, '--output', tmp_path) == 0
    path = tmp_path / 'astronaut.png.png'
    assert str(path) in capsys.readouterr().out
    panel = cv2.imread(str(path))
    assert panel.shape == (PANEL_SIZE, 2 * PANEL_SIZE + BARS_WIDTH, 3)
    face, relevance, bars = np.split(panel, [PANEL_SIZE, 2 * PANEL_SIZE], axis=1)
    assert face.std() > 30
    assert relevance.std() > 10 and abs(relevance.mean() - 127.5) < 10
    # She smiles: the yellow bar is long.
    yellow = (np.abs(bars.astype(int) - (40, 210, 250)).max(axis=2) < 10).sum()
    assert yellow > 0.03 * bars.shape[0] * bars.shape[1]


def test_a_folder_keeps_its_order_below_the_output(tmp_path: Path) -> None:
    """Pictures of one name in two folders do not overwrite each other."""
    for name in ('a/she.png', 'b/she.png', 'b/she.jpg'):
        (tmp_path / 'in' / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ASTRONAUT, tmp_path / 'in' / name)
    assert explain(tmp_path / 'in', '--output', tmp_path / 'out') == 0
    made = sorted(str(each.relative_to(tmp_path / 'out')) for each in tmp_path.glob('out/*/*'))
    assert made == ['a/she.png.png', 'b/she.jpg.png', 'b/she.png.png']


@pytest.mark.parametrize(
    'options', [('--method', 'grad_cam'), ('--label', 'sad'), ('--layer', 'convolution2')]
)
def test_there_are_other_ways_to_look(tmp_path: Path, options: tuple[str, str]) -> None:
    """Another method, another label or another layer draws something else."""
    explain(ASTRONAUT, '--output', tmp_path / 'one')
    assert explain(ASTRONAUT, '--output', tmp_path / 'other', *options) == 0
    one, other = (cv2.imread(str(tmp_path / n / 'astronaut.png.png')) for n in ('one', 'other'))
    differs = (one != other).any(axis=(0, 2))
    assert differs[PANEL_SIZE : 2 * PANEL_SIZE].any()
    assert not differs[:PANEL_SIZE].any() and not differs[2 * PANEL_SIZE :].any()


def test_what_cannot_be_read_is_told_and_the_rest_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line for each file; a wall has no face."""
    (tmp_path / 'broken.png').write_text('no picture')
    cv2.imwrite(str(tmp_path / 'wall.png'), np.full((100, 100, 3), 90, np.uint8))
    paths = (tmp_path / 'broken.png', tmp_path / 'wall.png', ASTRONAUT)
    assert explain(*paths, '--output', tmp_path / 'out') == 2
    captured = capsys.readouterr()
    assert captured.err.splitlines() == [
        f'face_classification: {tmp_path}/broken.png is not a readable picture '
        'of at most 64 megapixels'
    ]
    assert f'{tmp_path}/wall.png: no face' in captured.out
    assert [each.name for each in (tmp_path / 'out').iterdir()] == ['astronaut.png.png']


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        ((), 'name pictures, or a data set with --data'),
        ((ASTRONAUT, '--label', 'bored'), "'bored'; expected predicted, angry, "),
        ((ASTRONAUT, '--method', 'lime'), "'lime'"),
        ((ASTRONAUT, '--attribute', 'gender'), "'gender'; expected emotion"),
        ((ASTRONAUT, '--model', 'emotion_sequential_fully_cnn'), 'name one for pictures'),
    ],
)
def test_wrong_use_is_told_in_a_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str | Path, ...],
    expected: str,
) -> None:
    """With the exit code 2, and nothing is written."""
    assert explain(*arguments, '--output', tmp_path / 'out') == 2
    error = capsys.readouterr().err
    assert expected in error and error.count('\n') == 1
    assert not (tmp_path / 'out').exists()


def test_a_data_set_gives_the_papers_figure(tmp_path: Path) -> None:
    """Some faces of every label that all networks get right, beside what each looked at."""
    head = cv2.resize(cv2.imread(str(ASTRONAUT))[50:190, 150:290], (48, 48))
    for name in ('happy/a.png', 'happy/b.png', 'sad/c.png'):
        path = tmp_path / 'data' / 'val' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), head)
    output = tmp_path / 'out'
    arguments = ('--data', tmp_path / 'data', '--output', output, '--faces', '2')
    assert explain(*arguments, '--model', 'emotion_sequential_fully_cnn') == 0
    figure = cv2.imread(str(output / 'emotion.png'))
    # One row: she is taken for happy, not for sad; two faces with two networks each.
    assert figure.shape == (34 + 84, 110 + 2 * (3 * 72 + 12), 3)


def test_a_data_set_that_nobody_gets_right_gives_no_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line says so."""
    (tmp_path / 'data' / 'val' / 'sad').mkdir(parents=True)
    cv2.imwrite(
        str(tmp_path / 'data' / 'val' / 'sad' / 'she.png'),
        cv2.imread(str(ASTRONAUT))[50:190, 150:290],
    )
    assert explain('--data', tmp_path / 'data', '--output', tmp_path / 'out') == 2
    assert 'no face was classified correctly' in capsys.readouterr().err
