"""Recordings that the tests of replays share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip('rosbags', reason='needs the extra [replay]')
from recordings import FPS, moving_face

from face_classification_ros.io.bag_writer import write_sample

MakeBag = Callable[..., Path]


@pytest.fixture(scope='session')
def make_bag(tmp_path_factory: pytest.TempPathFactory) -> MakeBag:
    """Return a function that records the moving face once per storage and type of messages."""
    folder = tmp_path_factory.mktemp('bags')

    def make(storage: str = 'mcap', *, compressed: bool = True) -> Path:
        path = folder / f'{storage}_{compressed}'
        if not path.exists():
            write_sample(path, moving_face(), FPS, storage, compressed=compressed)
        return path

    return make


@pytest.fixture
def online(domain: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run replays through the node in a domain of their own."""
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
