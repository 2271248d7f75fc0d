"""Say what is installed, what is missing and what to do: all that needs no running ROS.

Of other packages it imports nothing at its top, so that it runs where all else is broken:
`python3 -m face_classification_ros.doctor`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
import importlib
import importlib.metadata
import importlib.util
import json
import os
from pathlib import Path
import platform
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

OK, HINT, WRONG = 'OK', 'HINT', 'WRONG'
"""Verdicts: all is well; something optional is missing; something must be done."""

DISTRIBUTION = 'face_classification_ros'

MIN_PYTHON = (3, 10)

SEGMENT = 34 * 2**20
"""Bytes of /dev/shm that each process takes with the profile for large pictures."""

SOCKET_BUFFER = 4 * 2**20
"""Bytes that the profile asks of the kernel for each socket."""

PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
"""Read by Fast DDS 2 (Jazzy and earlier), and by Fast DDS 3."""

EXTRAS = {
    'archive': ('bags and parallel work', ('rosbags', 'distributed', 'tqdm', 'cryptography')),
    'demo': ('the sample of demo and benchmark', ('skimage',)),
    'train': (
        'training, audits and plots',
        ('tensorflow', 'tf2onnx', 'pydantic', 'matplotlib', 'scipy', 'jinja2'),
    ),
}
"""Extra -> what it is for, and the modules that it brings."""

TOLERANCE = 0.02
"""How far a probability of a known answer may be off: other processors round otherwise."""


@dataclass(frozen=True)
class Finding:
    """What was found about one thing.

    Attributes:
        subject: what was looked at.
        verdict: `OK`, `HINT` or `WRONG`.
        text: what was found, one line.
        remedy: what to do; "" where nothing is to be done.
    """

    subject: str
    verdict: str
    text: str
    remedy: str = ''


def examine() -> Iterator[Finding]:
    """Look at everything that needs no running ROS, one thing after another."""
    yield check_python(sys.version_info[:3])
    for name, cure in (
        ('numpy', 'pip install numpy'),
        ('cv2', 'pip install "opencv-python-headless<5"'),
        ('onnxruntime', 'pip install onnxruntime'),
        ('onnx', 'pip install onnx'),
        ('yaml', 'pip install PyYAML'),
    ):
        yield look(name, partial(check_module, name, cure))
    yield look('cv_bridge', check_cv_bridge)
    yield look('package', check_share)
    yield look('DDS profile', lambda: check_profile(os.environ, _own_profile()))
    yield look('shared memory', lambda: check_shared_memory(shutil.disk_usage('/dev/shm').free))
    yield look('socket buffers', lambda: check_socket_buffers(*map(_core_setting, BUFFERS)))
    yield look('detector', check_detector)
    yield from check_models()
    for extra, (purpose, modules) in EXTRAS.items():
        yield check_extra(extra, purpose, [name for name in modules if not is_there(name)])


def look(subject: str, check: Callable[[], Finding]) -> Finding:
    """Run a check; what it stumbles over, whatever that is, is what was found."""
    try:
        return check()
    except Exception as error:
        return Finding(subject, WRONG, _line(error), 'see the lines above, they may be the cause')


def check_python(version: tuple[int, ...]) -> Finding:
    """Judge the version of Python."""
    text = f'{platform.python_implementation()} {".".join(map(str, version))} on {_machine()}'
    if version < MIN_PYTHON:
        needed = '.'.join(map(str, MIN_PYTHON))
        return Finding('Python', WRONG, text, f'needs Python {needed} or later')
    return Finding('Python', OK, text)


def check_module(name: str, cure: str, version: str = '__version__') -> Finding:
    """Import a module that everything needs, in a process of its own.

    One that was built for another numpy may end the process, and so does a DDS that is not there.

    Args:
        name: of the module.
        cure: what to do where it cannot be imported.
        version: what of the module tells its version.
    """
    probe = subprocess.run(
        [sys.executable, '-c', f'import {name}; print({name}.{version})'],
        capture_output=True,
        text=True,
    )
    if probe.returncode != 0:
        lines = probe.stderr.strip().splitlines()
        return Finding(name, WRONG, lines[-1] if lines else f'exit {probe.returncode}', cure)
    told = probe.stdout.strip()
    if name == 'cv2' and int(told.partition('.')[0]) >= 5:
        return Finding(name, HINT, f'OpenCV {told} has no detector haar', cure)
    return Finding(name, OK, told)


def check_cv_bridge() -> Finding:
    """Tell how pictures are converted, and whether cv_bridge and numpy go together."""
    from face_classification_ros.ros.conversions.images import converter

    name = converter().name
    if 'does not work' in name:
        return Finding(
            'cv_bridge',
            HINT,
            f'{name}; pictures are converted without it',
            'other nodes need it: pip install "numpy<2" where they run',
        )
    return Finding('cv_bridge', OK, f'pictures are converted by {name}')


def check_share() -> Finding:
    """Find the package's own files."""
    from face_classification_ros.inference.model_zoo import share_folder

    return Finding('package', OK, f'{_version()} in {share_folder()}')


