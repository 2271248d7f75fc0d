"""Serve the page, its stream and its commands to browsers that may use them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
import json
import mimetypes
from pathlib import Path
import time

from aiohttp import web, WSMsgType

from face_classification_ros.ros.view.access import Access, HEADERS
from face_classification_ros.ros.view.commands import Commands, MAX_UPLOAD, refusal
from face_classification_ros.ros.view.lookers import Audience, Looker, MAX_LOOKERS

STATIC = Path(__file__).parent / 'static'
INDEX = 'index.html'

MAX_MESSAGE = 1000
"""Bytes of a message of a browser on the stream."""

HEARTBEAT = 10.0
"""Seconds after which a browser that does not respond is removed."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def static_files() -> dict[str, tuple[str, bytes]]:
    """Return address -> type and content of all files of the page; "" is the page itself."""
    files = {}
    for path in sorted(STATIC.iterdir()):
        kind = mimetypes.guess_type(path.name)[0] or 'application/octet-stream'
        files['' if path.name == INDEX else path.name] = kind, path.read_bytes()
    return files


def create_app(access: Access, audience: Audience, commands: Commands) -> web.Application:
    """Return the application with all addresses.

    Args:
        access: who may use it.
        audience: gets a member for each stream.
        commands: of the node.
    """

    @web.middleware
    async def check_access(request: web.Request, handler: Handler) -> web.StreamResponse:
        problem = access.problem(
            request.path,
            request.headers.get('Host', ''),
            request.headers.get('Origin'),
            needs_origin=request.method not in ('GET', 'HEAD') or 'Upgrade' in request.headers,
        )
        return refusal(403, problem) if problem else await handler(request)

    async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(HEADERS)

    app = web.Application(middlewares=[check_access], client_max_size=MAX_UPLOAD)
    app.on_response_prepare.append(add_headers)
    for name, (kind, content) in static_files().items():
        app.router.add_get(access.prefix + name, _sender(kind, content))
    app.router.add_get(f'{access.prefix}stream', stream_handler(audience))
    if access.token:
        # Messengers remove the slash at the end, without which the files are not found.
        app.router.add_get(f'/{access.token}', _redirect(access.prefix))
    app.router.add_routes(commands.routes(access.prefix))
    return app


def _sender(kind: str, content: bytes) -> Handler:
    async def send(_: web.Request) -> web.Response:
        return web.Response(body=content, content_type=kind, charset='utf-8')

    return send


def _redirect(path: str) -> Handler:
    async def redirect(_: web.Request) -> web.Response:
        raise web.HTTPFound(path)

    return redirect


def stream_handler(audience: Audience) -> Handler:
    """Return the handler of the WebSocket, through which a browser joins an audience."""

    async def stream(request: web.Request) -> web.StreamResponse:
        if len(audience) >= MAX_LOOKERS:
            return refusal(503, f'{MAX_LOOKERS} browsers look at this page already')
        # JPEG does not become smaller, and compression would take time for each browser.
        socket = web.WebSocketResponse(
            heartbeat=HEARTBEAT, max_msg_size=MAX_MESSAGE, compress=False
        )
        if not socket.can_prepare(request):
            return refusal(426, 'the stream is a WebSocket')
        await socket.prepare(request)
        looker = audience.join(socket)
        sender = asyncio.create_task(_send(looker, socket))
        try:
            await _receive(looker, socket)
        finally:
            sender.cancel()
            audience.leave(looker)
        return socket

    return stream


async def _send(looker: Looker, socket: web.WebSocketResponse) -> None:
    try:
        await looker.send()
    except ConnectionError:
        # The browser left; that also ends `_receive`.
        await socket.close()


async def _receive(looker: Looker, socket: web.WebSocketResponse) -> None:
    """Receive `drawn` after each image, and any number as the time of a browser."""
    async for message in socket:
        if message.type != WSMsgType.TEXT:
            break
        if message.data == 'drawn':
            looker.acknowledge()
        elif message.data == 'time':
            # With the delay of the response, the browser computes the offset of its clock.
            content = {'time': time.time(), 'skipped': looker.skipped}
            looker.tell('time', json.dumps({'topic': 'time', 'content': content}))
        else:
            break
