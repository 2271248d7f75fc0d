"""The commands of the manual run as they are written."""

from __future__ import annotations

from pathlib import Path
import re
import shlex
import shutil
import subprocess

from command_process import ASTRONAUT, COMMAND, run, write_video
import cv2
import pytest

from face_classification_ros.inference.model_zoo import executable, model_path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').rglob('*.md'))]

BLOCK = re.compile(r'^```(\w*)\n(.*?)^```$', re.DOTALL | re.MULTILINE)
ROS_RUN = 'ros2 run face_classification_ros '

TOO_LONG = ('train', 'networks', 'benchmark', 'doctor', 'view')
"""Sub-commands that take minutes, measure times or wait for a signal; their own tests run them."""

EMOTIONS = ('angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral')


def commands_in(block: str) -> list[list[str]]:
    """Return the arguments of the commands in a block that run in seconds and offline."""
    lines = block.replace('\\\n', ' ').splitlines()
    commands = [
        shlex.split(line.removeprefix(ROS_RUN), comments=True)[1:]
        for line in lines
        if line.removeprefix(ROS_RUN).startswith('face_classification ')
    ]
    return [
        arguments
        for arguments in commands
        # A detector that is trained by the same block.
        if arguments[0] not in TOO_LONG and arguments[:2] != ['evaluate', 'faces']
    ]


def parts_of(page: Path) -> list[str]:
    """Return what runs on its own: each block, or a whole tutorial, whose steps need others."""
    blocks = [block for language, block in BLOCK.findall(page.read_text()) if not language]
    return ['\n'.join(blocks)] if page.parent.name == 'tutorials' else blocks


BLOCKS = {
    f'{page.relative_to(ROOT)}-{number}': commands
    for page in PAGES
    for number, part in enumerate(parts_of(page))
    if (commands := commands_in(part))
}


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """Return a folder with the files that the manual names."""
    image = cv2.imread(str(ASTRONAUT))
    for name in ('group.jpg', 'image.jpg', 'people.jpg', 'folder/a.jpg', 'folder/b/c.png'):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image)
    write_video(tmp_path / 'video.mp4', 5)
    for number in range(12):
        head = image[20 + number : 200, 150:300]
        # Published names: age, gender, race and time.
        age, gender, race = 18 + 4 * number, number % 2, number % 3
        utkface = tmp_path / 'utkface' / f'{age}_{gender}_{race}_2017010{number}.jpg'
        for split in ('train', 'val', 'test'):
            for label in EMOTIONS if number < 2 else ():
                path = tmp_path / 'fer2013' / split / label / f'{number}.png'
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), head[:, len(split) + len(label) :])
        utkface.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(utkface), head)
    (tmp_path / 'fairface' / 'val').mkdir(parents=True)
    cv2.imwrite(str(tmp_path / 'fairface' / 'val' / '1.jpg'), head)
    (tmp_path / 'fairface' / 'fairface_label_val.csv').write_text(
        'file,age,gender,race\nval/1.jpg,30-39,Female,White\n'
    )
    for name in ('my_model.onnx', 'run/emotion_my_network.onnx'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(model_path('emotion_mini_xception'), tmp_path / name)
    return tmp_path


def write_recording(inputs: Path) -> None:
    """Write the recording of the README, and expectations that it meets."""
    assert run('sample-bag', inputs / 'bag', '--seconds', 0.5).returncode == 0
    done = run(
        *('replay', inputs / 'bag', '--offline'),
        *('--write-expectation', inputs / 'expect.yaml'),
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize('name', BLOCKS)
def test_commands_run_as_written(
    name: str, inputs: Path, domain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each succeeds in a folder that has the files it names."""
    pytest.importorskip('rosbags', reason='needs the extra [replay]')
    pytest.importorskip('scipy', reason='audits need the extra [train]')
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    if name.startswith('README'):
        write_recording(inputs)
    for arguments in BLOCKS[name]:
        done = subprocess.run(
            [COMMAND, *arguments], cwd=inputs, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, f'{shlex.join(arguments)}\n{done.stdout}{done.stderr}'


def test_commands_are_found() -> None:
    """In the README, in guides, in tutorials and in the reference."""
    pages = {name.rpartition('-')[0] for name in BLOCKS}
    guides = {f'docs/how_to/{name}.md' for name in ('audit', 'explain', 'replay', 'training')}
    tutorials = {f'docs/tutorials/{name}.md' for name in ('first_faces', 'replay_in_tests')}
    assert guides | tutorials | {'README.md', 'docs/reference/command.md'} <= pages


def test_ros2_run_starts_the_command() -> None:
    """`ros2 run` executes the program of this name in the folder lib of the package."""
    done = subprocess.run(
        [executable('face_classification'), 'classify', '--help'], capture_output=True, cwd='/'
    )
    assert done.returncode == 0
