"""Run the command in tests, and make its input."""

from __future__ import annotations

from pathlib import Path
import subprocess
import sys

import cv2
import numpy as np
import skimage

COMMAND = str(Path(sys.executable).with_name('face_classification'))
ASTRONAUT = Path(skimage.__file__).parent / 'data' / 'astronaut.png'
"""An image of 512 x 512 pixels with one face: a smiling woman."""


def run(*arguments: object, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run `face_classification` in a process of its own."""
    command = [COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


def write_video(path: Path, frames: int) -> None:
    """Write a video of 360 x 300 pixels at 10 Hz, with a face that moves to the right."""
    image = cv2.imread(str(ASTRONAUT))[:300, 60:420]
    write_frames(path, [np.roll(image, 2 * number, axis=1) for number in range(frames)])


def write_frames(path: Path, frames: list[np.ndarray]) -> None:
    """Write a video at 10 Hz."""
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 10, (width, height))
    for frame in frames:
        writer.write(frame)
    writer.release()
