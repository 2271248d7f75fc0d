#!/usr/bin/env python3
"""Greet a guest by a behavior tree: wait for a face, observe it, and say what is certain."""

from __future__ import annotations

import argparse
import sys

import py_trees
from py_trees.common import Access, Status

from face_classification_ros.ros.client import (
    confident_label,
    FaceClient,
    FaceClientError,
    ObservationHandle,
    Outcome,
)

GUEST = 'guest'
"""Key of the blackboard for the observed face."""


class SomebodyThere(py_trees.behaviour.Behaviour):
    """Succeeds as soon as a face is in view."""

    def __init__(self, client: FaceClient) -> None:
        """Use a client."""
        super().__init__('somebody there')
        self._client = client

    def update(self) -> Status:
        """Check the newest image; an empty one means to wait."""
        faces = self._client.get_faces(max_age=60.0).faces
        self.feedback_message = f'{len(faces)} faces'
        return Status.SUCCESS if faces else Status.RUNNING


class ObserveGuest(py_trees.behaviour.Behaviour):
    """Observes the nearest person without blocking the tree."""

    def __init__(self, client: FaceClient, frames: int, duration: float) -> None:
        """Use a client, up to a number of images or a time in seconds."""
        super().__init__('observe guest')
        self._client = client
        self._frames, self._duration = frames, duration
        self._handle: ObservationHandle | None = None
        self._blackboard = self.attach_blackboard_client(self.name)
        self._blackboard.register_key(GUEST, access=Access.WRITE)

    def initialise(self) -> None:
        """Start the observation."""
        self._handle = self._client.start_observation(
            'nearest', frames=self._frames, duration=self._duration
        )

    def update(self) -> Status:
        """Succeed when it is complete, and fail if nobody was seen or the person left."""
        assert self._handle is not None
        if not self._handle.is_done():
            return Status.RUNNING
        observation = self._handle.result(timeout=1.0)
        self.feedback_message = observation.reason
        if observation.outcome is not Outcome.COMPLETED:
            return Status.FAILURE
        self._blackboard.set(GUEST, observation.faces[0])
        return Status.SUCCESS

    def terminate(self, new_status: Status) -> None:
        """Cancel the observation if the tree interrupts it."""
        if new_status is Status.INVALID and self._handle is not None:
            self._handle.cancel()


class SayWhatIsCertain(py_trees.behaviour.Behaviour):
    """Prints the certain labels of the guest; a robot would say them."""

    def __init__(self) -> None:
        """Read the guest from the blackboard."""
        super().__init__('say what is certain')
        self._blackboard = self.attach_blackboard_client(self.name)
        self._blackboard.register_key(GUEST, access=Access.READ)

    def update(self) -> Status:
        """Print one line."""
        guest = self._blackboard.get(GUEST)
        labels = {name: confident_label(each) for name, each in guest.attributes.items()}
        certain = ', '.join(f'{name} {label}' for name, label in labels.items() if label)
        print(f'Welcome! ({certain or "nothing is certain"})')
        return Status.SUCCESS


def greeting_tree(
    client: FaceClient, frames: int, duration: float
) -> py_trees.behaviour.Behaviour:
    """Return the tree that greets one guest."""
    root = py_trees.composites.Sequence('greet a guest', memory=True)
    root.add_children(
        [SomebodyThere(client), ObserveGuest(client, frames, duration), SayWhatIsCertain()]
    )
    return root


def main() -> int:
    """Tick the tree ten times a second until the guest is greeted or has left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--node', default='/face_classification', help='name of the node')
    parser.add_argument('--frames', type=int, default=20, help='number of images to collect')
    parser.add_argument('--duration', type=float, default=10.0, help='time limit in seconds')
    arguments = parser.parse_args()
    try:
        with FaceClient(arguments.node) as client:
            root = greeting_tree(client, arguments.frames, arguments.duration)
            tree = py_trees.trees.BehaviourTree(root)
            tree.tick_tock(
                period_ms=100,
                number_of_iterations=py_trees.trees.CONTINUOUS_TICK_TOCK,
                stop_on_terminal_state=True,
            )
    except (FaceClientError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if root.status is Status.FAILURE:
        print(f'No guest: {root.children[1].feedback_message}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
