"""Serve what a looker does: set parameters, have an image classified or a face explained."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
import json
from typing import Any

from aiohttp import web
import cv2
from sensor_msgs.msg import CompressedImage

from face_classification_ros.ros.client.errors import FaceClientError
from face_classification_ros.ros.view.bridge import Bridge
from face_classification_ros.ros.view.packets import faces_record
from face_classification_ros.ros.view.parameters import (
    ParameterError,
    read_parameter,
    set_parameters,
)
from face_classification_ros.srv import ClassifyImage

MAX_UPLOAD = 8_000_000
"""Bytes of an image to classify; the page reduces larger ones."""

CLASSIFY_TIMEOUT = 10.0
"""Seconds that the classification of an image may take."""

EXPLAIN_TIMEOUT = 5.0
"""Seconds until an explanation must come."""

EXPLAINED = 'explanation_track'
"""Parameter of the node with the face that is explained."""

PNG = b'\x89PNG'
JPEG = b'\xff\xd8'


def refusal(status: int, reason: object) -> web.Response:
    """Return the response to a command that is not carried out, with its reason in words."""
    return web.json_response({'reason': str(reason)}, status=status)


class Commands:
    """Carries out the commands of lookers, whose parameters the node itself checks."""

    def __init__(self, bridge: Bridge) -> None:
        """Create the commands of a node."""
        self._bridge = bridge
        # The face to explain is a parameter of the node, so there is one at a time.
        self._explaining = asyncio.Lock()
        # One after the other, so that uploads leave the node time for its camera.
        self._classifying = asyncio.Lock()

    def routes(self, prefix: str) -> list[web.RouteDef]:
        """Return the addresses of the commands."""
        return [
            web.post(f'{prefix}parameters', self.set_parameters),
            web.post(f'{prefix}classify', self.classify),
            web.post(f'{prefix}explain', self.explain),
        ]

    async def set_parameters(self, request: web.Request) -> web.Response:
        """Set parameters, all or none; the body is a JSON object of names and values."""
        try:
            values = await _object(request)
            await asyncio.to_thread(set_parameters, self._bridge.client, values)
        except ParameterError as error:
            return refusal(409, error)
        except FaceClientError as error:
            return refusal(503, error)
        return web.json_response({})

    async def classify(self, request: web.Request) -> web.Response:
        """Classify the JPEG or PNG file in the body, which is kept in memory only."""
        data = await request.read()
        if not data.startswith((JPEG, PNG)):
            return refusal(415, 'the file is neither JPEG nor PNG')
        image = CompressedImage(format='png' if data.startswith(PNG) else 'jpeg')
        image.data.frombytes(data)
        try:
            async with self._classifying:
                response = await asyncio.to_thread(
                    self._bridge.client.call,
                    ClassifyImage,
                    'classify_image',
                    ClassifyImage.Request(compressed_image=image),
                    CLASSIFY_TIMEOUT,
                )
        except FaceClientError as error:
            return refusal(503, error)
        if not response.success:
            return refusal(422, response.message)
        return web.json_response(faces_record(response.faces))

    async def explain(self, request: web.Request) -> web.Response:
        """Return what the network looks at in a face; the body is `{"track": id}`."""
        try:
            track = (await _object(request)).get('track')
            if not isinstance(track, str) or not track:
                raise ParameterError(f'track is {track!r}; expected the id of a track')
            async with self._explaining:
                image = await asyncio.to_thread(self._explain, track)
        except ParameterError as error:
            return refusal(409, error)
        except FaceClientError as error:
            return refusal(503, error)
        return web.Response(body=image, content_type='image/png')

    def _explain(self, track: str) -> bytes:
        """Return a PNG of the explanation of a face.

        Raises:
            ParameterError: there is no explanation.
            FaceClientError: the node does not respond.
        """
        client = self._bridge.client
        before = read_parameter(client, EXPLAINED)
        set_parameters(client, {EXPLAINED: track})
        try:
            image = self._bridge.explain(EXPLAIN_TIMEOUT)
        finally:
            set_parameters(client, {EXPLAINED: before})
        if image is None:
            raise ParameterError(
                f'no explanation of face {track} came within {EXPLAIN_TIMEOUT:.0f} s: it has left '
                'the image, no images come, or blur_faces is on'
            )
        return cv2.imencode('.png', image)[1].tobytes()


async def _object(request: web.Request) -> Mapping[str, Any]:
    """Return the JSON object in the body of a request.

    Raises:
        ParameterError: it has none.
    """
    try:
        content = json.loads(await request.read())
    except ValueError as error:
        raise ParameterError(f'the request is not JSON: {error}') from error
    if not isinstance(content, dict):
        raise ParameterError(f'the request is {type(content).__name__}; expected an object')
    return content
