"""The throughput is compared with the images that were sent."""

import pytest

from face_classification_ros.doctor.findings import ERROR, OK
from face_classification_ros.ros.doctor.throughput import evaluate_throughput


@pytest.mark.parametrize(
    ('received', 'code', 'status'),
    [
        (60, 'throughput-ok', OK),
        (57, 'throughput-ok', OK),
        (56, 'throughput-too-low', ERROR),
        (0, 'throughput-too-low', ERROR),
    ],
)
def test_few_images_may_get_lost(received: int, code: str, status: str) -> None:
    """As happens on a busy machine; more is a matter of the profile."""
    finding = evaluate_throughput(received, 60)
    assert (finding.code, finding.status) == (code, status)
    assert ('fastdds_large_images.xml' in finding.remedy) == (status == ERROR)
