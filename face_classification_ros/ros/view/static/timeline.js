// Keep the probabilities of each face over time, draw those of the last minute, export all.

import { colorOf, thresholds } from './cards.js';
import { byId, create, duration, percent, setText } from './dom.js';

const SPAN = 60; // Seconds that are drawn.
const SAMPLE = 0.2; // Seconds between two samples.
const MAX_SAMPLES = 3000;
const MAX_PEOPLE = 50;
const MIN_SAMPLES = 3;
const HEIGHT = 44;

export class Timelines {
  constructor() {
    this.people = new Map();
    this.node = '';
    byId('export').addEventListener('click', () => this.download());
  }

  // Record the faces of an image, also while the page is paused.
  add(record) {
    for (const face of record.faces) {
      if (!this.people.has(face.track)) this.people.set(face.track, newPerson(face));
      const person = this.people.get(face.track);
      const last = person.samples.at(-1);
      // Time that jumps back begins another recording.
      if (last && record.stamp < last.stamp) person.samples.length = 0;
      else if (last && record.stamp - last.stamp < SAMPLE) continue;
      person.samples.push({ stamp: record.stamp, attributes: face.attributes });
      if (person.samples.length > MAX_SAMPLES) person.samples.shift();
    }
    while (this.people.size > MAX_PEOPLE) {
      const [track, person] = this.people.entries().next().value;
      person.element?.remove();
      this.people.delete(track);
    }
    this.latest = record.stamp;
  }

  // Draw the faces of the last minute; called a few times a second.
  draw() {
    byId('export').disabled = !this.people.size;
    this.showLegend();
    for (const [track, person] of this.people) {
      const visible = person.samples.filter(({ stamp }) => Math.abs(this.latest - stamp) <= SPAN);
      if (visible.length < MIN_SAMPLES) {
        person.element?.remove();
        person.element = null;
        continue;
      }
      if (!person.element) {
        build(track, person, visible.at(-1));
        byId('timelines').prepend(person.element);
      }
      drawPerson(person, visible, this.latest);
    }
  }

  // Show the colors of the labels of the newest face.
  showLegend() {
    const attributes = [...this.people.values()].at(-1)?.samples.at(-1)?.attributes ?? [];
    const text = attributes.map((each) => `${each.name}: ${each.labels}`).join('; ');
    if (this.legend === text) return;
    this.legend = text;
    byId('legend').replaceChildren(...attributes.map((each) => create('p', {},
      create('span', {}, each.name), ...each.labels.map((label) => {
        const swatch = create('span', { className: 'swatch' }, label);
        swatch.style.setProperty('--label', colorOf(label));
        return swatch;
      }))));
  }

  content() {
    return {
      node: this.node,
      exported: new Date().toISOString(),
      people: [...this.people].map(([track, person]) => ({
        track_id: track,
        first_seen: person.firstSeen,
        samples: person.samples.map(({ stamp, attributes }) => ({
          stamp,
          attributes: Object.fromEntries(attributes.map((each) => [each.name, {
            label: each.label,
            probabilities: Object.fromEntries(
              each.labels.map((label, index) => [label, each.probabilities[index]])),
          }])),
        })),
      })),
    };
  }

  download() {
    const file = new Blob([JSON.stringify(this.content())], { type: 'application/json' });
    const link = create('a', { href: URL.createObjectURL(file), download: 'faces.json' });
    link.click();
    URL.revokeObjectURL(link.href);
  }
}

const newPerson = (face) => ({ firstSeen: face.first_seen, samples: [], element: null });

function build(track, person, sample) {
  person.text = create('p', { className: 'meta' });
  person.charts = sample.attributes.map(({ name }) => {
    const canvas = create('canvas', { height: HEIGHT, role: 'img', 'data-attribute': name });
    const figure = create('figure', {}, create('figcaption', {}, name), canvas);
    return { name, canvas, figure };
  });
  person.element = create('li', { 'data-track': track },
    create('h3', {}, `Face ${track}`), person.text, ...person.charts.map((each) => each.figure));
}

function drawPerson(person, samples, latest) {
  const seen = samples.at(-1).stamp - samples[0].stamp;
  const texts = person.charts.map(({ name, canvas }) => {
    const { label, text } = summary(samples, name);
    canvas.dataset.label = label;
    canvas.setAttribute('aria-label', `${name} over time: ${text}`);
    drawChart(canvas, samples, name, latest);
    return text;
  });
  setText(person.text, `${duration(seen)}: ${texts.filter(Boolean).join(', ')}`);
}

const find = (sample, name) => sample.attributes.find((each) => each.name === name);

// Return the most probable label over all samples, "unknown" below the threshold, and its text.
function summary(samples, name) {
  const sums = new Map();
  let count = 0;
  for (const estimate of samples.map((each) => find(each, name)).filter(Boolean)) {
    count += 1;
    estimate.labels.forEach((label, index) => {
      sums.set(label, (sums.get(label) ?? 0) + estimate.probabilities[index]);
    });
  }
  if (!count) return { label: '', text: '' };
  const [label, sum] = [...sums].reduce((a, b) => (a[1] >= b[1] ? a : b));
  const mean = sum / count;
  if (mean < (thresholds.get(name) ?? 0)) return { label: 'unknown', text: `${name} unknown` };
  return { label, text: `${name} ${label} (mean ${percent(mean)})` };
}

// Stack the probabilities, which fill the height; gaps are times without the face.
function drawChart(canvas, samples, name, latest) {
  const ratio = window.devicePixelRatio;
  const width = Math.round(canvas.clientWidth * ratio);
  const height = Math.round(HEIGHT * ratio);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext('2d');
  context.clearRect(0, 0, width, height);
  for (let index = 0; index < samples.length; index += 1) {
    const estimate = find(samples[index], name);
    if (!estimate) continue;
    const { stamp } = samples[index];
    const next = Math.min(samples[index + 1]?.stamp ?? latest, stamp + 3 * SAMPLE);
    const left = width * (1 - (latest - stamp) / SPAN);
    const right = width * (1 - (latest - next) / SPAN);
    let top = 0;
    estimate.labels.forEach((label, number) => {
      const part = estimate.probabilities[number] * height;
      context.fillStyle = colorOf(label);
      context.fillRect(left, top, Math.max(1, right - left + 0.5), part);
      top += part;
    });
  }
}
