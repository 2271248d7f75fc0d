"""Tables as spreadsheets save them."""

from pathlib import Path

from dataset_layouts import write_all_age_faces, write_rafdb
import pytest

from face_classification_ros.datasets.registry import read_dataset
from face_classification_ros.datasets.tables import read_table

ROWS = [{'file': 'Jürgen.jpg', 'age': '30'}, {'file': 'b.jpg', 'age': ''}]


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'latin-1', 'utf-16'])
@pytest.mark.parametrize('delimiter', [',', ';', '\t'])
@pytest.mark.parametrize('newline', ['\n', '\r\n'])
def test_table_is_read_as_spreadsheets_save_it(
    tmp_path: Path, encoding: str, delimiter: str, newline: str
) -> None:
    """In any encoding and with any delimiter of Excel."""
    lines = ['file,age', 'Jürgen.jpg,30', '', 'b.jpg']
    text = newline.join(lines).replace(',', delimiter)
    (tmp_path / 'table.csv').write_bytes(text.encode(encoding))
    assert read_table(tmp_path / 'table.csv', ('file', 'age')) == ROWS


def test_spaces_around_names_and_values_do_not_count(tmp_path: Path) -> None:
    """Nor do empty columns at the end."""
    (tmp_path / 'table.csv').write_text('file, age ,,\nJürgen.jpg , 30,,\n b.jpg,,,\n')
    assert read_table(tmp_path / 'table.csv', ('file', 'age')) == ROWS


def test_quoted_value_may_contain_the_delimiter(tmp_path: Path) -> None:
    """As Excel writes it."""
    (tmp_path / 'table.csv').write_text('file,age\n"a, b.jpg",30\n')
    assert read_table(tmp_path / 'table.csv', ('file',))[0]['file'] == 'a, b.jpg'


@pytest.mark.parametrize(
    'content',
    [
        b'',
        b'name,age\na,1\n',
        b'file,age\na.jpg,30,40\n',
        b'file,age\n\x81\x8d,30\n',
        b'file,age\na\0.jpg,30\n',
        b'file,age\n"' + b'x' * 200_000 + b'",30\n',
    ],
)
def test_problem_of_a_table_names_the_file(tmp_path: Path, content: bytes) -> None:
    """Whatever is wrong with it."""
    (tmp_path / 'table.csv').write_bytes(content)
    with pytest.raises(ValueError, match=r'table\.csv'):
        read_table(tmp_path / 'table.csv', ('file', 'age'))


def test_lists_of_data_sets_may_have_a_byte_order_mark(tmp_path: Path) -> None:
    """As Windows' editor writes it."""
    write_rafdb(tmp_path / 'rafdb', {'test_0001': ('4', 90)})
    write_all_age_faces(tmp_path / 'ages', 'test', {'00000A02.jpg': '0'})
    for table in tmp_path.rglob('*.txt'):
        table.write_text(table.read_text(), encoding='utf-8-sig')
    assert len(read_dataset('emotion', tmp_path / 'rafdb', 'test')) == 1
    assert len(read_dataset('gender', tmp_path / 'ages', 'test')) == 1


def test_other_form_of_fer2013_is_read(tmp_path: Path) -> None:
    """Kaggle has published it twice; this one has spaces in the names of the columns."""
    pixels = ' '.join(['7'] * (48 * 48))
    rows = ['emotion, Usage, pixels', f'3,PrivateTest,{pixels}', f'4,Training,{pixels}']
    (tmp_path / 'icml_face_data.csv').write_text('\n'.join(rows))
    dataset = read_dataset('emotion', tmp_path, 'test')
    assert dataset.y_true.tolist() == [3]
    assert dataset.images[0][0, 0, 0] == 7


def test_unknown_usage_of_fer2013_is_refused(tmp_path: Path) -> None:
    """Its faces would be in no split."""
    (tmp_path / 'fer2013.csv').write_text('emotion,pixels,Usage\n3,0,Test\n')
    with pytest.raises(ValueError, match=r"fer2013\.csv, line 2: .*'Test'.*PrivateTest"):
        read_dataset('emotion', tmp_path, 'test')
