"""Provide the page server as a process, and a browser."""

from __future__ import annotations

from collections.abc import Iterator
import shutil
from typing import Any

from page_server import running_servers, StartServer
import pytest
from ros_peers import TIMEOUT


@pytest.fixture
def start_server(domain: int) -> Iterator[StartServer]:
    """Return a function that starts a server, see `running_servers`."""
    pytest.importorskip('aiohttp', reason='needs the extra [view]')
    with running_servers(domain) as start:
        yield start


@pytest.fixture(scope='module')
def browser() -> Iterator[Any]:
    """Return the Chromium of the distribution, without a window.

    Playwright runs an event loop in this thread, so it must end before other tests do.
    """
    api = pytest.importorskip('playwright.sync_api', reason='drives the browser')
    program = shutil.which('chromium')
    if program is None:
        pytest.skip('chromium is not installed: apt install chromium')
    with api.sync_playwright() as playwright:
        # Its sandbox does not work for root in a container; it loads nothing but the page.
        browser = playwright.chromium.launch(
            executable_path=program,
            chromium_sandbox=False,
            # Half a minute otherwise, which is short on a busy machine.
            timeout=1000 * TIMEOUT,
        )
        yield browser
        browser.close()
