"""A cv_bridge that cannot be used is reported with the reason."""

from dataclasses import replace

import pytest

from face_classification_ros.doctor.findings import OK, WARN
from face_classification_ros.ros.conversions.images import Converter, CV_BRIDGE, OWN
from face_classification_ros.ros.doctor.cv_bridge import evaluate_converter

FALLBACK = replace(OWN, name='own, as cv_bridge ends with code -11')


@pytest.mark.parametrize(
    ('used', 'is_installed', 'numpy_version', 'code', 'status'),
    [
        (CV_BRIDGE, True, '1.26.4', 'cv-bridge-ok', OK),
        (OWN, False, '2.4.6', 'cv-bridge-not-installed', OK),
        (FALLBACK, True, '2.4.6', 'numpy-too-new-for-cv-bridge', WARN),
        (FALLBACK, True, '1.26.4', 'cv-bridge-broken', WARN),
    ],
)
def test_converter_is_evaluated(
    used: Converter, is_installed: bool, numpy_version: str, code: str, status: str
) -> None:
    """The node works without cv_bridge, but others do not."""
    finding = evaluate_converter(used, is_installed, numpy_version)
    assert (finding.code, finding.status) == (code, status)
    assert (used.name in finding.text) == (used is FALLBACK)
