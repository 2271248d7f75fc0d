"""Run the page of a node until a signal or another reason ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
import os
import signal
import socket
import sys
import time
from typing import Any
import webbrowser

from aiohttp import web

from face_classification_ros.ros.client.errors import FaceClientError
from face_classification_ros.ros.view.access import Access, create_access
from face_classification_ros.ros.view.bridge import Bridge, Listener
from face_classification_ros.ros.view.commands import Commands
from face_classification_ros.ros.view.lookers import Audience
from face_classification_ros.ros.view.page import create_app
from face_classification_ros.ros.view.parameters import read_parameters
from face_classification_ros.ros.view.status import SILENCE
from face_classification_ros.srv import CountPeople
from face_classification_ros.visualization.colors import color_of

PERIOD = 1.0
"""Seconds between two messages about the state of the node."""

PEOPLE_WINDOW = 60.0
"""Seconds over which people are counted."""

ANY_HOSTS = ('0.0.0.0', '::')


@dataclass(frozen=True)
class ViewOptions:
    """The options of the page.

    Attributes:
        host: that the server listens on.
        port: that the server listens on; 0 is any free one.
        opens_browser: whether a browser of this machine shows the page, if it has a desktop.
    """

    host: str
    port: int
    opens_browser: bool


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        OSError: the host is not of this machine, or the port is in use.
    """
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise OSError(error.errno, reason, f'host {host!r}, port {port}') from error


def run_view(
    node_name: str, options: ViewOptions, is_over: Callable[[], bool] = lambda: False
) -> bool:
    """Serve the page until SIGINT, SIGTERM or `is_over`; ROS runs already.

    Args:
        node_name: full name of the node.
        options: of the page.
        is_over: asked once a second.

    Returns:
        Whether a signal ended it.

    Raises:
        OSError: see `listen`, or the page receives nothing any more.
        ValueError: the node has no name of ROS.
    """
    with listen(options.host, options.port) as listening:
        return asyncio.run(_serve(node_name, options, listening, is_over))


async def _serve(
    node_name: str,
    options: ViewOptions,
    listening: socket.socket,
    is_over: Callable[[], bool],
) -> bool:
    access = create_access(options.host, listening.getsockname()[1])
    stop = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    view = View()
    with closing(Bridge(node_name, view.listener)) as bridge:
        runner = web.AppRunner(view.app(access, bridge), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        await web.SockSite(runner, listening).start()
        print(f'The page of {bridge.node_name}: {access.url(_name(options.host))}', flush=True)
        if access.token:
            print(
                'Whoever has this address sees the images and changes parameters.', file=sys.stderr
            )
        if options.opens_browser and _has_desktop():
            await asyncio.to_thread(webbrowser.open, access.url(_local(options.host)))
        tasks = [asyncio.create_task(each) for each in view.tasks(bridge)]
        try:
            while not (stop.is_set() or is_over()):
                bridge.check()
                # An error in a task is one of the server: it must end.
                for task in tasks:
                    if task.done():
                        task.result()
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(stop.wait(), PERIOD)
        finally:
            for task in tasks:
                task.cancel()
            await runner.cleanup()
    return stop.is_set()


def _name(host: str) -> str:
    return socket.gethostname() if host in ANY_HOSTS else host


def _local(host: str) -> str:
    return 'localhost' if host in ANY_HOSTS else host


def _has_desktop() -> bool:
    # Elsewhere Python may open a browser in the terminal.
    return any(each in os.environ for each in ('DISPLAY', 'WAYLAND_DISPLAY'))


class View:
    """The state of the page: what the node reported last, and who looks."""

    def __init__(self) -> None:
        """Start in the loop that runs, without a node."""
        self._loop = asyncio.get_running_loop()
        self._bridge: Bridge | None = None
        self._audience = Audience(self._change_audience)
        self._parts: Sequence[dict[str, Any]] = ()
        self._last_sign = -float('inf')
        self._start = time.monotonic()
        self._people: dict[str, Any] | None = None
        self._parameters_changed = asyncio.Event()
        self.listener = Listener(
            on_packet=self._in_loop(self._audience.offer),
            on_diagnostics=self._in_loop(self._take_diagnostics),
            on_parameters=self._in_loop(self._parameters_changed.set),
            on_labels=self._in_loop(self._take_labels),
        )

    @property
    def is_node_alive(self) -> bool:
        """Whether diagnostics of the node come."""
        return time.monotonic() - self._last_sign < SILENCE

    def app(self, access: Access, bridge: Bridge) -> web.Application:
        """Return the application of a node."""
        self._bridge = bridge
        return create_app(access, self._audience, Commands(bridge))

    def tasks(self, bridge: Bridge) -> Sequence[Any]:
        """Return what runs next to the application."""
        return self._report(bridge), self._follow_people(bridge), self._follow_parameters(bridge)

    def _in_loop(self, function: Callable[..., None]) -> Callable[..., None]:
        """Return a function that calls another one in the thread of the loop."""

        def call(*values: Any) -> None:
            self._loop.call_soon_threadsafe(function, *values)

        return call

    def _change_audience(self, count: int) -> None:
        if self._bridge is not None:
            self._bridge.watch(is_watched=count > 0)

    def _take_diagnostics(self, parts: list[dict[str, Any]]) -> None:
        if not self.is_node_alive:
            # It may be another process, with other parameters.
            self._parameters_changed.set()
        self._parts, self._last_sign = parts, time.monotonic()

    def _take_labels(self, classes: list[str]) -> None:
        labels = [name.partition('/')[2] for name in classes if '/' in name]
        colors = {label: '#{2:02x}{1:02x}{0:02x}'.format(*color_of(label)) for label in labels}
        self._audience.tell('colors', colors)

    async def _report(self, bridge: Bridge) -> None:
        """Report the state of the node once a second."""
        while True:
            is_alive = self.is_node_alive
            since = max(self._last_sign, self._start)
            self._audience.tell(
                'status',
                {
                    'node': bridge.node_name,
                    'is_alive': is_alive,
                    'silence': round(time.monotonic() - since, 1),
                    'others': [] if is_alive else bridge.other_nodes(),
                    'parts': self._parts if is_alive else [],
                    'people': self._people if is_alive else None,
                    'lookers': len(self._audience),
                },
            )
            await asyncio.sleep(PERIOD)

    async def _follow_people(self, bridge: Bridge) -> None:
        """Count people while somebody looks; a node that is gone responds late."""
        while True:
            if len(self._audience) and self.is_node_alive:
                self._people = await asyncio.to_thread(_count_people, bridge)
            await asyncio.sleep(PERIOD)

    async def _follow_parameters(self, bridge: Bridge) -> None:
        """Report all parameters after each change."""
        while True:
            await self._parameters_changed.wait()
            self._parameters_changed.clear()
            try:
                parameters = await asyncio.to_thread(read_parameters, bridge.client)
            except FaceClientError:
                # The node is gone or busy: when it is back, or soon, they are read again.
                await asyncio.sleep(PERIOD)
                self._parameters_changed.set()
            else:
                self._audience.tell('parameters', parameters)


def _count_people(bridge: Bridge) -> dict[str, Any] | None:
    """Return the people of the last minute, None if the node does not count them now."""
    request = CountPeople.Request(window=PEOPLE_WINDOW)
    try:
        response = bridge.client.call(CountPeople, 'count_people', request)
    except FaceClientError:
        return None
    if not response.success:
        return None
    return {
        'window': PEOPLE_WINDOW,
        'counts': dict(zip(response.labels, map(int, response.counts), strict=True)),
        'unknown': response.unknown,
        'total': response.total,
    }
