"""Each browser gets the newest image, and a slow one delays nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
import json
from typing import Any

import pytest

pytest.importorskip('aiohttp', reason='needs the extra [view]')
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from face_classification_ros.ros.view.lookers import Audience, MAX_LOOKERS, MAX_UNACKNOWLEDGED
from face_classification_ros.ros.view.page import stream_handler

TIMEOUT = 60.0

Join = Callable[[], Awaitable[Any]]


def with_server(test: Callable[[Audience, Join], Awaitable[None]]) -> list[int]:
    """Run a test with an audience behind real WebSockets, and return the numbers of browsers."""
    counts: list[int] = []

    async def run() -> None:
        audience = Audience(counts.append)
        app = web.Application()
        app.router.add_get('/stream', stream_handler(audience))
        async with TestServer(app) as server, ClientSession() as session:

            async def join() -> Any:
                before = len(audience)
                socket = await session.ws_connect(server.make_url('/stream'))
                while len(audience) == before:
                    await asyncio.sleep(0.01)
                return socket

            await test(audience, join)

    asyncio.run(run())
    return counts


async def images(socket: Any, last: bytes) -> list[bytes]:
    """Acknowledge and return all images until the last one."""
    found: list[bytes] = []
    while not found or found[-1] != last:
        found.append(await socket.receive_bytes(timeout=TIMEOUT))
        await socket.send_str('drawn')
    return found


def test_slow_browser_loses_images_and_delays_nobody() -> None:
    """It gets those that are on their way and the newest; the other one gets all."""

    async def test(audience: Audience, join: Join) -> None:
        slow, fast = await join(), await join()
        sent = [b'%d' % number for number in range(20)]
        for image in sent:
            audience.offer(image)
            assert await fast.receive_bytes(timeout=TIMEOUT) == image
            await fast.send_str('drawn')
        # The slow one has not acknowledged anything yet.
        got = await images(slow, sent[-1])
        assert got == [*sent[:MAX_UNACKNOWLEDGED], sent[-1]]
        await slow.send_str('time')
        reply = json.loads(await slow.receive_str(timeout=TIMEOUT))
        assert reply['content']['skipped'] == len(sent) - len(got)

    with_server(test)


def test_browser_that_never_responds_keeps_no_images() -> None:
    """Many images later, there is still one that waits for it."""

    async def test(audience: Audience, join: Join) -> None:
        silent = await join()
        for number in range(1000):
            audience.offer(b'%d' % number)
            await asyncio.sleep(0)
        for _ in range(MAX_UNACKNOWLEDGED):
            await silent.receive_bytes(timeout=TIMEOUT)
        await silent.send_str('drawn')
        assert await silent.receive_bytes(timeout=TIMEOUT) == b'999'

    with_server(test)


def test_late_browser_gets_the_newest_state_first() -> None:
    """One text for each topic."""

    async def test(audience: Audience, join: Join) -> None:
        for content in range(5):
            audience.tell('status', content)
        audience.tell('colors', {'woman': '#fff'})
        late = await join()
        texts = [json.loads(await late.receive_str(timeout=TIMEOUT)) for _ in range(2)]
        assert {each['topic']: each['content'] for each in texts} == {
            'status': 4,
            'colors': {'woman': '#fff'},
        }

    with_server(test)


def test_number_of_browsers_is_reported() -> None:
    """The node draws only while somebody looks."""

    async def test(audience: Audience, join: Join) -> None:
        first, second = await join(), await join()
        await first.close()
        await second.close()
        while len(audience):
            await asyncio.sleep(0.01)

    assert with_server(test) == [1, 2, 1, 0]


def test_more_browsers_than_allowed_are_refused() -> None:
    """The others continue."""

    async def test(audience: Audience, join: Join) -> None:
        sockets = [await join() for _ in range(MAX_LOOKERS)]
        with pytest.raises(Exception) as caught:
            await asyncio.wait_for(join(), TIMEOUT)
        assert getattr(caught.value, 'status', None) == 503
        audience.offer(b'image')
        assert {await each.receive_bytes(timeout=TIMEOUT) for each in sockets} == {b'image'}

    with_server(test)


@pytest.mark.parametrize('message', ['anything else', 'x' * 100_000, b'drawn'])
def test_other_message_ends_the_connection(message: Any) -> None:
    """A browser says nothing but that it has drawn an image, and asks for the time."""

    async def test(audience: Audience, join: Join) -> None:
        socket = await join()
        await (socket.send_str if isinstance(message, str) else socket.send_bytes)(message)
        while len(audience):
            await asyncio.sleep(0.01)

    assert with_server(test) == [1, 0]
