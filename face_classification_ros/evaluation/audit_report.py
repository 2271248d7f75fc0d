"""Write an audit as one HTML file that needs nothing else: words, tables, diagrams, faces."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
import io
import math
from pathlib import Path
from typing import Any

import cv2
import jinja2
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
import numpy as np
from numpy.typing import NDArray

from face_classification_ros.audit.perturbations import PERTURBATIONS
from face_classification_ros.audit.significance import LEVEL
from face_classification_ros.audit.subgroups import MIN_FACES
from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.classification.crops import InputSpec
from face_classification_ros.datasets.registry import FaceDataset
from face_classification_ros.evaluation.metrics import row_shares
from face_classification_ros.evaluation.report import (
    BLUE,
    DPI,
    draw_bins,
    draw_groups,
    draw_matrix,
    GRAY,
    ORANGE,
)
from face_classification_ros.types import Detection

Explain = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""Crop (uint8 H x W x C as the network takes it) -> picture of what its answer rests on (uint8
H x W x 3 in BGR)."""

Audit = Mapping[str, Any]

WIDTH = 11.0
"""Of the widest diagrams, in inches."""

FACE_SIDE = 96
"""Height and width of a shown face in pixels."""


def write_audit_report(
    audit: Audit,
    path: Path,
    classifier: Classifier,
    dataset: FaceDataset,
    detections: Sequence[Detection | None] | None = None,
    *,
    explain: Explain | None = None,
) -> None:
    """Write what `audit_classifier` gives as one HTML file, with pictures of some of the faces.

    Args:
        audit: the figures.
        path: of the file; its folder is made where it is missing.
        classifier: the one that was audited.
        dataset: the one that it was audited on.
        detections: those that the audit was given.
        explain: makes the pictures of what wrong answers rest on; None for none.
    """
    diagrams = {
        name: {
            'groups': _inline(draw_groups({**audit, 'groups': {name: column}})),
            'confusion': _inline(draw_group_confusions(audit, name)),
            'reliability': _inline(draw_group_reliability(audit, name)),
        }
        for name, column in audit['columns'].items()
    }
    perturbed: dict[str, Any] | None = None
    if audit['perturbations'] is not None and detections is not None:
        perturbed = {
            'diagram': _inline(draw_perturbations(audit)),
            'example': _show_example(audit, classifier, dataset, detections),
        }
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {'percent': _percent, 'points': _points, 'interval': _interval}
    environment.filters['p_value'] = _p_value
    page = environment.from_string(TEMPLATE).render(
        audit=audit,
        diagrams=diagrams,
        perturbed=perturbed,
        mistakes=_show_mistakes(audit, classifier, dataset, explain),
        level=LEVEL,
        min_faces=MIN_FACES,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding='utf-8')


def draw_group_confusions(audit: Audit, column: str) -> Figure:
    """Draw the confusion matrix of all faces and of each group of a column, rows of 100 %.

    Where the groups are the attribute's own true labels, crossed or not, only that of all faces:
    theirs would have one row each.
    """
    labels = audit['labels']
    panels: dict[str, Any] = {f'all ({audit["faces"]})': audit}
    if audit['attribute'] not in column.split('*'):
        panels |= _panels(audit, column)
    side = 0.5 * len(labels)
    figure, axes = _grid(len(panels), side + 1.4, side + 1.4)
    for each, (name, group) in zip(axes, panels.items(), strict=True):
        confusion = np.array(group['confusion'])
        draw_matrix(each, labels, row_shares(confusion), confusion.sum(axis=1))
        each.set_title(f'{name}\n{group["accuracy"]:.1%} right', fontsize='medium')
    return figure


def draw_group_reliability(audit: Audit, column: str) -> Figure:
    """Draw accuracy over confidence for each group of a column, pale with fewer than 50 faces."""
    panels = _panels(audit, column)
    figure, axes = _grid(len(panels), 2.7, 2.7)
    for each, (name, group) in zip(axes, panels.items(), strict=True):
        draw_bins(each, group['reliability'])
        if group['count'] < MIN_FACES:
            for drawn in (*each.patches, *each.lines):
                drawn.set_alpha(0.4)
        each.set_title(f'{name}\nerror {group["calibration_error"]:.3f}', fontsize='medium')
        each.set_xlim(0, 1)
        each.xaxis.set_major_formatter(lambda share, _: f'{100 * share:g}%')
        each.set_xlabel('confidence')
        each.spines[['top', 'right']].set_visible(False)
    return figure


def draw_perturbations(audit: Audit) -> Figure:
    """Draw for each perturbation how many answers change, and the accuracy that is left."""
    measured = audit['perturbations']
    rows = measured['perturbations']
    figure = _new_figure(WIDTH, 1.2 + 0.34 * len(rows))
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, name, color, text in (
        (left, 'changed', ORANGE, 'answers that change'),
        (right, 'accuracy', BLUE, 'accuracy; dashed: of the unchanged faces'),
    ):
        for number, row in enumerate(rows.values()):
            axes.plot(row[f'{name}_interval'], (number, number), color=color, linewidth=2)
            axes.plot(row[name], number, 'o', color=color, markersize=7)
        axes.set_xlabel(f'{text}, 95 % intervals')
        axes.xaxis.set_major_formatter(lambda share, _: f'{100 * share:g}%')
        axes.grid(axis='x', color='#e4e6ea')
        axes.set_axisbelow(True)
        axes.tick_params(axis='y', length=0)
        axes.spines[['top', 'right', 'left']].set_visible(False)
    left.set_xlim(left=0)
    left.set_yticks(range(len(rows)), list(rows))
    left.invert_yaxis()
    right.axvline(measured['accuracy'], color=GRAY, linestyle='--', linewidth=1)
    return figure


def _panels(audit: Audit, column: str) -> dict[str, Any]:
    groups = audit['columns'][column]['groups']
    return {f'{name} ({group["count"]})': group for name, group in groups.items()}


def _grid(panels: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """Give a figure of so many panels with a size in inches, as many side by side as fit."""
    across = min(panels, int(WIDTH // width))
    down = math.ceil(panels / across)
    figure = _new_figure(across * width, down * height)
    axes = figure.subplots(down, across, squeeze=False).ravel().tolist()
    for unused in axes[panels:]:
        unused.remove()
    return figure, axes[:panels]


def _new_figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06))


def _show_example(
    audit: Audit,
    classifier: Classifier,
    dataset: FaceDataset,
    detections: Sequence[Detection | None],
) -> list[dict[str, Any]]:
    """Give one face as it is and under each perturbation, with what is told."""
    number = audit['perturbations']['example']
    image, face = dataset.images[number], detections[number]
    assert face is not None, 'the audit was given other detections'
    images = [image, *(change(image, face) for change in PERTURBATIONS.values())]
    shown = _show_faces(dataset, images, classifier)
    crops = replace(dataset, images=images).crops(classifier.input_spec)
    answers = classifier.classify(crops)[dataset.attribute]
    return [
        {
            'name': name,
            'face': picture,
            'told': dataset.labels[answer.argmax()],
            'confidence': float(answer.max()),
            'changed': answer.argmax() != answers[0].argmax(),
        }
        for name, picture, answer in zip(('as it is', *PERTURBATIONS), shown, answers, strict=True)
    ]


def _show_mistakes(
    audit: Audit, classifier: Classifier, dataset: FaceDataset, explain: Explain | None
) -> list[dict[str, Any]]:
    """Give the most confident wrong answers with their faces and what they rest on."""
    mistakes = audit['mistakes']
    if not mistakes:
        return []
    images = [dataset.images[each['face']] for each in mistakes]
    crops = replace(dataset, images=images).crops(classifier.input_spec)
    return [
        {
            **mistake,
            'picture': picture,
            'explanation': _inline_image(explain(crop)) if explain else None,
        }
        for mistake, picture, crop in zip(
            mistakes, _show_faces(dataset, images, classifier), crops, strict=True
        )
    ]


def _show_faces(
    dataset: FaceDataset, images: list[NDArray[np.uint8]], classifier: Classifier
) -> list[str]:
    """Give what the network sees of faces, but in color and not as small."""
    input_spec = InputSpec(FACE_SIDE, classifier.input_spec.margin, 'bgr')
    return [_inline_image(crop) for crop in replace(dataset, images=images).crops(input_spec)]


def _inline(figure: Figure) -> str:
    file = io.BytesIO()
    figure.savefig(file, format='png', dpi=DPI)
    return _address(file.getvalue())


def _inline_image(image: NDArray[np.uint8]) -> str:
    return _address(cv2.imencode('.png', image)[1].tobytes())


def _address(png: bytes) -> str:
    return f'data:image/png;base64,{base64.b64encode(png).decode()}'


def _percent(share: float | None) -> str:
    return '–' if share is None else f'{share:.1%}'


def _points(difference: float | None) -> str:
    return '–' if difference is None else f'{100 * difference:+.1f}'


def _interval(interval: Sequence[float]) -> str:
    low, high = interval
    return f'{100 * low:.1f} to {100 * high:.1f}'


def _p_value(p_value: float | None) -> str:
    if p_value is None:
        return '–'
    return '< 0.001' if p_value < 0.001 else f'{p_value:.3f}'


TEMPLATE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Audit of {{ audit.model }}</title>
<style>
body { max-width: 80rem; margin: 2rem auto; padding: 0 1rem; color: #22262b; background: #fff;
  font: 16px/1.5 system-ui, sans-serif; }
h1, h2, h3 { line-height: 1.2; }
h2 { margin-top: 3rem; border-bottom: 1px solid #d5d8dd; padding-bottom: .3rem; }
p, li { max-width: 50rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; margin: 1rem 0; }
th, td { padding: .25rem .5rem; text-align: right; border-bottom: 1px solid #e4e6ea;
  white-space: nowrap; }
th { font-weight: 600; vertical-align: bottom; }
th:first-child, td.text { text-align: left; }
tr.few { color: #70757d; }
.significant { font-weight: 700; }
.diagram { display: block; max-width: 100%; margin: 1rem 0; }
.faces { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; width: 6.5rem; }
figure.wide { width: 15rem; }
figure img { width: 96px; height: 96px; }
figcaption { font-size: .8rem; line-height: 1.3; }
.changed { color: #a85a10; font-weight: 600; }
.bar { display: flex; font-size: .75rem; align-items: center; gap: .4rem; }
.bar span { width: 4rem; }
.bar i { display: block; height: .6rem; background: #2f6db3; }
</style>
</head>
<body>
<h1>Audit of {{ audit.model }}: {{ audit.attribute }}</h1>
<p>{{ audit.faces }} faces of {{ audit.data }}. This file holds pictures of people from that data
set: treat it as the data itself.</p>

<h2 id="summary">Summary</h2>
<ul>
{% for line in audit.summary %}
<li>{{ line }}</li>
{% endfor %}
</ul>

{% for name, column in audit.columns.items() %}
<h2 id="column-{{ loop.index }}">By {{ name }}</h2>
{% if column.largest_gap %}
<p>The largest gap between two groups of at least {{ min_faces }} faces is
{{ (100 * column.largest_gap.gap) | round(1) }} points
(95 %: {{ column.largest_gap.gap_interval | interval }}):
{{ column.largest_gap.best }} over {{ column.largest_gap.worst }}.</p>
{% endif %}
<div class="scroll">
<table>
<tr><th>group</th><th>faces</th><th>accuracy</th><th>95 %</th><th>from all others,<br>points</th>
<th>p</th><th>p, corrected</th><th>mean<br>confidence</th><th>calibration<br>error</th>
<th>answered</th><th>accuracy<br>of these</th>
{% for label in audit.labels %}
<th>recall<br>{{ label }}</th>
{% endfor %}
</tr>
{% for group, row in column.groups.items() %}
<tr{% if row.count < min_faces %} class="few"{% endif %}>
<td class="text">{{ group }}</td><td>{{ row.count }}</td><td>{{ row.accuracy | percent }}</td>
<td>{{ row.accuracy_interval | interval }}</td>
<td{% if row.significant %} class="significant"{% endif %}>{{ row.difference | points }}</td>
<td>{{ row.p_value | p_value }}</td><td>{{ row.p_corrected | p_value }}</td>
<td>{{ row.confidence | percent }}</td><td>{{ '%.3f' | format(row.calibration_error) }}</td>
<td>{{ row.coverage.share | percent }}</td><td>{{ row.coverage.accuracy | percent }}</td>
{% for label in audit.labels %}
<td>{{ row.recall[label] | percent }}</td>
{% endfor %}
</tr>
{% endfor %}
</table>
</div>
<img class="diagram" alt="accuracy by {{ name }}" src="{{ diagrams[name].groups }}">
<h3>What is taken for what</h3>
<img class="diagram" alt="confusion by {{ name }}" src="{{ diagrams[name].confusion }}">
<h3>Confidence and accuracy</h3>
<img class="diagram" alt="reliability by {{ name }}" src="{{ diagrams[name].reliability }}">
{% endfor %}

{% if audit.perturbations %}
<h2 id="perturbations">Changes that should change nothing</h2>
{% set measured = audit.perturbations %}
<p>The same {{ measured.faces }} faces before and after; of {{ measured.of }} in all, those whose
landmarks were found. Unchanged, {{ measured.accuracy | percent }} of them are told rightly. An
answer is certain from a confidence of {{ audit.coverage.threshold }} on.</p>
<div class="scroll">
<table>
<tr><th>perturbation</th><th>answers<br>that change</th><th>95 %</th><th>accuracy</th>
<th>change,<br>points</th><th>p, corrected</th><th>one certain answer<br>becomes another</th>
<th>certain and wrong,<br>before</th><th>after</th><th>label that<br>gains most</th>
<th>most frequent<br>change</th></tr>
{% for name, row in measured.perturbations.items() %}
<tr><td class="text">{{ name }}</td><td>{{ row.changed | percent }}</td>
<td>{{ row.changed_interval | interval }}</td><td>{{ row.accuracy | percent }}</td>
<td{% if row.p_corrected < level %} class="significant"{% endif %}>
{{ row.difference | points }}</td>
<td>{{ row.p_corrected | p_value }}</td><td>{{ row.certain_changes | percent }}</td>
<td>{{ row.certain_mistakes_before | percent }}</td><td>{{ row.certain_mistakes | percent }}</td>
{% if row.winner %}
{% set winner = row.labels[row.winner] %}
<td{% if winner.p_corrected < level %} class="significant"{% endif %}>
{{ row.winner }} {{ winner.difference | points }}</td>
{% else %}
<td>–</td>
{% endif %}
{% if row.changes %}
{% set change = row.changes[0] %}
<td>{{ change.from }} to {{ change.to }} ({{ change.count }})</td>
{% else %}
<td>–</td>
{% endif %}
</tr>
{% endfor %}
</table>
</div>
{% endif %}
{% if perturbed %}
<img class="diagram" alt="perturbations" src="{{ perturbed.diagram }}">
<h3>The face whose right answer changes most often</h3>
<div class="faces">
{% for each in perturbed.example %}
<figure><img alt="" src="{{ each.face }}"><figcaption>{{ each.name }}<br>
<span{% if each.changed %} class="changed"{% endif %}>{{ each.told }}
{{ each.confidence | percent }}</span></figcaption></figure>
{% endfor %}
</div>
{% endif %}

<h2 id="mistakes">The most confident wrong answers</h2>
<p>Some of them are wrong labels of the data set.</p>
<div class="faces">
{% for each in mistakes %}
<figure class="wide"><img alt="" src="{{ each.picture }}">
{% if each.explanation %}
<img alt="what the answer rests on" src="{{ each.explanation }}">
{% endif %}
<figcaption><b>{{ each.told }}</b> instead of {{ each.true }}<br>
{% for column, group in each.groups.items() if column != audit.attribute %}
{{ column }} {{ group }}{{ '' if loop.last else '; ' }}
{% endfor %}
</figcaption>
{% for label, share in each.probabilities.items() %}
<div class="bar"><span>{{ label }}</span><i style="width: {{ (120 * share) | round }}px"></i>
{{ share | percent }}</div>
{% endfor %}
</figure>
{% else %}
<p>There are none.</p>
{% endfor %}
</div>

<h2 id="method">How to read it</h2>
<p>Intervals hold 95 % (Wilson; of gaps, Newcombe). p: how likely a difference as large is by
chance alone, for a group against all other faces by Fisher's exact test, for the same faces before
and after a change by McNemar's. Corrected by Holm's method for all groups of all columns, or for
all perturbations together: bold is what stays below {{ level }}. Where nothing differs but by
chance, at most {{ (100 * level) | round | int }} of 100 such tables hold anything in bold. Groups
of fewer than {{ min_faces }} faces, in gray, are not compared; their calibration error is large by
chance. A group that differs may differ in something else that goes with it, as light, pose or
age.</p>
</body>
</html>
"""