def check_profile(environment: Mapping[str, str], own: Path) -> Finding:
    """Judge which profile Fast DDS reads.

    Args:
        environment: variables of the process.
        own: the profile of this package.
    """
    subject = 'DDS profile'
    remedy = f'export {PROFILE_VARIABLES[0]}={own} {PROFILE_VARIABLES[1]}={own}'
    named = {name: environment[name] for name in PROFILE_VARIABLES if environment.get(name)}
    if not named:
        return Finding(
            subject,
            HINT,
            'none is set, pictures above 512 kB will be lost; the launch files set one for the '
            "node, the camera's driver needs it, too",
            remedy,
        )
    for name, value in named.items():
        path = Path(value)
        if not path.is_file():
            return Finding(subject, WRONG, f'{name} names {value}, which is no file', remedy)
        try:
            ElementTree.parse(path)
        except ElementTree.ParseError as error:
            return Finding(subject, WRONG, f'{value} is no XML: {error}', remedy)
    if len(set(named.values())) > 1:
        values = ' and '.join(named.values())
        return Finding(subject, WRONG, f'the two variables name {values}', remedy)
    value = next(iter(named.values()))
    if Path(value).read_bytes() == own.read_bytes():
        return Finding(subject, OK, f'for large pictures: {value}')
    return Finding(subject, OK, f'one of your own: {value}; the throughput tells whether it does')


def check_shared_memory(free: int) -> Finding:
    """Judge the free bytes of /dev/shm: camera and node need a segment each."""
    text = f'{free // 2**20} MB of /dev/shm are free, a process takes {SEGMENT // 2**20}'
    if free < 2 * SEGMENT:
        return Finding(
            'shared memory',
            WRONG,
            text,
            'start Docker with --shm-size=512m or --ipc=host; remove what processes that were '
            'killed left behind: rm /dev/shm/fastrtps_* while no ROS runs',
        )
    return Finding('shared memory', OK, text)


BUFFERS = ('rmem_max', 'wmem_max')


def check_socket_buffers(receive: int, send: int) -> Finding:
    """Judge what the kernel grants to a socket, in bytes."""
    text = f'rmem_max {receive}, wmem_max {send}'
    if min(receive, send) < SOCKET_BUFFER:
        return Finding(
            'socket buffers',
            HINT,
            f'{text}: pictures from other computers may get lost',
            f'sudo sysctl -w net.core.rmem_max={SOCKET_BUFFER} net.core.wmem_max={SOCKET_BUFFER}',
        )
    return Finding('socket buffers', OK, text)


def check_detector() -> Finding:
    """Let the default detector search a picture; the face of the sample where that is there."""
    import numpy as np

    from face_classification_ros.detection import create_detector, DETECTORS

    try:
        detector = create_detector(DETECTORS[0])
    except ImportError as error:
        return Finding('detector', WRONG, _line(error), 'choose the detector haar or yunet')
    if detector.detect(np.full((240, 320, 3), 128, np.uint8)):
        return Finding('detector', WRONG, f'{DETECTORS[0]} finds a face in a blank picture')
    if not is_there('skimage'):
        return Finding('detector', OK, f'{DETECTORS[0]} runs; no sample to try it on')
    from face_classification_ros.io.sample import crowd

    found = len(detector.detect(crowd(1, 640, 480)))
    verdict = OK if found == 1 else WRONG
    return Finding('detector', verdict, f'{DETECTORS[0]} finds {found} of 1 face of the sample')


def check_models() -> Iterator[Finding]:
    """Let every shipped model classify a drawn face, and compare with its known answer."""
    try:
        from face_classification_ros.inference.model_zoo import share_folder

        folder = share_folder() / 'resource' / 'models'
        known = json.loads((folder / 'known_answers.json').read_text())
    except Exception as error:
        yield Finding('models', WRONG, _line(error), 'install the package anew')
        return
    for path in sorted(folder.glob('*.onnx')):
        check = partial(check_model, path, known.get(path.stem, {}))
        yield look(f'model {path.stem}', check)


def check_model(path: Path, known: Mapping[str, list[float]]) -> Finding:
    """Compare a model's answer to a drawn face with the known one, attribute -> distribution."""
    answers = answer_drawn_face(path)
    for attribute, expected in known.items():
        off = max(abs(a - b) for a, b in zip(answers[attribute], expected, strict=True))
        if off > TOLERANCE:
            return Finding(
                f'model {path.stem}',
                WRONG,
                f'{attribute} of a drawn face is off by {off:.2f} from the known answer',
                'install the package anew, or another version of onnxruntime',
            )
    if not known:
        return Finding(f'model {path.stem}', OK, 'runs; its answer is not known')
    return Finding(f'model {path.stem}', OK, f'gives the known answer for {", ".join(known)}')


