"""A cv_bridge that cannot be used is reported with the reason."""

import pytest

from face_classification_ros.doctor.findings import OK, WARN
from face_classification_ros.io.image_encodings import convert_with_opencv
from face_classification_ros.ros.conversions.images import convert_with_cv_bridge, Converter
from face_classification_ros.ros.doctor.cv_bridge import evaluate_converter

CV_BRIDGE = Converter('cv_bridge', convert_with_cv_bridge)
OPENCV = Converter('OpenCV', convert_with_opencv)
FALLBACK = Converter('OpenCV', convert_with_opencv, 'exit code -11')


@pytest.mark.parametrize(
    ('used', 'numpy_version', 'code', 'status'),
    [
        (CV_BRIDGE, '1.26.4', 'cv-bridge-ok', OK),
        (OPENCV, '2.4.6', 'cv-bridge-not-installed', OK),
        (FALLBACK, '2.4.6', 'numpy-too-new-for-cv-bridge', WARN),
        (FALLBACK, '1.26.4', 'cv-bridge-broken', WARN),
    ],
)
def test_converter_is_evaluated(
    used: Converter, numpy_version: str, code: str, status: str
) -> None:
    """The node works without cv_bridge, but others do not."""
    finding = evaluate_converter(used, numpy_version)
    assert (finding.code, finding.status) == (code, status)
    assert used.cv_bridge_error in finding.text
