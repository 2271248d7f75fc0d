"""Every picture that comes in is accounted for."""

from ros_peers import BLANK, image_message, Peer, RELIABLE
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header

from face_classification_ros.ros.conversions.messages import seconds, time_message
from face_classification_ros.ros.node.image_input import ImageInput
from face_classification_ros.ros.node.parameters import Parameters
from face_classification_ros.ros.node.statistics import ImageStatistics
from face_classification_ros.types import Image


def test_pictures_are_processed_skipped_or_malformed(peer: Peer) -> None:
    """What came is the sum of what became of it; what comes later is not counted."""
    counts = ImageStatistics()
    processed: list[float] = []

    def process(image: Image, header: Header, arrival: float) -> None:
        assert image.shape == BLANK.shape
        processed.append(seconds(header.stamp))
        counts.record_result(0, 0.001, 0.002)

    pictures = ImageInput(peer.node, counts, process)
    pictures.subscribe(Parameters(image_reliability='reliable', max_processing_rate=5.0))
    publisher = peer.node.create_publisher(ImageMessage, '/image', RELIABLE)
    peer.wait_for(publisher.get_subscription_count, 'the subscription')
    for number in range(10):
        message = image_message(BLANK)
        message.header.stamp = time_message(100 + number / 10)
        if number == 4:
            message.encoding = 'smoke'
        publisher.publish(message)
        peer.wait_for(lambda sent=number: counts.received > sent, 'the picture')
    # The one after the malformed picture takes its place.
    assert processed == [100.0, 100.2, 100.5, 100.7, 100.9]
    assert (counts.processed, counts.rate_limited, counts.malformed) == (5, 4, 1)
    assert counts.received == counts.processed + counts.rate_limited + counts.malformed
    pictures.unsubscribe()
    assert not pictures.subscribed
    publisher.publish(image_message(BLANK))
    peer.spin(0.2)
    assert counts.received == 10
