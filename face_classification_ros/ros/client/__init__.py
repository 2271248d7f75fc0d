"""Ask the node from Python: `FaceClient`, for behaviors and scripts."""

from face_classification_ros.ros.client.client import confident_label, FaceClient, FaceSnapshot
from face_classification_ros.ros.client.errors import (
    ClientClosedError,
    ClientStartError,
    FaceClientError,
    RequestRejectedError,
    ResponseTimeoutError,
    ServerUnavailableError,
)
from face_classification_ros.ros.client.observation import (
    Observation,
    ObservationHandle,
    Progress,
)
from face_classification_ros.tracking.observation import Outcome
from face_classification_ros.tracking.people import PeopleCount
from face_classification_ros.types import AttributeEstimate, Face

__all__ = [
    'AttributeEstimate',
    'ClientClosedError',
    'ClientStartError',
    'Face',
    'FaceClient',
    'FaceClientError',
    'FaceSnapshot',
    'Observation',
    'ObservationHandle',
    'Outcome',
    'PeopleCount',
    'Progress',
    'RequestRejectedError',
    'ResponseTimeoutError',
    'ServerUnavailableError',
    'confident_label',
]
