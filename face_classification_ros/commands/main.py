"""The command `face_classification`: one sub-command for each job."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, ExitStack, suppress
from dataclasses import asdict
from functools import partial
import itertools
from pathlib import Path
import sys
from typing import Any, TypeVar

import yaml

from face_classification_ros.detection import create_detector, DETECTORS
from face_classification_ros.doctor import Finding
from face_classification_ros.inference.model_zoo import model_path, share_folder
from face_classification_ros.types import Face, Image, ROTATIONS

DONE, NO, WRONG_USE = 0, 1, 2
"""Exit codes: done; it ran and the answer is no; wrong use or unreadable input."""

T = TypeVar('T')

# What a job needs is imported by the job, so that no other has to wait for it or have it.


def main(args: list[str] | None = None) -> int:
    """Run a sub-command; what goes wrong is told in one line."""
    arguments = _parser().parse_args(args)
    try:
        return int(arguments.run(arguments))
    except (ValueError, OSError, ImportError) as error:
        print(f'face_classification: {error}', file=sys.stderr)
        return WRONG_USE
    except KeyboardInterrupt:
        print('face_classification: interrupted', file=sys.stderr)
        return NO


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='face_classification', description=__doc__)
    commands = parser.add_subparsers(required=True, metavar='COMMAND')

    def command(
        name: str, run: Callable[[argparse.Namespace], int], text: str
    ) -> argparse.ArgumentParser:
        sub_parser = commands.add_parser(name, help=text, description=text)
        sub_parser.set_defaults(run=run)
        return sub_parser

    demo = command('demo', _demo, 'run the node on a sample, a video, a camera or a topic')
    source = demo.add_mutually_exclusive_group()
    source.add_argument('--video', metavar='FILE', help='play this video instead of the sample')
    source.add_argument('--camera', metavar='NUMBER', help='use this camera of the machine')
    source.add_argument('--topic', metavar='NAME', help='use the pictures on this topic')
    demo.add_argument('--output', type=Path, default=Path('demo'), help='folder for the results')
    demo.add_argument(
        '--seconds', type=float, default=20.0, help='how long a camera or a topic is watched'
    )
    demo.add_argument(
        '--parameter', action='append', default=[], metavar='NAME:=VALUE', help='of the node'
    )

    classify = command(
        'classify', _classify, 'classify pictures, folders, videos and bags without ROS'
    )
    classify.add_argument('paths', nargs='+', type=Path, metavar='PATH')
    classify.add_argument('--topic', default='', metavar='NAME', help='of bags with several')
    workers = classify.add_mutually_exclusive_group()
    workers.add_argument(
        '--workers', type=int, metavar='N', help='processes of this machine that share the files'
    )
    workers.add_argument(
        '--cluster',
        metavar='ADDRESS',
        help='a running Dask scheduler whose workers share the files, such as tcp://host:8786',
    )
    classify.add_argument(
        '--rotation',
        type=int,
        choices=ROTATIONS,
        default=0,
        help='degrees clockwise by which pictures must be turned for people to stand upright',
    )
    classify.add_argument('--json', type=Path, metavar='FILE', help='write the results there')
    classify.add_argument(
        '--output', type=Path, metavar='DIR', help='write annotated copies there'
    )
    _add_model_arguments(classify)
    _add_detector_arguments(classify, width=640)

    replay = command(
        'replay', _replay, 'play a bag or a video through the node, and compare with expectations'
    )
    replay.add_argument('source', type=Path, metavar='BAG', help='rosbag2 folder, file or video')
    replay.add_argument('--topic', default='', metavar='NAME', help='of bags with several')
    replay.add_argument('--depth', default='', metavar='NAME', help='play depth pictures, too')
    replay.add_argument('--camera-info', default='', metavar='NAME', help='and the calibration')
    replay.add_argument(
        '--rate',
        type=float,
        default=1.0,
        metavar='R',
        help='times as fast as recorded (default 1)',
    )
    how = replay.add_mutually_exclusive_group()
    how.add_argument(
        '--offline', action='store_true', help='without DDS, as fast as it goes, always the same'
    )
    how.add_argument('--node', default='', metavar='NAME', help='a running one, start none')
    replay.add_argument(
        '--parameter', action='append', default=[], metavar='NAME:=VALUE', help='of the node'
    )
    replay.add_argument(
        '--params-file', type=Path, metavar='FILE', help="the node's parameter file"
    )
    replay.add_argument(
        '--record',
        type=Path,
        action='append',
        default=[],
        metavar='PATH',
        help='write the faces there: FILE.json, or the folder of a new bag',
    )
    replay.add_argument('--expect', type=Path, metavar='FILE', help='exit with 1 where it differs')
    replay.add_argument(
        '--write-expectation',
        type=Path,
        metavar='FILE',
        help='write one that is met, to begin with',
    )

    sample_bag = command('sample-bag', _sample_bag, 'record a sample to try `replay` with')
    sample_bag.add_argument('folder', type=Path, metavar='DIR', help='of the new bag')
    sample_bag.add_argument('--storage', choices=('mcap', 'sqlite3'), default='mcap')
    sample_bag.add_argument('--compressed', action='store_true', help='JPEG, 20 times smaller')
    sample_bag.add_argument('--seconds', type=float, default=20.0, help='of 20, from the start')

    networks = command('networks', _networks, 'tell what networks cost and how good they are')
    networks.add_argument(
        'names', nargs='*', metavar='NAME', help='or a YAML file; without: all of the package'
    )
    networks.add_argument(
        '--side', type=int, default=48, metavar='PIXELS', help='height and width of a face'
    )
    networks.add_argument('--color', choices=('gray', 'bgr'), default='gray')
    networks.add_argument('--heads', choices=('emotion', 'gender', 'both'), default='emotion')
    networks.add_argument('--json', type=Path, metavar='FILE', help='write all figures there')
    networks.add_argument(
        '--plot', type=Path, metavar='FILE', help='draw accuracy over parameters there (PNG)'
    )
    networks.add_argument('--no-latency', action='store_true', help='do not measure the time')

    train = command('train', _train, 'train a classifier by a recipe and export it')
    train.add_argument('recipe', type=Path, metavar='RECIPE', help='a YAML file')
    train.add_argument(
        '--data',
        type=Path,
        required=True,
        nargs='+',
        metavar='DIR',
        help='the data set; several for a network that tells more than one attribute',
    )
    train.add_argument('--output', type=Path, required=True, metavar='DIR', help='for the results')
    train.add_argument('--resume', action='store_true', help='go on after a stop')
    train.add_argument(
        '--start',
        metavar='RUN',
        help='output folder of another run, a model file or a shipped model, whose weights this '
        'one begins with',
    )
    train.add_argument(
        '--workers',
        nargs='+',
        default=[],
        metavar='HOST:PORT',
        help='the machines that train together, in a network that you trust; run the same on each',
    )
    train.add_argument(
        '--worker', type=int, metavar='N', help='which of them this one is; 0 writes the results'
    )

    evaluate = command('evaluate', _evaluate, 'measure a classifier or a detector')
    evaluate.add_argument('attribute', choices=('gender', 'emotion', 'faces'))
    evaluate.add_argument(
        '--data', type=Path, required=True, metavar='DIR', help='a data set; for faces: boxes.json'
    )
    evaluate.add_argument('--split', default='val', help='train, val (default) or test')
    evaluate.add_argument('--model', default='', metavar='FILE', help='instead of the shipped one')
    evaluate.add_argument(
        '--box-robustness', action='store_true', help='also with boxes that are shifted and scaled'
    )
    evaluate.add_argument(
        '--min-age', type=int, default=13, help='of UTKFace; labels of younger ones are unreliable'
    )
    evaluate.add_argument('--json', type=Path, metavar='FILE', help='write all figures there')
    evaluate.add_argument(
        '--report', type=Path, metavar='DIR', help='write all figures and diagrams there'
    )
    _add_detector_arguments(evaluate, width=640)

    explain = command('explain', _explain, 'draw what a network looks at')
    explain.add_argument(
        'paths', nargs='*', type=Path, metavar='PATH', help='pictures and folders of pictures'
    )
    explain.add_argument(
        '--data', type=Path, metavar='DIR', help='instead: some faces of every label of a data set'
    )
    explain.add_argument('--split', default='val', help='of --data: train, val (default) or test')
    explain.add_argument(
        '--faces', type=int, default=4, metavar='N', help='of every label of --data (default 4)'
    )
    explain.add_argument(
        '--output', type=Path, default=Path('explanation'), metavar='DIR', help='for the pictures'
    )
    explain.add_argument('--attribute', choices=('gender', 'emotion'), default='emotion')
    explain.add_argument(
        '--model',
        action='append',
        default=[],
        metavar='MODEL',
        help='instead of the shipped one; --data takes several',
    )
    explain.add_argument('--method', default='guided', help='guided, gradient or grad_cam')
    explain.add_argument('--layer', default='', metavar='NAME', help='its most active unit')
    explain.add_argument(
        '--label', default='', help='explain the score of this label, or of the one that is "told"'
    )
    _add_detector_arguments(explain, width=640)

    margins = command('margins', _margins, "measure where a detector's box lies in a data set")
    margins.add_argument(
        '--data', type=Path, required=True, metavar='DIR', help='boxes are measured in its train'
    )
    margins.add_argument(
        '--model', default='', metavar='FILE', help='find the margin that fits it, on val'
    )
    margins.add_argument('--faces', type=int, default=500, metavar='N', help='drawn by chance')
    margins.add_argument('--json', type=Path, metavar='FILE', help='write all figures there')
    _add_detector_arguments(margins, width=640)

    audit = command('audit', _audit, 'tell for whom and when a classifier is more often wrong')
    audit.add_argument('attribute', choices=('gender', 'emotion'))
    audit.add_argument('--data', type=Path, required=True, metavar='DIR')
    audit.add_argument(
        '--by',
        default='',
        metavar='COLUMNS',
        help='race,age or, crossed, "race*gender" (default: each column that the data has)',
    )
    audit.add_argument('--split', default='test', help='train, val or test (default)')
    audit.add_argument('--model', default='', metavar='FILE', help='instead of the shipped one')
    audit.add_argument(
        '--min-age', type=int, default=13, help='of UTKFace; labels of younger ones are unreliable'
    )
    audit.add_argument('--faces', type=int, metavar='N', help='only so many, drawn by chance')
    audit.add_argument(
        '--no-perturbations', action='store_true', help='only compare groups; needs no landmarks'
    )
    audit.add_argument('--json', type=Path, metavar='FILE', help='write all figures there')
    audit.add_argument(
        '--report', type=Path, metavar='FILE.html', help='write a page with diagrams and faces'
    )
    _add_detector_arguments(audit, width=640)

    benchmark = command('benchmark', _benchmark, 'measure the time per stage of the pipeline')
    benchmark.add_argument(
        '--faces', type=int, nargs='+', default=[1], metavar='N', help='in the picture (default 1)'
    )
    benchmark.add_argument(
        '--size',
        type=_size,
        nargs='+',
        default=[(640, 480)],
        metavar='WxH',
        help='of the picture in pixels (default 640x480)',
    )
    benchmark.add_argument('--detector', choices=DETECTORS, nargs='+', default=[DETECTORS[0]])
    benchmark.add_argument(
        '--detection-interval',
        type=int,
        nargs='+',
        default=[1],
        metavar='N',
        help="as the node's parameter (default 1: each picture is searched as a whole)",
    )
    benchmark.add_argument('--num-threads', type=int, nargs='+', default=[1], metavar='N')
    _add_model_arguments(benchmark)
    _add_detector_settings(benchmark, width=320)
    benchmark.add_argument(
        '--rounds', type=int, default=200, metavar='N', help='measured calls of each stage'
    )
    benchmark.add_argument('--json', type=Path, metavar='FILE', help='write all figures there')
    benchmark.add_argument(
        '--plot', type=Path, metavar='FILE', help='draw the stages of each case there (PNG)'
    )

    doctor = command('doctor', _doctor, 'say what is installed, what is missing and what to do')
    doctor.add_argument(
        '--licenses', action='store_true', help='instead: list the licenses of all dependencies'
    )
    doctor.add_argument('--json', type=Path, metavar='FILE', help='write the same there')
    return parser


def _size(text: str) -> tuple[int, int]:
    width, separator, height = text.partition('x')
    if not (separator and width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f'{text!r}: expected WIDTHxHEIGHT, such as 640x480')
    return int(width), int(height)


def _add_model_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--gender-model', default='gender_mini_xception', metavar='MODEL')
    parser.add_argument('--emotion-model', default='emotion_mini_xception', metavar='MODEL')


def _add_detector_arguments(parser: argparse.ArgumentParser, *, width: int) -> None:
    parser.add_argument('--detector', choices=DETECTORS, default=DETECTORS[0])
    parser.add_argument('--num-threads', type=int, default=1)
    _add_detector_settings(parser, width=width)


def _add_detector_settings(parser: argparse.ArgumentParser, *, width: int) -> None:
    parser.add_argument('--detector-model', default='', metavar='FILE')
    parser.add_argument('--detection-threshold', type=float, default=0.6, metavar='P')
    parser.add_argument('--detection-size', type=int, default=width, metavar='PIXELS')


def _detector(arguments: argparse.Namespace) -> Any:
    return create_detector(
        arguments.detector,
        model=arguments.detector_model,
        threshold=arguments.detection_threshold,
        width=arguments.detection_size,
        num_threads=arguments.num_threads,
    )


def _demo(arguments: argparse.Namespace) -> int:
    from face_classification_ros.ros.demo.demo import DemoOptions, run_demo
    from face_classification_ros.ros.demo.sample_camera import SAMPLE

    return run_demo(
        DemoOptions(
            source=arguments.video or arguments.camera or SAMPLE,
            topic=arguments.topic or '',
            output=arguments.output,
            seconds=arguments.seconds,
            parameters=arguments.parameter,
        )
    )


def _classify(arguments: argparse.Namespace) -> int:
    from face_classification_ros.io.files import (
        BAG,
        classify_files,
        FileClassifier,
        find_sources,
        Job,
        Opener,
        plan_copies,
        read_video,
        record_writer,
        UnreadableError,
        VIDEO,
    )
    from face_classification_ros.pipeline import Settings

    settings = Settings(
        detector=arguments.detector,
        detector_model=_absolute(arguments.detector_model),
        detection_threshold=arguments.detection_threshold,
        detection_size=arguments.detection_size,
        gender_model=_absolute(model_path(arguments.gender_model)),
        emotion_model=_absolute(model_path(arguments.emotion_model)),
        num_threads=arguments.num_threads,
        rotation=arguments.rotation,
    )
    # Also where workers have their own: a wrong setting is told at once.
    classifier = FileClassifier(settings)
    sources = find_sources(arguments.paths)
    output: Path | None = arguments.output
    copies = plan_copies(sources, output) if output else [None] * len(sources)
    jobs = [Job(source, copy) for source, copy in zip(sources, copies, strict=True)]
    openers: dict[str, Opener] = {VIDEO: read_video}
    if any(source.kind == BAG for source in sources):
        with _extra('archive', 'a bag'):
            from face_classification_ros.ros.bags import open_bag
        openers[BAG] = partial(open_bag, topic=arguments.topic)

    code = DONE
    with ExitStack() as stack:
        write = None
        if arguments.json:
            write = stack.enter_context(record_writer(arguments.json))
        if arguments.workers is None and arguments.cluster is None:
            classified = classify_files(jobs, classifier, openers)
        else:
            with _extra('archive', 'parallel work'):
                from face_classification_ros.io.parallel import (
                    classify_in_parallel,
                    local_workers,
                    running_workers,
                )
            workers = (
                local_workers(arguments.workers)
                if arguments.cluster is None
                else running_workers(arguments.cluster)
            )
            client = stack.enter_context(workers)
            classified = classify_in_parallel(jobs, settings, openers, client)
        bar, say = _progress(classified, len(jobs))
        for records in bar:
            try:
                for record in records:
                    say(_line(record))
                    if write is not None:
                        write(record)
            except UnreadableError as error:
                code = WRONG_USE
                say(f'face_classification: {error}', file=sys.stderr)
    return code


def _replay(arguments: argparse.Namespace) -> int:
    from face_classification_ros.evaluation.expectation import (
        propose_expectation,
        read_expectation,
    )

    expectation = read_expectation(arguments.expect) if arguments.expect else None
    with _extra('archive', 'a bag'):
        from face_classification_ros.ros.replay.replay import collect, ReplayOptions
    options = ReplayOptions(
        source=arguments.source,
        topic=arguments.topic,
        depth=arguments.depth,
        camera_info=arguments.camera_info,
        parameters=arguments.parameter,
        parameter_file=arguments.params_file,
        rate=arguments.rate,
        node=arguments.node,
        offline=arguments.offline,
    )
    result = collect(options, *arguments.record)
    print(result.summary())
    for line in result.unreadable:
        print(f'unreadable {line}', file=sys.stderr)
    if arguments.write_expectation:
        proposal = propose_expectation(result.pictures)
        arguments.write_expectation.write_text(yaml.safe_dump(proposal, sort_keys=False))
    if expectation is None:
        return DONE
    differences = expectation.differences(result.pictures)
    for difference in differences:
        print(difference)
    met = len(expectation.entries) - len({each.where for each in differences})
    print(f'{arguments.expect}: {met} of {len(expectation.entries)} expectations met')
    return NO if differences else DONE


def _sample_bag(arguments: argparse.Namespace) -> int:
    with _extra('archive', 'a bag'):
        from face_classification_ros.ros.bags import write_sample
    from face_classification_ros.io.sample import FPS, sample_frames

    if not arguments.seconds > 0:
        raise ValueError(f'--seconds {arguments.seconds:g} is not above 0')
    frames = itertools.islice(sample_frames(), round(arguments.seconds * FPS))
    topic = write_sample(
        arguments.folder, frames, FPS, arguments.storage, compressed=arguments.compressed
    )
    print(f'{arguments.folder} has the pictures on {topic}')
    return DONE


def _absolute(path: str) -> str:
    """Give the path as a process in another folder needs it; "" stays."""
    return str(Path(path).absolute()) if path else ''


def _progress(results: Iterator[T], total: int) -> tuple[Iterable[T], Callable[..., None]]:
    """Give the same with a bar on stderr, if it is a terminal, and what prints beside the bar."""
    try:
        from tqdm import tqdm
    except ImportError:
        # It comes with the extra [archive].
        return results, print
    return tqdm(results, total=total, unit='file', disable=None), tqdm.write


def _line(record: dict[str, Any]) -> str:
    faces = [
        ', '.join(
            f'{face[attribute]["label"]} {face[attribute]["confidence"]:.0%}'
            for attribute in ('gender', 'emotion')
            if face[attribute]
        )
        for face in record['faces']
    ]
    return f'{record["file"]} {record["frame"]}: {"; ".join(faces) or "no face"}'


@contextmanager
def _extra(name: str, job: str) -> Iterator[None]:
    """Say what to install where a package is missing that a job imports."""
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"{error}; {job} needs: pip install 'face_classification_ros[{name}]'"
        ) from error


def _train_extra(job: str) -> AbstractContextManager[None]:
    return _extra('train', job)


def _networks(arguments: argparse.Namespace) -> int:
    if not 32 <= arguments.side <= 512:
        raise ValueError(f'--side {arguments.side} is not between 32 and 512 pixels')
    with _train_extra('networks'):
        from face_classification_ros.networks.description import network_names, read_network

        # Before TensorFlow is loaded, so that a wrong name is told at once.
        descriptions = [read_network(name) for name in arguments.names or network_names()]
        from face_classification_ros.datasets.registry import LABELS
        from face_classification_ros.networks.comparison import (
            compare_networks,
            plot_accuracy,
            read_models,
            read_published,
        )
        from face_classification_ros.networks.cost import check_limits, measure_cost

    shape = (arguments.side, arguments.side, 1 if arguments.color == 'gray' else 3)
    attributes = ('gender', 'emotion') if arguments.heads == 'both' else (arguments.heads,)
    heads = {attribute: len(LABELS[attribute]) for attribute in attributes}
    costs = [
        measure_cost(description, shape, heads, latency=not arguments.no_latency)
        for description in descriptions
    ]
    networks = {cost.network for cost in costs}
    models = [
        model
        for model in read_models(share_folder() / 'resource' / 'models')
        if model.network in networks
    ]
    records = compare_networks(costs, models)
    if len(records) == 1:
        _print_blocks(records[0])
    _print_networks(records)
    if arguments.json:
        _write_json(arguments.json, records)
    if arguments.plot:
        plot_accuracy(models, read_published(), arguments.plot)
    for description, cost in zip(descriptions, costs, strict=True):
        check_limits(description, cost)
    return DONE


def _print_blocks(record: dict[str, Any]) -> None:
    print(f'{record["network"]:>24} {"output":>10} {_COST_HEADER}')
    for block in record['blocks']:
        shape = 'x'.join(map(str, block['output_shape']))
        print(f'{block["name"]:>24} {shape:>10} {_cost_columns(block)}')
    print()


def _print_networks(records: list[dict[str, Any]]) -> None:
    first = records[0]
    print(
        f'{" and ".join(first["heads"])} of a face of {"x".join(map(str, first["input_shape"]))}; '
        'x: times fewer parameters than; accuracy: best shipped model'
    )
    references = ' '.join(f'{"x " + name:>{len(name) + 2}}' for name in first['reduction'])
    attributes = ' '.join(f'{name:>7}' for name in first['accuracy'])
    print(f'{"network":>24} {_COST_HEADER} {references} {attributes}')
    for record in records:
        reductions = ' '.join(
            f'{reduction:{len(name) + 2}.1f}' for name, reduction in record['reduction'].items()
        )
        accuracies = ' '.join(
            f'{"-" if accuracy is None else format(accuracy, ".1%"):>7}'
            for accuracy in record['accuracy'].values()
        )
        print(f'{record["network"]:>24} {_cost_columns(record)} {reductions} {accuracies}')
    for record in records:
        for model in record['models']:
            for attribute, figures in model['figures'].items():
                print(
                    f'{model["name"]}: {attribute} {figures["accuracy"]:.2%} on '
                    f'{figures["faces"]} faces of {figures["data"]}'
                )


_COST_HEADER = f'{"parameters":>11} {"multiply-adds":>13} {"file":>9} {"field":>6} {"latency":>9}'


def _cost_columns(record: dict[str, Any]) -> str:
    latency = '-' if record['latency_ms'] is None else f'{record["latency_ms"]:.3f} ms'
    return (
        f'{record["parameters"]:11,} {record["multiply_adds"]:13,} '
        f'{record["file_size"] / 1000:6,.0f} kB {record["receptive_field"]:3} px {latency:>9}'
    )


def _train(arguments: argparse.Namespace) -> int:
    with _train_extra('training'):
        from face_classification_ros.training.distributed import Cluster
        from face_classification_ros.training.recipe import read_recipe
        from face_classification_ros.training.trainer import train

    if bool(arguments.workers) != (arguments.worker is not None):
        raise ValueError('--workers HOST:PORT ... and --worker N go together')
    recipe = read_recipe(arguments.recipe)
    start = arguments.start
    if start is not None:
        start = Path(start if Path(start).is_dir() else model_path(start))
    cluster = Cluster(tuple(arguments.workers), arguments.worker or 0)
    with cluster.joined():
        model = train(
            recipe,
            arguments.data,
            arguments.output,
            resume=arguments.resume,
            init_from=start,
            cluster=cluster,
        )
    if cluster.is_chief:
        print(model)
    return DONE


def _evaluate(arguments: argparse.Namespace) -> int:
    if arguments.attribute == 'faces':
        report = _evaluate_detector(arguments)
    else:
        report = _evaluate_classifier(arguments)
    if arguments.json:
        _write_json(arguments.json, report)
    return DONE


def _evaluate_detector(arguments: argparse.Namespace) -> dict[str, Any]:
    from face_classification_ros.evaluation.detection import evaluate_detector, SceneReport

    if arguments.report or arguments.box_robustness:
        raise ValueError('--report and --box-robustness are for gender and emotion, not for faces')
    detection = evaluate_detector(_detector(arguments), arguments.data)
    print(f'{"scene":>28} faces found false unverified')
    total = SceneReport(
        'all',
        detection.faces,
        detection.found,
        detection.false_detections,
        detection.unverified,
    )
    for scene in (*detection.scenes, total):
        print(
            f'{scene.name:>28} {scene.faces:5d} {scene.found:5d} {scene.false_detections:5d} '
            f'{scene.unverified:10d}'
        )
    return asdict(detection)


def _evaluate_classifier(arguments: argparse.Namespace) -> dict[str, Any]:
    from face_classification_ros.classification.classifier import Classifier
    from face_classification_ros.datasets.registry import NoFacesError, read_dataset
    from face_classification_ros.evaluation.box_robustness import measure_box_robustness
    from face_classification_ros.evaluation.classification import evaluate_classifier
    from face_classification_ros.pipeline import THRESHOLDS

    if arguments.report:
        # Before the work, not after it.
        with _train_extra('--report'):
            from face_classification_ros.evaluation.report import write_report
    attribute, split = arguments.attribute, arguments.split
    model = model_path(arguments.model or f'{attribute}_mini_xception')
    classifier = Classifier(model, num_threads=arguments.num_threads)
    dataset = read_dataset(attribute, arguments.data, split, min_age=arguments.min_age)
    training = None
    if split != 'train':
        with suppress(NoFacesError):
            training = read_dataset(attribute, arguments.data, 'train', min_age=arguments.min_age)
    report = evaluate_classifier(
        classifier, dataset, split, threshold=THRESHOLDS[attribute], training=training
    )
    if arguments.box_robustness:
        report['box_robustness'] = measure_box_robustness(classifier, dataset)
    _print_report(report)
    if arguments.report:
        write_report(report, arguments.report)
    return report


def _print_report(report: dict[str, Any]) -> None:
    low, high = report['accuracy_interval']
    print(f'{report["model"]} on {report["faces"]} faces of {report["data"]}')
    print(f'accuracy {report["accuracy"]:.2%} (95 %: {low:.2%} to {high:.2%})')
    if report['copies']:
        print(
            f'  without the {report["copies"]} pictures that are also in the training data: '
            f'{_share(report["accuracy_without_copies"])}'
        )
    print(
        f'balanced accuracy {report["balanced_accuracy"]:.2%}, macro F1 {report["macro_f1"]:.2%}'
    )
    told = report['coverage']
    print(
        f'told from a confidence of {told["threshold"]} on: {told["fraction"]:.1%} of the faces, '
        f'accuracy among them {_share(told["accuracy"])}'
    )
    print(
        f'expected calibration error {report["calibration_error"]:.3f}, '
        f'negative log-likelihood {report["negative_log_likelihood"]:.3f}'
    )
    print(f'{"label":>10} precision recall     F1  count')
    for label, row in report['per_label'].items():
        print(
            f'{label:>10} {row["precision"]:9.1%} {row["recall"]:6.1%} {row["f1"]:6.1%} '
            f'{row["count"]:6d}'
        )
    for column, comparison in report['groups'].items():
        _print_groups(column, comparison)
    if 'box_robustness' in report:
        _print_box_error(report['box_robustness'])


def _print_groups(column: str, comparison: dict[str, Any]) -> None:
    print(f'{column:>10} accuracy  95 % interval     count')
    for name, row in comparison['groups'].items():
        low, high = row['accuracy_interval']
        print(f'{name:>10} {row["accuracy"]:8.1%} {low:6.1%} to {high:6.1%} {row["count"]:9d}')
    gap = comparison['largest_gap']
    if gap:
        print(f'  largest gap {100 * gap["gap"]:.1f} points: {gap["best"]} to {gap["worst"]}')


def _print_box_error(error: dict[str, Any]) -> None:
    print(f'accuracy with exact boxes {error["exact"]:.2%}; shifts are the mean of 8 directions')
    for name, rows in (('shifted by', error['shifted']), ('scaled to', error['scaled'])):
        for row in rows:
            print(
                f'{name:>10} {row["by"]:4.0%} of the side: {row["accuracy"]:.2%}, '
                f'{-row["drop_points"]:+.1f} points'
            )


def _share(value: float | None) -> str:
    return 'no faces' if value is None else f'{value:.2%}'


def _explain(arguments: argparse.Namespace) -> int:
    import cv2

    from face_classification_ros.classification.classifier import Classifier
    from face_classification_ros.classification.crops import crop_faces
    from face_classification_ros.explanation.explainer import Explainer
    from face_classification_ros.explanation.panels import explain_faces, explain_labels
    from face_classification_ros.io.files import (
        find_sources,
        plan_copies,
        read_image,
        UnreadableError,
        write_image,
    )

    if bool(arguments.paths) == bool(arguments.data):
        raise ValueError('name pictures, or a data set with --data')
    attribute = arguments.attribute
    models = arguments.model or [f'{attribute}_mini_xception']
    if arguments.data and not arguments.model:
        models.append(f'{attribute}_sequential_fully_cnn')
    classifiers = [
        Classifier(model_path(each), num_threads=arguments.num_threads) for each in models
    ]
    explainers = [
        Explainer(
            each,
            attribute,
            method=arguments.method,
            layer=arguments.layer,
            num_threads=arguments.num_threads,
        )
        for each in classifiers
    ]
    output: Path = arguments.output
    if arguments.data:
        from face_classification_ros.datasets.registry import read_dataset

        dataset = read_dataset(attribute, arguments.data, arguments.split)
        faces = [dataset.crops(each.input_spec) for each in classifiers]
        figure = explain_labels(faces, dataset.y_true, classifiers, explainers, arguments.faces)
        write_image(output / f'{attribute}.png', figure)
        return DONE
    if len(classifiers) > 1:
        raise ValueError('several models are compared with --data; name one for pictures')

    (classifier,), detector = classifiers, _detector(arguments)
    code = DONE
    sources = find_sources(arguments.paths)
    for source, panel in zip(sources, plan_copies(sources, output, '.png'), strict=True):
        try:
            image = read_image(source.path)
        except UnreadableError as error:
            print(f'face_classification: {error}', file=sys.stderr)
            code = WRONG_USE
            continue
        boxes = [detection.box for detection in detector.detect(image)]
        if not boxes:
            print(f'{source.path}: no face')
            continue
        crops = crop_faces(image, boxes, classifier.input_spec)
        panels = explain_faces(
            crops,
            classifier.labels[attribute],
            classifier.classify(crops)[attribute],
            explainers[0],
            arguments.label,
        )
        write_image(panel, cv2.vconcat(panels))
        print(f'{source.path}: {panel}')
    return code


def _margins(arguments: argparse.Namespace) -> int:
    from face_classification_ros.classification.classifier import Classifier
    from face_classification_ros.datasets.face_localization import find_faces
    from face_classification_ros.datasets.registry import attributes_in, FaceDataset, read_dataset
    from face_classification_ros.evaluation.crop_margins import (
        describe_boxes,
        measure_margins,
        sample_faces,
    )
    from face_classification_ros.types import BoundingBox

    detector = _detector(arguments)
    wanted = attributes_in(arguments.data)
    classifier = None
    if arguments.model:
        classifier = Classifier(model_path(arguments.model), num_threads=arguments.num_threads)
        wanted = [attribute for attribute in wanted if attribute in classifier.labels]
    if not wanted:
        raise ValueError(
            f'{arguments.data} holds no data of a known form'
            + (f' for {arguments.model}' if arguments.model else '')
        )

    def sample(split: str) -> FaceDataset:
        return sample_faces(read_dataset(wanted[0], arguments.data, split), arguments.faces)

    def boxes(faces: FaceDataset) -> list[BoundingBox | None]:
        return [None if face is None else face.box for face in find_faces(detector, faces.images)]

    faces = sample('train')
    report = {'detector': arguments.detector, 'data': faces.name}
    report |= describe_boxes(faces.images, boxes(faces))
    _print_boxes(report)
    if classifier is not None:
        faces = sample('val')
        report['fit'] = measure_margins(classifier, faces, boxes(faces))
        _print_margins(report['fit'])
    if arguments.json:
        _write_json(arguments.json, report)
    return DONE


def _print_boxes(report: dict[str, Any]) -> None:
    print(
        f'{report["detector"]} finds {report["detection_rate"]:.1%} of {report["faces"]} faces of '
        f'{report["data"]}'
    )
    print(f'{"box, shares":>12}    25 % median   75 %')
    for name in ('center_x', 'center_y', 'width', 'height'):
        print(f'{name:>12} ' + ' '.join(f'{value:7.3f}' for value in report[name]))
    print('median box x, y, width, height: ' + ', '.join(f'{v:.2f}' for v in report['box']))
    print(f'largest margin inside the pictures: {report["largest_margin"]:.2f}')


def _print_margins(fit: dict[str, Any]) -> None:
    own = fit['own_crops']
    print(f'{fit["model"]} on {fit["faces"]} found faces of {fit["data"]}')
    print(f'{"margin":>12} accuracy negative log-likelihood')
    for row in (*fit['margins'], own):
        print(
            f'{row["margin"]:12.2f} {row["accuracy"]:8.2%} {row["negative_log_likelihood"]:7.3f}'
            + ("  around the data set's own boxes" if row is own else '')
        )
    print(f'best margin: {fit["best_margin"]:.2f}; the model file has {fit["own_margin"]:.2f}')


def _audit(arguments: argparse.Namespace) -> int:
    from face_classification_ros.classification.classifier import Classifier
    from face_classification_ros.datasets.face_localization import find_faces
    from face_classification_ros.datasets.registry import read_dataset
    from face_classification_ros.evaluation.crop_margins import sample_faces
    from face_classification_ros.pipeline import THRESHOLDS

    with _train_extra('audit'):
        from face_classification_ros.audit.audit import audit_classifier
        from face_classification_ros.audit.subgroups import audit_columns

        if arguments.report:
            from face_classification_ros.evaluation.audit_report import write_audit_report
            from face_classification_ros.explanation.explainer import Explainer
            from face_classification_ros.explanation.panels import relevance_drawer
    attribute, split = arguments.attribute, arguments.split
    model = model_path(arguments.model or f'{attribute}_mini_xception')
    classifier = Classifier(model, num_threads=arguments.num_threads)
    detector = None if arguments.no_perturbations else _detector(arguments)
    dataset = read_dataset(attribute, arguments.data, split, min_age=arguments.min_age)
    if arguments.faces is not None:
        dataset = sample_faces(dataset, arguments.faces)
    by = arguments.by.split(',') if arguments.by else ()
    # A column that there is not is told before the search for faces, which takes minutes.
    audit_columns(dataset, by)
    detections = None if detector is None else find_faces(detector, dataset.images)
    audit = audit_classifier(
        classifier,
        dataset,
        split,
        by=by,
        threshold=THRESHOLDS[attribute],
        detections=detections,
    )
    _print_audit(audit)
    if arguments.json:
        _write_json(arguments.json, audit)
    if arguments.report:
        try:
            explain = relevance_drawer(Explainer(classifier, attribute))
        except ValueError as error:
            # A foreign model file can be audited all the same.
            print(f'face_classification: {error}', file=sys.stderr)
            explain = None
        write_audit_report(
            audit, arguments.report, classifier, dataset, detections, explain=explain
        )
    return DONE


def _print_audit(audit: dict[str, Any]) -> None:
    for column, comparison in audit['columns'].items():
        width = max(len(column), *map(len, comparison['groups']))
        print(
            f'{column:>{width}} {"count":>6} accuracy  95 % interval     others       p'
            ' confident calibration answered'
        )
        for name, row in comparison['groups'].items():
            low, high = row['accuracy_interval']
            print(
                f'{name:>{width}} {row["count"]:6d} {row["accuracy"]:8.1%} '
                f'{low:6.1%} to {high:6.1%} {_compared(row)} {row["confidence"]:9.1%} '
                f'{row["calibration_error"]:11.3f} {row["coverage"]["fraction"]:8.1%}'
            )
    print('others: points of accuracy from that of all other faces; p: corrected')
    if audit['perturbations'] is not None:
        _print_perturbations(audit['perturbations'])
    print('\n'.join(audit['summary']))


def _print_perturbations(measured: dict[str, Any]) -> None:
    rows = measured['perturbations']
    width = max(map(len, rows))
    print(
        f'{"":>{width}} changed  95 % interval  accuracy       p certain to certain  label that '
        'gains most'
    )
    for name, row in rows.items():
        low, high = row['changed_interval']
        winner = ''
        if row['winner']:
            gain = row['labels'][row['winner']]
            winner = (
                f'{row["winner"]} {100 * gain["difference"]:+.1f}, p {gain["p_corrected"]:.3f}'
            )
        print(
            f'{name:>{width}} {row["changed"]:7.1%} {low:6.1%} to {high:6.1%} '
            f'{100 * row["difference"]:+8.1f} {row["p_corrected"]:7.3f} '
            f'{row["certain_changes"]:18.1%}  {winner}'
        )
    print(
        f'accuracy: points from {measured["accuracy"]:.1%} of the same faces unchanged, '
        f'{measured["faces"]} of {measured["of"]} that have landmarks'
    )


def _compared(row: dict[str, Any]) -> str:
    if row['difference'] is None:
        return f'{"-":>6} {"-":>7}'
    return f'{100 * row["difference"]:+6.1f} {row["p_corrected"]:7.3f}'


def _benchmark(arguments: argparse.Namespace) -> int:
    from face_classification_ros.evaluation.benchmark import Case, measure_cases

    if arguments.plot:
        # Before the work, not after it.
        with _train_extra('--plot'):
            from face_classification_ros.evaluation.benchmark_plot import plot_stages
    combinations = itertools.product(
        arguments.detector,
        arguments.detection_interval,
        arguments.num_threads,
        arguments.size,
        arguments.faces,
    )
    cases = [
        Case(
            faces=faces,
            width=width,
            height=height,
            num_threads=num_threads,
            detector=detector,
            detector_model=arguments.detector_model,
            detection_threshold=arguments.detection_threshold,
            detection_size=arguments.detection_size,
            detection_interval=interval,
            gender_model=model_path(arguments.gender_model),
            emotion_model=model_path(arguments.emotion_model),
            rotation=0,
        )
        for detector, interval, num_threads, (width, height), faces in combinations
    ]
    records = measure_cases(cases, _to_messages(), rounds=arguments.rounds)
    _print_benchmark(records)
    if arguments.json:
        content = records[0] if len(records) == 1 else records
        _write_json(arguments.json, content)
    if arguments.plot:
        plot_stages(records, arguments.plot)
    return DONE


def _to_messages() -> Callable[[Sequence[Face], Image], object]:
    """Give what makes the messages of one picture, as in the node."""
    from std_msgs.msg import Header

    from face_classification_ros.ros.conversions.images import image_to_message
    from face_classification_ros.ros.conversions.messages import detections_message, faces_message

    header = Header(frame_id='camera')

    def convert(faces: Sequence[Face], annotated: Image) -> object:
        height, width = annotated.shape[:2]
        return (
            faces_message(faces, header, width, height, 0.0),
            detections_message(faces, header),
            image_to_message(annotated, header),
        )

    return convert


def _print_benchmark(records: list[dict[str, Any]]) -> None:
    first = records[0]
    width = max(len(record['detector']) for record in records)
    stages = ' '.join(f'{name:>8}' for name in first['stages'])
    print(
        f'{first["machine"]}; models: {", ".join(first["models"].values()) or "none"}\n'
        f'medians in ms of {first["rounds"]} rounds; total: detect to track in one, measured in '
        'itself\n'
        f'{"detector":>{width}} interval threads   picture found/faces {stages} {"p95":>8} '
        f'{"MB":>5} {"start s":>7}'
    )
    for record in records:
        times = record['stages']
        medians = ' '.join(f'{each["p50_ms"]:8.3f}' for each in times.values())
        print(
            f'{record["detector"]:>{width}} {record["detection_interval"]:8} '
            f'{record["num_threads"]:7} {record["width"]:>4}x{record["height"]:<4} '
            f'{record["faces_found"]:5}/{record["faces"]:<5} {medians} '
            f'{times["total"]["p95_ms"]:8.3f} {record["memory_mb"]:5.0f} '
            f'{record["startup_s"]:7.2f}'
        )


def _doctor(arguments: argparse.Namespace) -> int:
    from face_classification_ros import doctor

    if arguments.licenses:
        licenses = doctor.licenses()
        for each in licenses:
            mark = ' (copyleft)' if each.is_copyleft else ''
            print(f'{each.name} {each.version}: {each.license}{mark}')
        if arguments.json:
            _write_json(arguments.json, [asdict(each) for each in licenses])
        return DONE
    findings = []
    for finding in itertools.chain(doctor.examine(), _examine_ros()):
        print(doctor.lines_of(finding), flush=True)
        findings.append(finding)
    if arguments.json:
        _write_json(arguments.json, [asdict(each) for each in findings])
    return doctor.exit_code(findings)


def _examine_ros() -> Iterator[Finding]:
    from face_classification_ros.doctor import check_module, OK

    rclpy = check_module(
        'rclpy',
        'source the set-up files of ROS and of the workspace, or pip install this package; '
        'unset RMW_IMPLEMENTATION',
        'get_rmw_implementation_identifier()',
    )
    yield rclpy
    if rclpy.verdict == OK:
        from face_classification_ros.ros.doctor import examine_ros

        yield from examine_ros()


def _write_json(path: Path, content: Any) -> None:
    from face_classification_ros.io.files import write_json

    write_json(path, content)
