"""The page in a real browser, next to a real node."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import closing
import json
from pathlib import Path
import random
import socket
from typing import Any
from urllib.parse import urlsplit

from conftest import reserved_domain, running_nodes, StartNode
import cv2
import numpy as np
from page_server import PageServer, running_servers, StartServer
import pytest
from ros_peers import BLANK, HEAD, LiveCamera, Peer, TIMEOUT

pytest.importorskip('aiohttp', reason='needs the extra [view]')
pytest.importorskip('playwright', reason='drives the browser')

LIMIT = 1000 * TIMEOUT
"""Milliseconds until a test fails."""

TWO = np.hstack([HEAD, HEAD])
"""An image with two faces."""

DROP = """([name, type, content]) => {
  const bytes = Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name, { type }));
  document.body.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true }));
}"""


class Looker:
    """A page in a browser, with everything that must not happen.

    Attributes:
        page: of Playwright.
        errors: what the console reported.
        hosts: with which the page communicated.
    """

    def __init__(self, browser: Any, url: str, **options: Any) -> None:
        """Open the page."""
        self._context = browser.new_context(**options)
        self._context.set_default_timeout(LIMIT)
        self.page = self._context.new_page()
        self.errors: list[str] = []
        self.hosts: set[str] = set()
        self.page.on(
            'console',
            lambda each: self.errors.append(each.text) if each.type in ('error', 'warning') else 0,
        )
        self.page.on('pageerror', lambda error: self.errors.append(str(error)))
        for kind in ('request', 'websocket'):
            self.page.on(kind, self._record)
        self.page.goto(url)

    def _record(self, request: Any) -> None:
        address = urlsplit(request.url)
        # A blob is in the memory of the browser.
        if address.scheme != 'blob':
            self.hosts.add(address.netloc)

    def close(self) -> None:
        """Close the page."""
        self._context.close()

    def wait(self, condition: str) -> None:
        """Wait until a JavaScript expression is true."""
        self.page.wait_for_function(f'() => {condition}', timeout=LIMIT)

    def wait_for_state(self, level: str) -> None:
        """Wait until the page as a whole has a level."""
        self.page.locator(f'#state[data-level={level}]').wait_for()

    def wait_for_cards(self, count: int) -> None:
        """Wait until there are so many cards of faces."""
        self.wait(f"document.querySelectorAll('#cards > li').length === {count}")

    def sums(self, within: str = '#cards') -> list[float]:
        """Return the sum of the probabilities of each distribution."""
        found: list[float] = self.page.evaluate(
            """(within) => [...document.querySelectorAll(`${within} .bars`)].map((bars) =>
              [...bars.children].reduce((sum, each) => sum + Number(each.dataset.probability), 0))
            """,
            within,
        )
        return found

    def set(self, parameter: str, value: str) -> None:
        """Change a parameter as with mouse or keyboard, and wait for the response."""
        control = self.page.locator(f'[id="parameter-{parameter}"]')
        with self.page.expect_response('**/parameters'):
            control.fill(value)
            control.blur()

    def drop(self, name: str, kind: str, content: bytes) -> None:
        """Drop a file on the page."""
        self.page.evaluate(DROP, [name, kind, base64.b64encode(content).decode()])


class Stage:
    """A node with its camera and a server of pages.

    Attributes:
        peer: a node of the test.
        camera: that the node looks at.
        server: of the page.
        start_node: starts another node.
        start_server: starts another server.
    """

    def __init__(self, peer: Peer, start_node: StartNode, start_server: StartServer) -> None:
        """Start all of them."""
        self.peer = peer
        self.start_node = start_node
        self.start_server = start_server
        # Late results of a busy machine are a warning otherwise.
        self.node = start_node('-p', 'max_latency:=1000.0')
        self.server: PageServer = start_server()
        # Last: its thread would not end if another one did not start.
        self.camera = LiveCamera(peer, HEAD)


@pytest.fixture(scope='module')
def stage(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Iterator[Stage]:
    """Return a node that runs with its camera and the page."""
    folder: Path = tmp_path_factory.mktemp('stage')
    with (
        reserved_domain() as domain,
        running_servers(domain) as start_server,
        running_nodes(domain, folder) as start_node,
        closing(Peer(domain)) as peer,
    ):
        stage = Stage(peer, start_node, start_server)
        with closing(stage.camera):
            yield stage


Open = Callable[..., Looker]


@pytest.fixture
def looker(stage: Stage, browser: Any) -> Iterator[Looker]:
    """Return a page that shows one face; at the end it has reported no errors."""
    stage.camera.show(HEAD)
    looker = Looker(browser, stage.server.url)
    looker.wait_for_cards(1)
    yield looker
    looker.close()
    assert looker.errors == []
    assert looker.hosts == {urlsplit(stage.server.url).netloc}


def test_each_face_has_a_card(stage: Stage, looker: Looker) -> None:
    """As many cards as faces, whose distributions sum to 1."""
    looker.wait_for_state('ok')
    stage.camera.show(TWO)
    looker.wait_for_cards(2)
    sums = looker.sums()
    assert len(sums) >= 4
    assert sums == pytest.approx([1.0] * len(sums), abs=1e-4)
    stage.camera.show(BLANK)
    looker.wait_for_cards(0)
    assert looker.page.locator('#nobody').is_visible()


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_page_is_accessible(stage: Stage, browser: Any, scheme: str) -> None:
    """With faces on it, axe-core has no finding that is serious or critical."""
    axe = pytest.importorskip('axe_playwright_python.sync_playwright', reason='has axe-core')
    stage.camera.show(TWO)
    with closing(Looker(browser, stage.server.url, color_scheme=scheme)) as looker:
        looker.wait_for_cards(2)
        looker.wait_for_state('ok')
        found = axe.Axe().run(looker.page).response
    assert len(found['passes']) > 10
    serious = [each for each in found['violations'] if each['impact'] in ('serious', 'critical')]
    assert [(each['id'], [node['html'] for node in each['nodes']]) for each in serious] == []


def test_higher_threshold_makes_labels_unknown(looker: Looker) -> None:
    """On the card and in the summary of the last minute, and back again."""
    page = looker.page
    gender = page.locator('#cards .bars[data-attribute=gender]')
    assert gender.get_attribute('data-value') == 'woman'
    looker.set('unknown_threshold.gender', '1')
    looker.page.locator('#cards .bars[data-attribute=gender][data-value=unknown]').wait_for()
    assert 'gender' in page.locator('#cards .chip.unknown').first.inner_text()
    page.locator('#timelines [data-attribute=gender][data-label=unknown]').wait_for()
    looker.set('unknown_threshold.gender', '0.5')
    looker.page.locator('#cards .bars[data-attribute=gender][data-value=woman]').wait_for()
    page.locator('#timelines [data-attribute=gender][data-label=woman]').wait_for()


def test_refused_parameter_shows_the_reason(looker: Looker) -> None:
    """And its present value again."""
    looker.wait("document.getElementById('parameter-models')?.disabled === false")
    field = looker.page.locator('[data-parameter=models]')
    before = field.locator('input').input_value()
    looker.set('models', 'no_such_model')
    looker.wait("document.getElementById('parameter-models-error').textContent !== ''")
    assert 'no_such_model' in field.locator('.error').inner_text()
    assert field.locator('input').input_value() == before
    # The browser logs each response that is an error.
    assert all('409' in error for error in looker.errors)
    looker.errors.clear()


def test_dropped_image_is_classified(looker: Looker) -> None:
    """Also a PNG; a file that is no image gets the reason."""
    encoded = cv2.imencode('.png', TWO)[1].tobytes()
    looker.drop('two.png', 'image/png', encoded)
    looker.wait("document.querySelectorAll('#tryout-cards > li').length === 2")
    sums = looker.sums('#tryout-cards')
    assert sums == pytest.approx([1.0] * len(sums), abs=1e-4)
    looker.drop('text.png', 'image/png', b'text')
    looker.wait("document.getElementById('tryout-text').textContent.includes('text.png')")
    assert looker.page.locator('#tryout-cards > li').count() == 0


def test_explanation_is_shown_on_demand(looker: Looker) -> None:
    """As an image in a dialog, which Escape closes."""
    looker.page.locator('#cards button').click()
    looker.wait("document.getElementById('explanation-image').naturalWidth > 0")
    looker.page.keyboard.press('Escape')
    assert not looker.page.locator('#explanation').is_visible()


def test_blurred_face_is_not_explained(looker: Looker) -> None:
    """The switch is the parameter of the node, and both show it."""
    looker.wait("!document.getElementById('blur').disabled")
    looker.page.locator('#blur').check()
    looker.wait("document.getElementById('parameter-blur_faces').checked")
    looker.page.locator('#cards button').click()
    looker.wait("document.getElementById('explanation-text').textContent.includes('blur_faces')")
    looker.page.keyboard.press('Escape')
    looker.page.locator('#blur').uncheck()
    looker.wait("!document.getElementById('parameter-blur_faces').checked")
    assert all('409' in error for error in looker.errors)
    looker.errors.clear()


def test_pause_steps_through_the_last_seconds(stage: Stage, looker: Looker) -> None:
    """With the keyboard; what comes meanwhile is not shown."""
    looker.wait('window.faceView.stage.history.length > 5')
    looker.page.keyboard.press('Space')
    stage.camera.show(BLANK)
    looker.wait("document.getElementById('moment').textContent === 'paused'")
    last = looker.page.evaluate('window.faceView.stage.history.length')
    for _ in range(3):
        looker.page.keyboard.press('ArrowLeft')
    looker.wait("document.getElementById('moment').textContent.startsWith('−')")
    assert looker.page.locator('#scrub').input_value() == str(last - 4)
    looker.wait_for_cards(1)
    looker.page.keyboard.press('Space')
    looker.wait_for_cards(0)


def test_timeline_is_exported(looker: Looker) -> None:
    """With the probabilities of each sample."""
    looker.page.locator('#timelines canvas').first.wait_for()
    with looker.page.expect_download() as download:
        looker.page.locator('#export').click()
    content = json.loads(Path(download.value.path()).read_text())
    assert content['node'] == '/face_classification'
    for person in content['people']:
        for sample in person['samples']:
            for estimate in sample['attributes'].values():
                assert sum(estimate['probabilities'].values()) == pytest.approx(1, abs=1e-4)
    assert content['people'][-1]['samples']


def test_stopped_camera_is_shown_until_it_continues(stage: Stage, looker: Looker) -> None:
    """With the reason and what to do; nobody is in view."""
    stage.camera.show(None)
    looker.wait_for_state('error')
    looker.page.locator('#parts > li[data-codes~=no_images]').wait_for()
    assert looker.page.locator('#alert-detail').is_visible()
    assert looker.page.locator('#parts .cure').count() >= 1
    looker.wait_for_cards(0)
    stage.camera.show(HEAD)
    looker.wait_for_cards(1)
    looker.page.locator('#alert').wait_for(state='hidden')


def test_killed_node_is_shown_until_it_is_back(stage: Stage, looker: Looker) -> None:
    """The page continues by itself; its parameters are those of the new node."""
    looker.set('smoothing_time', '2.5')
    stage.node.kill()
    looker.wait_for_state('error')
    looker.wait_for_cards(0)
    assert looker.page.locator('#parameter-smoothing_time').is_disabled()
    stage.node = stage.start_node()
    looker.wait_for_cards(1)
    looker.page.locator('#alert').wait_for(state='hidden')
    looker.wait("document.getElementById('parameter-smoothing_time').value === '1'")


def test_node_draws_only_while_somebody_looks(stage: Stage, browser: Any) -> None:
    """Once for all browsers of a server, and not at all without any."""
    count = stage.peer.node.count_subscribers
    topic = '/face_classification/image_annotated/compressed'
    stage.peer.wait_for(lambda: count(topic) == 0, 'the end of the subscription')
    lookers = [Looker(browser, stage.server.url) for _ in range(2)]
    for looker in lookers:
        looker.wait_for_cards(1)
    # The peer discovers it by itself.
    stage.peer.wait_for(lambda: count(topic) == 1, 'one subscription')
    for looker in lookers:
        looker.close()
    stage.peer.wait_for(lambda: count(topic) == 0, 'the end of the subscription')


def fixed_port() -> int:
    """Return a free port that the system gives to no outgoing connection meanwhile."""
    for port in random.sample(range(20_000, 30_000), 100):
        try:
            socket.create_server(('127.0.0.1', port)).close()
        except OSError:
            continue
        return port
    pytest.fail('no port is free')


def test_page_connects_again_to_its_server(stage: Stage, browser: Any) -> None:
    """After the server was killed and started again on the same port."""
    server = stage.start_server('--port', str(fixed_port()))
    looker = Looker(browser, server.url)
    looker.wait_for_cards(1)
    server.kill()
    looker.wait_for_state('error')
    again = stage.start_server('--port', str(server.port))
    assert again.url == server.url
    looker.wait_for_cards(1)
    looker.close()


def test_page_with_a_token_works(stage: Stage, browser: Any) -> None:
    """All of its files, its stream and its commands are below the token."""
    server = stage.start_server('--host', '0.0.0.0')
    looker = Looker(browser, f'http://127.0.0.1:{server.port}/{server.url.split("/", 3)[3]}')
    looker.wait_for_cards(1)
    looker.drop('head.png', 'image/png', cv2.imencode('.png', HEAD)[1].tobytes())
    looker.wait("document.querySelectorAll('#tryout-cards > li').length === 1")
    looker.close()
    assert looker.errors == []


def test_page_fits_a_phone(stage: Stage, browser: Any) -> None:
    """Nothing is wider than the screen."""
    looker = Looker(browser, stage.server.url, viewport={'width': 360, 'height': 740})
    looker.wait_for_cards(1)
    looker.wait("document.querySelectorAll('#settings .field').length > 5")
    assert looker.page.evaluate('document.documentElement.scrollWidth') <= 360
    looker.close()
