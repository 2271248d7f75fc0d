// Show each face as a card: crop, labels, distributions, and how long it has been seen.

import { create, duration, percent, setText } from './dom.js';

const CROP = 112; // Pixels.
const PERIOD = 120; // Milliseconds between two updates: faster numbers cannot be read.

export const colors = new Map();
export const thresholds = new Map();

export const colorOf = (label) => colors.get(label) ?? '#8894a0';

// The cards of the faces of one image, in the order in which the faces appeared.
export class Cards {
  // onExplain(track) is null where faces cannot be explained; onPoint(track or null).
  constructor(list, { onExplain = null, onPoint = () => {} } = {}) {
    this.list = list;
    this.onExplain = onExplain;
    this.onPoint = onPoint;
    this.cards = new Map();
    this.updated = -Infinity;
  }

  // Update the cards; bitmap may be null. Returns whether there was something to do.
  show(record, bitmap, isImmediate = false) {
    const keys = record.faces.map((face, index) => face.track || `#${index + 1}`);
    const isSame = keys.length === this.cards.size && keys.every((key) => this.cards.has(key));
    const now = performance.now();
    if (isSame && !isImmediate && now - this.updated < PERIOD) return false;
    this.updated = now;
    for (const [key, card] of this.cards) {
      if (!keys.includes(key)) {
        card.element.remove();
        this.cards.delete(key);
      }
    }
    record.faces.forEach((face, index) => {
      const key = keys[index];
      if (!this.cards.has(key)) {
        const card = new Card(key, face, this);
        this.cards.set(key, card);
        this.list.append(card.element);
      }
      this.cards.get(key).update(face, record, bitmap);
    });
    return true;
  }

  clear() {
    this.show({ faces: [] }, null, true);
  }

  mark(track) {
    for (const [key, card] of this.cards) card.element.classList.toggle('marked', key === track);
  }
}

class Card {
  constructor(key, face, cards) {
    this.crop = create('canvas', { width: CROP, height: CROP, className: 'crop', 'aria-hidden': 'true' });
    this.title = create('h3', {}, face.track ? `Face ${face.track}` : `Face ${key.slice(1)}`);
    this.chips = create('p', { className: 'chips' });
    this.meta = create('p', { className: 'meta' });
    this.bars = create('div', { className: 'attributes' });
    const head = create('div', { className: 'head' }, this.crop,
      create('div', {}, this.title, this.chips, this.meta));
    this.element = create('li', { className: 'card', 'data-track': face.track }, head, this.bars);
    this.shape = '';
    if (cards.onExplain) {
      const button = create('button', { type: 'button', className: 'quiet' }, 'What the prediction depends on');
      button.setAttribute('aria-label', `What the prediction depends on in face ${face.track}`);
      button.addEventListener('click', () => cards.onExplain(face.track));
      this.element.append(button);
    }
    this.element.addEventListener('pointerenter', () => cards.onPoint(face.track));
    this.element.addEventListener('pointerleave', () => cards.onPoint(null));
  }

  update(face, record, bitmap) {
    const shape = face.attributes.map((each) => `${each.name}:${each.labels}`).join(';');
    if (shape !== this.shape) this.build(face, shape);
    this.element.style.setProperty('--face', colorOf(face.attributes[0]?.label));
    face.attributes.forEach((estimate, index) => this.fill(this.rows[index], estimate));
    setText(this.meta, metaText(face, record));
    if (bitmap) this.cut(bitmap, face.box);
  }

  // Create the rows for other attributes.
  build(face, shape) {
    this.shape = shape;
    this.chips.replaceChildren();
    this.rows = face.attributes.map((estimate) => {
      const chip = create('span', { className: 'chip' });
      this.chips.append(chip, ' ');
      const lines = estimate.labels.map((label) => {
        const fill = create('span', { className: 'fill' });
        const value = create('span', { className: 'value' });
        const line = create('li', { 'data-label': label },
          create('span', { className: 'name' }, label),
          create('span', { className: 'track', 'aria-hidden': 'true' }, fill), value);
        return { label, line, fill, value };
      });
      const list = create('ul', { className: 'bars', 'data-attribute': estimate.name },
        ...lines.map((each) => each.line));
      const section = create('div', { className: 'attribute' }, create('h4', {}, estimate.name), list);
      return { chip, lines, list, section };
    });
    this.bars.replaceChildren(...this.rows.map((each) => each.section));
  }

  fill({ chip, lines, list }, estimate) {
    const best = Math.max(...estimate.probabilities);
    const isUnknown = estimate.label === 'unknown';
    chip.classList.toggle('unknown', isUnknown);
    chip.style.setProperty('--label', colorOf(estimate.label));
    setText(chip, isUnknown ? `${estimate.name} unknown` : `${estimate.label} ${percent(best)}`);
    list.dataset.value = estimate.label;
    const threshold = thresholds.get(estimate.name);
    list.classList.toggle('limited', threshold > 0);
    list.style.setProperty('--threshold', String(threshold ?? 0));
    lines.forEach(({ label, line, fill, value }, index) => {
      const probability = estimate.probabilities[index];
      line.dataset.probability = String(probability);
      line.classList.toggle('best', label === estimate.label);
      fill.style.setProperty('--part', String(probability));
      fill.style.setProperty('--label', colorOf(label));
      setText(value, percent(probability));
    });
  }

  // Copy the face from the image, within the line of its box.
  cut(bitmap, [x, y, width, height]) {
    const line = Math.ceil(Math.min(bitmap.width, bitmap.height) / 160);
    const side = Math.min(width, height) - 2 * line;
    if (side < 2) return;
    const left = x + (width - side) / 2;
    const top = y + (height - side) / 2;
    this.crop.getContext('2d').drawImage(bitmap, left, top, side, side, 0, 0, CROP, CROP);
  }
}

function metaText(face, record) {
  const texts = [];
  if (face.track) {
    const images = Math.max(0, ...face.attributes.map((each) => each.frames));
    texts.push(`seen for ${duration(record.stamp - face.first_seen)}`);
    if (images) texts.push(`${images} ${images === 1 ? 'image' : 'images'}`);
  }
  if (face.distance !== null) {
    texts.push(`${face.distance.toFixed(1)} m away`);
    if (!face.is_size_plausible) texts.push('not as large as a face, perhaps on a poster');
  }
  texts.push(`face ${percent(face.confidence)}`);
  return texts.join(' · ');
}
