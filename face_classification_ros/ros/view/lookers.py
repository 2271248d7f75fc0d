"""Send images to the browsers that look at the page; each gets only the newest one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
import json
from typing import Any

from aiohttp import web

MAX_LOOKERS = 20
"""Browsers at the same time."""

MAX_UNACKNOWLEDGED = 2
"""Images on their way to a browser: one that it draws, and the next one."""


class Looker:
    """One browser. A slow one loses images, and neither memory nor other browsers grow slower.

    The browser acknowledges each image that it has drawn. Without that, hundreds of images would
    wait in the buffers of the operating system.

    Attributes:
        skipped: images that were replaced by newer ones.
    """

    def __init__(self, socket: web.WebSocketResponse, texts: dict[str, str]) -> None:
        """Start with the newest text of each topic."""
        self.skipped = 0
        self._socket = socket
        self._texts = dict(texts)
        self._packet: bytes | None = None
        self._unacknowledged = 0
        self._wake = asyncio.Event()
        self._wake.set()

    def offer(self, packet: bytes) -> None:
        """Send a packet as soon as the browser is ready, unless a newer one replaces it."""
        if self._packet is not None:
            self.skipped += 1
        self._packet = packet
        self._wake.set()

    def tell(self, topic: str, text: str) -> None:
        """Send a text, which replaces one of the same topic that is not sent yet."""
        self._texts[topic] = text
        self._wake.set()

    def acknowledge(self) -> None:
        """Record that the browser has drawn an image."""
        self._unacknowledged = max(0, self._unacknowledged - 1)
        self._wake.set()

    async def send(self) -> None:
        """Send until the connection ends.

        Raises:
            ConnectionError: the connection ended.
        """
        while True:
            await self._wake.wait()
            self._wake.clear()
            texts, self._texts = self._texts, {}
            for text in texts.values():
                await self._socket.send_str(text)
            if self._packet is not None and self._unacknowledged < MAX_UNACKNOWLEDGED:
                packet, self._packet = self._packet, None
                self._unacknowledged += 1
                await self._socket.send_bytes(packet)
                # What arrived during the transfer.
                self._wake.set()


class Audience:
    """All browsers."""

    def __init__(self, on_change: Callable[[int], None]) -> None:
        """Start without browsers.

        Args:
            on_change: called with the number of browsers when it changes.
        """
        self._on_change = on_change
        self._lookers: set[Looker] = set()
        self._texts: dict[str, str] = {}

    def __len__(self) -> int:
        """Return the number of browsers."""
        return len(self._lookers)

    def join(self, socket: web.WebSocketResponse) -> Looker:
        """Add a browser, which gets the newest text of each topic first."""
        looker = Looker(socket, self._texts)
        self._lookers.add(looker)
        self._on_change(len(self))
        return looker

    def leave(self, looker: Looker) -> None:
        """Remove a browser."""
        self._lookers.remove(looker)
        self._on_change(len(self))

    def offer(self, packet: bytes) -> None:
        """Send a packet, which is encoded once, to all browsers."""
        for looker in self._lookers:
            looker.offer(packet)

    def tell(self, topic: str, content: Any) -> None:
        """Send content to all browsers, also to those that join later.

        Args:
            topic: for which only the newest content counts.
            content: ready for JSON.
        """
        text = json.dumps({'topic': topic, 'content': content}, separators=(',', ':'))
        self._texts[topic] = text
        for looker in self._lookers:
            looker.tell(topic, text)
