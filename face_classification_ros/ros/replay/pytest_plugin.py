"""A pytest plugin with the fixture `face_replay`, which replays recordings in tests of robots.

pip registers it; elsewhere a conftest.py needs
`pytest_plugins = ['face_classification_ros.ros.replay.pytest_plugin']`. Nothing of ROS is imported
before a test uses the fixture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import json
from pathlib import Path
from typing import Any, Protocol, TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from face_classification_ros.ros.replay.expectation import Expectation
    from face_classification_ros.ros.replay.result import ReplayResult

ParameterValue = bool | int | float | str | Sequence[str]


class FaceReplay(Protocol):
    """The type of the fixture `face_replay`."""

    def __call__(
        self,
        bag: Path | str,
        *,
        expect: Path | str | Mapping[str, Any] | None = None,
        topic: str = '',
        depth: str = '',
        camera_info: str = '',
        parameters: Mapping[str, ParameterValue] | None = None,
        parameter_file: Path | str | None = None,
        online: bool = False,
        rate: float = 1.0,
    ) -> ReplayResult:
        """Replay a recording.

        Args:
            bag: rosbag2 folder, one of its files, or a video.
            expect: expectation as a YAML file or as its content; the test fails with the
                differences.
            topic: of the images; "" if there is only one such topic.
            depth: topic of the depth images; "" for none.
            camera_info: topic of the calibration of the camera; "" for none.
            parameters: of the node, by name.
            parameter_file: of the node.
            online: whether to use the node in a process of its own, over DDS, instead of its
                pipeline in this process.
            rate: factor to the speed of the recording, if online.

        Returns:
            The frames with their faces.

        Raises:
            ValueError, OSError, ImportError: see `ros.replay.replay.replay` and, for `expect`,
                `ros.replay.expectation.read_expectation`.
        """
        ...


@pytest.fixture
def face_replay() -> FaceReplay:
    """Return a function that replays a recording, see `FaceReplay`."""

    def run(
        bag: Path | str,
        *,
        expect: Path | str | Mapping[str, Any] | None = None,
        topic: str = '',
        depth: str = '',
        camera_info: str = '',
        parameters: Mapping[str, ParameterValue] | None = None,
        parameter_file: Path | str | None = None,
        online: bool = False,
        rate: float = 1.0,
    ) -> ReplayResult:
        from face_classification_ros.ros.replay.replay import (
            check_expectation,
            replay,
            ReplayOptions,
        )

        expectation = None if expect is None else _read(expect)
        options = ReplayOptions(
            source=Path(bag),
            topic=topic,
            depth=depth,
            camera_info=camera_info,
            # ROS parses the values of parameters as YAML, of which JSON is a part.
            parameters=[f'{k}:={json.dumps(v)}' for k, v in (parameters or {}).items()],
            parameter_file=Path(parameter_file) if parameter_file else None,
            rate=rate,
            offline=not online,
        )
        if expectation is not None:
            path = Path(expect) if isinstance(expect, Path | str) else None
            check_expectation(expectation, options, path)
        result = replay(options)
        differences = expectation.differences(result.frames) if expectation else []
        if differences:
            pytest.fail('\n'.join(map(str, differences)), pytrace=False)
        return result

    return run


def _read(expect: Path | str | Mapping[str, Any]) -> Expectation:
    from face_classification_ros.ros.replay.expectation import parse_expectation, read_expectation

    if isinstance(expect, Mapping):
        return parse_expectation(expect)
    return read_expectation(Path(expect))
