"""Options are generated from the settings of the configuration."""

import argparse

import pytest

from face_classification_ros.commands.options import (
    add_settings,
    add_still_detector,
    add_unknown_threshold,
    option,
    pipeline_config,
    still_detector_config,
)
from face_classification_ros.config import DetectorConfig, PipelineConfig, settings_of


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    """Return a parser with all settings."""
    parser = argparse.ArgumentParser()
    add_unknown_threshold(parser)
    add_settings(parser, PipelineConfig)
    return parser


def test_every_setting_has_an_option_with_its_default(parser: argparse.ArgumentParser) -> None:
    """Without options the configuration is that of the node and the library."""
    assert pipeline_config(parser.parse_args([])) == PipelineConfig()
    help_text = parser.format_help()
    assert all(option(name) in help_text for name in settings_of(PipelineConfig))


def test_an_empty_list_is_described_as_an_option_takes_it(
    parser: argparse.ArgumentParser,
) -> None:
    """The help text of a parameter has the form of ROS, which the option would reject."""
    help_text = parser.format_help()
    assert "[''] " not in help_text
    assert "'' " in help_text


def test_options_set_values_of_the_right_type(parser: argparse.ArgumentParser) -> None:
    """Numbers, choices, lists and thresholds arrive in the configuration."""
    arguments = ['--detection-size', '640', '--detection-threshold', '1', '--rotation', '90']
    arguments += ['--models', 'a,b', '--attributes', '', '--detector', 'haar']
    arguments += ['--unknown-threshold', 'age=0.8', '--unknown-threshold', 'mood=0']
    assert pipeline_config(parser.parse_args(arguments)) == PipelineConfig(
        detection_size=640,
        detection_threshold=1.0,
        rotation=90,
        models=('a', 'b'),
        attributes=(),
        detector='haar',
        unknown_threshold={'age': 0.8, 'mood': 0.0},
    )


@pytest.mark.parametrize(
    'arguments',
    [
        ['--detection-size', '31'],
        ['--detection-size', '640.5'],
        ['--detection-threshold', 'nan'],
        ['--detection-threshold', 'high'],
        ['--rotation', '45'],
        ['--detector', 'none'],
        ['--num-threads', '0'],
        ['--follow', 'True'],
        ['--unknown-threshold', 'age'],
        ['--unknown-threshold', 'age=high'],
        ['--unknown-threshold', 'age=1.1'],
    ],
    ids=' '.join,
)
def test_an_invalid_value_is_rejected(
    parser: argparse.ArgumentParser, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names the option."""
    with pytest.raises(SystemExit) as stopped:
        parser.parse_args(arguments)
    assert stopped.value.code == 2
    assert f'argument {arguments[0]}: ' in capsys.readouterr().err


def test_a_range_and_a_default_are_in_the_help_text(parser: argparse.ArgumentParser) -> None:
    """They come from the field."""
    actions = {action.dest: str(action.help) for action in parser._actions}
    assert actions['detection_size'].endswith(' (32 to 4096; default: 320)')
    assert actions['smoothing_time'].endswith(' (0 to 60; default: 1)')
    assert actions['detector_model'] == (
        settings_of(DetectorConfig)['detector_model'].metadata['setting'].help
    )


def test_a_file_is_shown_as_such(parser: argparse.ArgumentParser) -> None:
    """Other texts are values."""
    metavars = {action.dest: action.metavar for action in parser._actions}
    assert (metavars['detector_model'], metavars['num_threads']) == ('FILE', 'N')


def test_several_values_of_a_setting_are_a_list() -> None:
    """Without the option the list has the default alone."""
    parser = argparse.ArgumentParser()
    add_settings(parser, DetectorConfig, several=['num_threads'])
    assert parser.parse_args([]).num_threads == [1]
    assert parser.parse_args(['--num-threads', '1', '4']).num_threads == [1, 4]


def test_a_switch_is_true_or_false(parser: argparse.ArgumentParser) -> None:
    """As in a parameter of the node, also in the help text."""
    (action,) = (each for each in parser._actions if each.dest == 'follow')
    assert (action.metavar, str(action.help)[-16:]) == ('true|false', '(default: false)')
    values = [parser.parse_args(given).follow for given in ([], ['--follow', 'true'])]
    assert values == [False, True]


def test_a_detector_of_still_images_searches_every_full_image() -> None:
    """The interval between full searches is not an option."""
    parser = argparse.ArgumentParser()
    add_still_detector(parser)
    arguments = parser.parse_args(['--detection-size', '640'])
    assert still_detector_config(arguments) == DetectorConfig(
        detection_size=640, detection_interval=1
    )
    assert not hasattr(arguments, 'detection_interval')
