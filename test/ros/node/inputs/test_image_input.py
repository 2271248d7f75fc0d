"""Every image that arrives is accounted for."""

import pytest
from ros_peers import BLANK, image_message, Peer, RELIABLE
from sensor_msgs.msg import Image as ImageMessage

from face_classification_ros.ros.conversions.messages import seconds, time_message
from face_classification_ros.ros.node.frame import Frame
from face_classification_ros.ros.node.inputs.image_input import ImageInput
from face_classification_ros.ros.node.inputs.reliability import Reliability
from face_classification_ros.ros.node.parameters.node_config import NodeConfig
from face_classification_ros.ros.node.statistics import ImageStatistics


def test_images_are_processed_rate_limited_or_malformed(peer: Peer) -> None:
    """The images received are the sum of the three; later images are not counted.

    A malformed image does not count for the rate: the next one is processed.
    """
    statistics = ImageStatistics()
    processed: list[float] = []

    def process(frame: Frame) -> None:
        assert frame.image.shape == BLANK.shape
        processed.append(seconds(frame.header.stamp))
        statistics.record_result(0, 0.001, 0.002, has_stamps=True)

    images = ImageInput(
        peer.node,
        statistics,
        Reliability(peer.node),
        process=process,
        resubscribe=lambda: pytest.fail('the reliability is set'),
    )
    images.subscribe(NodeConfig(image_reliability='reliable', max_processing_rate=5.0))
    publisher = peer.node.create_publisher(ImageMessage, '/image', RELIABLE)
    peer.wait_for(publisher.get_subscription_count, 'the subscription')
    for number in range(10):
        message = image_message(BLANK)
        message.header.stamp = time_message(100 + number / 10)
        if number == 4:
            message.encoding = 'smoke'
        publisher.publish(message)
        peer.wait_for(lambda sent=number: statistics.received > sent, 'the image')
    assert processed == [100.0, 100.2, 100.5, 100.7, 100.9]
    assert (statistics.processed, statistics.rate_limited, statistics.malformed) == (5, 4, 1)
    assert statistics.received == 10
    images.unsubscribe()
    assert not images.is_subscribed
    publisher.publish(image_message(BLANK))
    peer.spin(0.2)
    assert statistics.received == 10
