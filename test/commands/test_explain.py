"""`face_classification explain`, as a user runs it."""

from pathlib import Path
import shutil

from command_process import ASTRONAUT
import cv2
import numpy as np
import pytest

from face_classification_ros.commands.main import main
from face_classification_ros.explanation.drawing import BARS_WIDTH, PANEL_SIZE

OPTIONS = ['--detector', 'haar', '--model', 'emotion_sequential_fully_cnn']


def explain(*arguments: str | Path) -> int:
    """Run the command with a detector that every machine has."""
    return main(['explain', *map(str, arguments), *OPTIONS])


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Return a data set of three copies of a smiling face, one of them labeled sad."""
    head = cv2.resize(cv2.imread(str(ASTRONAUT))[50:190, 150:290], (48, 48))
    for name in ('happy/a.png', 'happy/b.png', 'sad/c.png'):
        path = tmp_path / 'data' / 'val' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), head)
    return tmp_path / 'data'


def test_an_image_has_a_panel_for_each_face(tmp_path: Path) -> None:
    """The face, its explanation, and the distribution as bars."""
    assert explain(ASTRONAUT, '--output', tmp_path) == 0
    panel = cv2.imread(str(tmp_path / 'astronaut.png.png'))
    assert panel.shape == (PANEL_SIZE, 2 * PANEL_SIZE + BARS_WIDTH, 3)
    face, relevance, bars = np.split(panel, [PANEL_SIZE, 2 * PANEL_SIZE], axis=1)
    assert face.std() > 30
    assert relevance.std() > 10 and abs(relevance.mean() - 127.5) < 10
    # She smiles: the yellow bar is long.
    yellow = (np.abs(bars.astype(int) - (40, 210, 250)).max(axis=2) < 10).sum()
    assert yellow > 0.03 * bars.shape[0] * bars.shape[1]


def test_the_default_model_is_explained(tmp_path: Path) -> None:
    """Emotion, the first attribute with more than two labels, or another one by name."""
    options = [str(ASTRONAUT), '--detector', 'haar', '--output', str(tmp_path)]
    panels = {}
    for chosen in ([], ['--attribute', 'emotion'], ['--attribute', 'gender']):
        assert main(['explain', *options, *chosen]) == 0
        panels[chosen[-1] if chosen else ''] = cv2.imread(str(tmp_path / 'astronaut.png.png'))
    assert (panels[''] == panels['emotion']).all()
    assert (panels[''] != panels['gender']).any()


def test_a_folder_keeps_its_structure_below_the_output(tmp_path: Path) -> None:
    """Images of the same name in two folders do not overwrite each other."""
    for name in ('a/she.png', 'b/she.png', 'b/she.jpg'):
        (tmp_path / 'in' / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ASTRONAUT, tmp_path / 'in' / name)
    assert explain(tmp_path / 'in', '--output', tmp_path / 'out') == 0
    panels = sorted(str(each.relative_to(tmp_path / 'out')) for each in tmp_path.glob('out/*/*'))
    assert panels == ['a/she.png.png', 'b/she.jpg.png', 'b/she.png.png']


@pytest.mark.parametrize(
    'options', [('--method', 'grad_cam'), ('--label', 'sad'), ('--layer', 'convolution2')]
)
def test_an_option_changes_the_explanation_alone(tmp_path: Path, options: tuple[str, str]) -> None:
    """Another method, label or layer; the face and the bars stay the same."""
    explain(ASTRONAUT, '--output', tmp_path / 'one')
    assert explain(ASTRONAUT, '--output', tmp_path / 'other', *options) == 0
    one, other = (cv2.imread(str(tmp_path / n / 'astronaut.png.png')) for n in ('one', 'other'))
    differs = (one != other).any(axis=(0, 2))
    assert differs[PANEL_SIZE : 2 * PANEL_SIZE].any()
    assert not differs[:PANEL_SIZE].any() and not differs[2 * PANEL_SIZE :].any()


def test_an_unreadable_image_is_reported_and_the_others_are_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2; an image without a face has no panel."""
    (tmp_path / 'broken.png').write_text('no image')
    cv2.imwrite(str(tmp_path / 'wall.png'), np.full((100, 100, 3), 90, np.uint8))
    paths = (tmp_path / 'broken.png', tmp_path / 'wall.png', ASTRONAUT)
    assert explain(*paths, '--output', tmp_path / 'out') == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f'face_classification: {tmp_path}/broken.png ')
    assert [each.name for each in (tmp_path / 'out').iterdir()] == ['astronaut.png.png']


@pytest.mark.parametrize(
    ('arguments', 'problem'),
    [
        ((), '--data'),
        ((ASTRONAUT, '--data', ASTRONAUT.parent), '--data'),
        ((ASTRONAUT, '--label', 'bored'), "'bored'"),
        ((ASTRONAUT, '--attribute', 'gender'), "'gender'"),
        ((ASTRONAUT, '--model', 'emotion_sequential_fully_cnn'), 'model'),
    ],
)
def test_wrong_use_writes_nothing(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str | Path, ...],
    problem: str,
) -> None:
    """Exit code 2 and one line."""
    assert explain(*arguments, '--output', tmp_path / 'out') == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert problem in line
    assert not (tmp_path / 'out').exists()


def test_a_data_set_gives_a_figure(faces: Path, tmp_path: Path) -> None:
    """Faces of every label that all networks classify correctly, as in the paper."""
    output = tmp_path / 'out'
    arguments = ('--data', faces, '--output', output, '--faces', '2')
    assert explain(*arguments, '--model', 'emotion_sequential_fully_cnn') == 0
    figure = cv2.imread(str(output / 'emotion.png'))
    # One row, as she is classified as happy and not as sad; two faces with two networks each.
    assert figure.shape == (34 + 84, 110 + 2 * (3 * 72 + 12), 3)


def test_a_data_set_without_correct_predictions_gives_no_figure(
    faces: Path, tmp_path: Path
) -> None:
    """Exit code 2."""
    shutil.rmtree(faces / 'val' / 'happy')
    assert explain('--data', faces, '--output', tmp_path / 'out') == 2
    assert not (tmp_path / 'out').exists()
