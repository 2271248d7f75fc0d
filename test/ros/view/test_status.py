"""A status of the node says what to do, and whose it is."""

from pathlib import Path
import re

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
import pytest

from face_classification_ros.ros.view.status import CURES, LEVELS, status_record

MANUAL = Path(__file__).resolve().parents[3] / 'docs' / 'reference' / 'node.md'


def codes_of_the_manual() -> set[str]:
    """Return all codes of diagnostics in the reference of the node."""
    text = MANUAL.read_text()
    table = text[text.index('| status | codes |') :].split('\n\n')[0]
    rows = [line.split('|')[2] for line in table.splitlines()[2:]]
    return {code for row in rows for code in re.findall('`([a-z_]+)`', row)}


def test_every_code_has_a_cure() -> None:
    """And none is left of codes that do not exist any more."""
    assert set(CURES) == codes_of_the_manual() - {'ok'}


@pytest.mark.parametrize(
    ('codes', 'expected'), [('ok', []), ('no_images,lost_images', ['no_images', 'lost_images'])]
)
def test_status_becomes_a_record(codes: str, expected: list[str]) -> None:
    """Level, codes with cures, and values apart from the code."""
    status = DiagnosticStatus(
        level=b'\x02',
        name='head/face_classification: images',
        message='why',
        hardware_id='/image',
        values=[KeyValue(key='code', value=codes), KeyValue(key='lost', value='3')],
    )
    record = status_record(status, 'head/face_classification: ')
    assert record['part'] == 'images'
    assert record['level'] == 'error'
    assert record['codes'] == codes.split(',')
    assert record['cures'] == [CURES[code] for code in expected]
    assert record['values'] == {'lost': '3'}
    assert record['source'] == '/image'


@pytest.mark.parametrize('level', [0, 3, 4, 255])
def test_any_level_has_a_name(level: int) -> None:
    """Another node may publish a number that does not exist."""
    status = DiagnosticStatus(level=bytes([level]), name='face_classification: images')
    assert status_record(status, 'face_classification: ')['level'] == LEVELS[min(level, 3)]
