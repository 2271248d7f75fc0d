"""Record the page in the browser as the moving image of the README.

    python docs/generators/record_page.py docs/view.webp

It shows a part of the sample in which every face is found and therefore blurred, forwards and
backwards, so that the recording can repeat. Look at all of its images before you commit it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
import os
from pathlib import Path
import re
import shutil
import subprocess
import sys
import tempfile
import time

import cv2
from PIL import Image
from playwright.sync_api import Page, sync_playwright, ViewportSize

from face_classification_ros.ros.demo.sample_camera import open_source, SAMPLE

SHOWN = slice(122, 150)
"""Frames of the sample."""

WINDOW: ViewportSize = {'width': 1280, 'height': 800}
"""Of the browser, in pixels."""

WIDTH = 960
"""Of the result, in pixels."""

WARM_UP = 15.0
"""Seconds after which estimates and figures have settled."""

INTERVAL = 0.2
"""Seconds between two images."""


def write_clip(path: Path) -> float:
    """Write the part of the sample, forwards and backwards; return its duration in seconds."""
    with open_source(SAMPLE) as source:
        images = [frame.image for frame in source.frames][SHOWN]
        images += images[-2:0:-1]
        height, width = images[0].shape[:2]
        code = cv2.VideoWriter.fourcc(*'mp4v')
        video = cv2.VideoWriter(str(path), code, source.fps, (width, height))
        for image in images:
            video.write(image)
        video.release()
        return len(images) / source.fps


@contextmanager
def running_demo(clip: Path) -> Iterator[str]:
    """Run the demo with blurred faces; give the URL of its page."""
    command = Path(sys.executable).with_name('face_classification')
    options = ['--view', '--no-browser', '--port', '0', '--parameter', 'blur_faces:=true']
    demo = subprocess.Popen(
        [command, 'demo', '--video', clip, *options], stdout=subprocess.PIPE, text=True
    )
    try:
        assert demo.stdout is not None
        for line in demo.stdout:
            if found := re.search(r'http://\S+', line):
                yield found[0]
                return
        raise SystemExit('the demo ended')
    finally:
        demo.terminate()
        demo.wait()


def record(page: Page, duration: float) -> list[Image.Image]:
    """Return images of the page at regular times."""
    images = []
    start = time.monotonic()
    for number in range(round(duration / INTERVAL)):
        page.wait_for_timeout(max(0.0, start + number * INTERVAL - time.monotonic()) * 1000)
        image = Image.open(BytesIO(page.screenshot()))
        images.append(
            image.resize((WIDTH, WIDTH * image.height // image.width), Image.Resampling.LANCZOS)
        )
    late = time.monotonic() - start - duration
    if late > INTERVAL:
        raise SystemExit(f'this machine is too slow: the recording took {late:.1f} s too long')
    return images


def main() -> None:
    """Record the page into the file of the command line."""
    (output,) = sys.argv[1:]
    os.environ.update(ROS_DOMAIN_ID='87', ROS_AUTOMATIC_DISCOVERY_RANGE='LOCALHOST')
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder, 'clip.mp4')
        duration = write_clip(clip)
        with running_demo(clip) as url, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which('chromium'), chromium_sandbox=False
            )
            page = browser.new_page(viewport=WINDOW)
            page.goto(url)
            page.wait_for_timeout(WARM_UP * 1000)
            images = record(page, duration)
            browser.close()
    images[0].save(
        output,
        save_all=True,
        append_images=images[1:],
        duration=round(INTERVAL * 1000),
        loop=0,
        quality=60,
        method=6,
    )


if __name__ == '__main__':
    main()