def answer_drawn_face(path: Path) -> dict[str, list[float]]:
    """Give what a model tells of a face that is drawn: attribute -> distribution."""
    import numpy as np

    from face_classification_ros.classification.classifier import Classifier

    classifier = Classifier(path)
    input_spec = classifier.input_spec
    y, x = np.mgrid[0 : input_spec.size, 0 : input_spec.size] / input_spec.size - 0.5
    face = 90.0 + 90 * (x**2 / 0.14 + y**2 / 0.2 < 1)
    for eye in (-0.17, 0.17):
        face[(x - eye) ** 2 + (y + 0.12) ** 2 < 0.004] = 20
    face[(abs(y - 0.22 + 0.6 * x**2) < 0.03) & (abs(x) < 0.2)] = 50
    crop = np.repeat(face[..., np.newaxis], input_spec.channels, axis=2).astype(np.uint8)
    answers = classifier.classify(crop[np.newaxis])
    return {name: [round(float(each), 4) for each in row[0]] for name, row in answers.items()}


def check_extra(extra: str, purpose: str, missing: list[str]) -> Finding:
    """Tell whether what an extra brings is there."""
    if missing:
        return Finding(
            f'extra [{extra}]',
            HINT,
            f'{purpose}: {", ".join(missing)} missing',
            f"pip install '{DISTRIBUTION}[{extra}]'",
        )
    return Finding(f'extra [{extra}]', OK, purpose)


def is_there(module: str) -> bool:
    """Tell whether a module is installed, without importing it."""
    return importlib.util.find_spec(module) is not None


def exit_code(findings: Iterable[Finding]) -> int:
    """Give 0 where nothing is wrong, else 1."""
    return int(any(each.verdict == WRONG for each in findings))


def lines_of(finding: Finding) -> str:
    """Give a finding as it is printed."""
    line = f'{finding.verdict:5} {finding.subject}: {finding.text}'
    return f'{line}\n      -> {finding.remedy}' if finding.remedy else line


# Licenses

_COPYLEFT = re.compile(r'\b(A?GPL|LGPL|MPL|EPL|EUPL|CDDL|GNU|Mozilla|Eclipse|Affero)', re.I)
_REQUIREMENT = re.compile(r'^[A-Za-z0-9._-]+')


@dataclass(frozen=True)
class License:
    """Under which license a package that this one needs may be used.

    Attributes:
        name: of the package.
        version: the one that is installed.
        license: as the package tells it; "not told" where it does not.
        is_copyleft: whether one of those that ask for the source of changes is among it.
    """

    name: str
    version: str
    license: str
    is_copyleft: bool


def licenses() -> list[License]:
    """Give the licenses of all installed packages that this one needs, by name.

    Those of extras that are not installed are left out.

    Raises:
        ImportError: the package was not installed by pip.
    """
    found: dict[str, License] = {}
    waiting = [DISTRIBUTION]
    while waiting:
        name = re.sub('[-_.]+', '-', waiting.pop()).lower()
        if name in found:
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            if name == DISTRIBUTION.replace('_', '-'):
                raise
            continue
        license = _license_of(distribution)
        found[name] = License(name, distribution.version, license, bool(_COPYLEFT.search(license)))
        # Of the needs of others' extras nothing is asked for.
        waiting += [
            match[0]
            for need in distribution.requires or ()
            if ('extra ==' not in need or len(found) == 1) and (match := _REQUIREMENT.match(need))
        ]
    del found[DISTRIBUTION.replace('_', '-')]
    return sorted(found.values(), key=lambda each: each.name)


def _license_of(distribution: importlib.metadata.Distribution) -> str:
    metadata = distribution.metadata
    if expression := metadata.get_all('License-Expression'):
        return str(expression[0])
    told = [
        each.rpartition(' :: ')[2]
        for each in metadata.get_all('Classifier') or ()
        if each.startswith('License :: ') and each != 'License :: OSI Approved'
    ]
    # Some put the whole text there.
    field = (''.join(metadata.get_all('License') or ()).strip().splitlines() or [''])[0]
    return ', '.join(told) or field[:60] or _ros_license(distribution.name) or 'not told'


def _ros_license(name: str) -> str:
    """Give the license in a ROS package's own metadata; its wheel has none."""
    package = re.sub('^ros-(jazzy-|kilted-)?', '', name.lower()).replace('-', '_')
    path = Path(sys.prefix, 'share', package, 'package.xml')
    if not path.is_file():
        return ''
    return ', '.join(each.text or '' for each in ElementTree.parse(path).iter('license'))


# What is read from the machine


def _machine() -> str:
    system = platform.freedesktop_os_release().get('PRETTY_NAME', 'Linux')
    return f'{system}, {platform.machine()}'


def _core_setting(name: str) -> int:
    return int(Path('/proc/sys/net/core', name).read_text())


def _own_profile() -> Path:
    from face_classification_ros.inference.model_zoo import dds_profile

    return dds_profile()


def _version() -> str:
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        # As colcon installs it.
        return 'built by colcon'


def _line(error: Exception) -> str:
    text = ' '.join(str(error).split())
    return f'{type(error).__name__}: {text}' if text else type(error).__name__


def main() -> int:
    """Print what was found without ROS."""
    findings = []
    for finding in examine():
        findings.append(finding)
        print(lines_of(finding), flush=True)
    return exit_code(findings)


if __name__ == '__main__':
    raise SystemExit(main())
