"""The pages on reliability and security name tests that exist."""

from pathlib import Path
import re

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize('page', ['explanation/reliability', 'how_to/security'])
def test_named_tests_exist(page: str) -> None:
    """Every file and folder under test/ that the page names exists."""
    text = (ROOT / 'docs' / f'{page}.md').read_text()
    named = set(re.findall(r'`(test/[\w/.]+)`', text))
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
