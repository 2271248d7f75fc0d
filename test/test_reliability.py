"""The guarantees of docs/reliability.md are tested where it says."""

from pathlib import Path
import re

ROOT = Path(__file__).resolve().parents[1]


def test_named_tests_exist() -> None:
    """Every file under test/ that the page names exists."""
    page = (ROOT / 'docs' / 'reliability.md').read_text()
    named = set(re.findall(r'`(test/[\w/]+\.py)`', page))
    assert len(named) > 10
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []
