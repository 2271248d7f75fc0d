"""Train the stages of a recipe one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
import shutil

from face_classification_ros.datasets.registry import check_attributes, has_attribute
from face_classification_ros.inference.model_zoo import model_path
from face_classification_ros.training.checkpoint import check_output, CHECKPOINT, run_of
from face_classification_ros.training.data import check_folders
from face_classification_ros.training.stages import Stage
from face_classification_ros.training.trainer import train


def train_stages(
    stages: Sequence[Stage],
    folders: Sequence[Path],
    output: Path,
    *,
    resume: bool = False,
    init_from: Path | None = None,
    report: Callable[[str], None] = print,
) -> Path:
    """Train all stages of a recipe, and export the result of the last one.

    Each stage has a folder with its name in the output folder, see `train`. With `resume`, stages
    that are complete are skipped, and the interrupted one continues. A stage uses the data sets
    that have one of its attributes.

    Args:
        stages: with names; see `read_stages`.
        folders: data sets, see `train`.
        output: folder for the results, created if necessary.
        resume: continue an interrupted run in the output folder.
        init_from: what the first stage starts with that does not say so itself.
        report: is called with a line when a stage starts.

    Returns:
        Path of the model file in the output folder.

    Raises:
        FloatingPointError, ValueError: see `train`; no stage uses a data set, a stage has no
            data of an attribute or names other data, the output folder contains stages of
            another recipe, `init_from` does not exist, or all stages say what they start with.
    """
    attributes = list(dict.fromkeys(each for stage in stages for each in stage.recipe.attributes))
    check_attributes(folders, attributes)
    # What a late stage lacks is reported now, not after hours in an earlier one.
    for stage in stages:
        try:
            check_folders(stage.recipe, _with_one_of(stage.recipe.attributes, folders))
        except ValueError as error:
            raise ValueError(f'stage {stage.name}: {error}') from error
    _check_folders(stages, output, resume)
    sources: dict[str, Path] = {}
    if init_from is not None:
        if not init_from.exists():
            raise ValueError(f'--init-from: {init_from} does not exist')
        first = next((stage.name for stage in stages if stage.init_from is None), None)
        if first is None:
            raise ValueError('--init-from would have no effect, as every stage sets init_from')
        sources[first] = init_from
    models: dict[str, Path] = {}
    for number, stage in enumerate(stages, start=1):
        folder = output / stage.name
        recipe = stage.recipe.with_teachers(models)
        used = _with_one_of(recipe.attributes, folders)
        source = sources.get(stage.name)
        if stage.init_from is not None:
            is_stage = stage.init_from in models
            source = output / stage.init_from if is_stage else Path(model_path(stage.init_from))
        check_output(folder, run_of(recipe), resume)
        complete = sorted(folder.glob('*.onnx'))
        if complete:
            (models[stage.name],) = complete
            continue
        report(f'stage {number} of {len(stages)}: {stage.name}')
        models[stage.name] = train(
            recipe, used, folder, resume=resume, init_from=source, scratch=output
        )
    last = models[stages[-1].name]
    return Path(shutil.copy(last, output / last.name))


def _check_folders(stages: Sequence[Stage], output: Path, resume: bool) -> None:
    """Refuse an output folder in which another recipe has trained stages of the same names."""
    first_empty = None
    for stage in stages:
        folder = output / stage.name
        if not resume:
            check_output(folder, {}, resume)
        elif not (folder / CHECKPOINT).exists():
            first_empty = first_empty or folder
        elif first_empty is not None:
            raise ValueError(
                f'{folder} contains a run, but {first_empty} of an earlier stage does not; choose '
                'another folder'
            )


def _with_one_of(attributes: Sequence[str], folders: Sequence[Path]) -> list[Path]:
    """Return the data sets that have one of the attributes."""
    return [
        folder for folder in folders if any(has_attribute(folder, each) for each in attributes)
    ]
