"""A pytest plugin for the tests of others: recordings are replayed by the fixture `replay`.

pip makes it known to pytest; elsewhere a conftest.py says
`pytest_plugins = ['face_classification_ros.ros.replay.pytest_plugin']`. Nothing of ROS is imported
before a test uses it.
"""

from __future__ import annotations

from collections.abc import Mapping
import json
from pathlib import Path
from typing import Any, Protocol, TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from face_classification_ros.ros.replay.replay import ReplayResult


class Replay(Protocol):
    """What the fixture `replay` gives."""

    def __call__(
        self,
        bag: Path | str,
        *,
        expect: Path | str | Mapping[str, Any] | None = None,
        topic: str = '',
        parameters: Mapping[str, bool | int | float | str] | None = None,
        parameter_file: Path | str | None = None,
        online: bool = False,
        rate: float = 1.0,
    ) -> ReplayResult:
        """Replay a recording.

        Args:
            bag: rosbag2 folder, one of its files, or a video.
            expect: what must come, as a YAML file or as its content; the test fails where it
                does not, and says what came instead.
            topic: of the pictures; "" is the only one.
            parameters: of the node, by their names.
            parameter_file: of the node.
            online: through the node in a process of its own, over DDS, instead of through its
                pipeline in this process.
            rate: of an online replay, times as fast as it was recorded.

        Returns:
            the pictures with their faces, as plain objects.

        Raises:
            ValueError, OSError, ImportError: see `ros.replay.replay.replay`;
                `ExpectationError` where `expect` cannot be understood.
        """
        ...


@pytest.fixture
def replay() -> Replay:
    """Give a function that replays a recording, see `Replay`."""

    def run(
        bag: Path | str,
        *,
        expect: Path | str | Mapping[str, Any] | None = None,
        topic: str = '',
        parameters: Mapping[str, bool | int | float | str] | None = None,
        parameter_file: Path | str | None = None,
        online: bool = False,
        rate: float = 1.0,
    ) -> ReplayResult:
        from face_classification_ros.ros.replay.replay import collect, ReplayOptions

        expectation = None
        if expect is not None:
            from face_classification_ros.ros.replay.expectation import (
                parse_expectation,
                read_expectation,
            )

            if isinstance(expect, Mapping):
                expectation = parse_expectation(expect)
            else:
                expectation = read_expectation(Path(expect))
        result = collect(
            ReplayOptions(
                source=Path(bag),
                topic=topic,
                # JSON is YAML, which is how ROS takes the values of parameters.
                parameters=[f'{k}:={json.dumps(v)}' for k, v in (parameters or {}).items()],
                parameter_file=Path(parameter_file) if parameter_file else None,
                rate=rate,
                offline=not online,
            )
        )
        differences = expectation.differences(result.pictures) if expectation else []
        if differences:
            pytest.fail('\n'.join(map(str, differences)), pytrace=False)
        return result

    return run
