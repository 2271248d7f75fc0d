// Show whether everything works, and if not, why and what to do.

import { byId, create, setText } from './dom.js';

const STALE = 2.5; // Seconds without an image.

// Values of the node that are always visible.
const MAIN_VALUES = new Map([
  ['input rate (Hz)', 'images/s from the camera'],
  ['output rate (Hz)', 'images/s processed'],
  ['latency (s)', 's from the stamp to the faces'],
  ['lost in transport', 'images lost in transport'],
  ['dropped', 'images dropped'],
  ['malformed', 'images malformed'],
]);

const TITLES = {
  no_images: 'The camera has stopped.',
  no_images_yet: 'The node waits for its first image.',
  malformed_images: 'The node cannot read the images of the camera.',
  load_failed: 'The node could not load its detector or models.',
  inactive: 'The node is not active.',
  disabled: 'The node is disabled.',
  unconfigured: 'The node is not configured.',
  finalized: 'The node was shut down.',
};

export class Status {
  constructor() {
    this.isConnected = false;
    this.hasConnected = false;
    this.report = null;
    this.arrival = null;
    this.isPublishing = true; // Whether publish_annotated is on.
  }

  // Return [level, title, detail] of the most important problem, or null.
  problem() {
    const { report } = this;
    if (!this.isConnected) {
      return this.hasConnected
        ? ['error', 'The page server does not respond.', 'The page connects again by itself.'] : null;
    }
    if (report === null) return null;
    if (!report.is_alive) {
      const others = report.others.length
        ? `Other nodes run: ${report.others.join(', ')}; see --node.`
        : 'Start it; the page continues by itself.';
      return ['error', `The node ${report.node} does not respond.`,
        `No sign of it for ${Math.round(report.silence)} s. ${others}`];
    }
    for (const part of report.parts) {
      const code = part.codes.find((each) => each in TITLES);
      if (part.level !== 'ok' || code) {
        if (part.level === 'warn' && !code) continue;
        return [part.level === 'ok' ? 'warn' : part.level, TITLES[code] ?? part.message,
          [`${part.message[0].toUpperCase()}${part.message.slice(1)}.`, ...part.cures].join(' ')];
      }
    }
    if (!this.isPublishing) {
      return ['warn', 'The node publishes no annotated images.', 'Switch publish_annotated on.'];
    }
    return null;
  }

  // Called once a second, and when something changes.
  show() {
    const problem = this.problem();
    const isStale = this.arrival === null || performance.now() - this.arrival > 1000 * STALE;
    byId('alert').hidden = problem === null;
    byId('alert').dataset.level = problem?.[0] ?? '';
    setText(byId('alert-title'), problem?.[1] ?? '');
    setText(byId('alert-detail'), problem?.[2] ?? '');
    byId('frame').classList.toggle('stale', isStale && this.arrival !== null);
    const warning = this.report?.parts.find((each) => each.level === 'warn');
    const state = byId('state');
    state.dataset.level = problem?.[0] ?? (isStale ? 'stale' : warning ? 'warn' : 'ok');
    setText(state, this.stateText(problem, isStale, warning));
    return isStale;
  }

  stateText(problem, isStale, warning) {
    if (!this.isConnected) return this.hasConnected ? 'Disconnected' : 'Connecting';
    if (this.report !== null && !this.report.is_alive) return 'Node missing';
    if (problem || isStale) return 'No images';
    return warning ? 'Live, with a warning' : 'Live';
  }

  take(report) {
    this.report = report;
    setText(byId('node'), report.node);
    this.showPeople(report.people);
    this.showParts(report.parts);
    const { lookers } = report;
    setText(byId('lookers'), `${lookers} ${lookers === 1 ? 'browser looks' : 'browsers look'} at this node.`);
  }

  showPeople(people) {
    setText(byId('figure-people'), people ? String(people.total) : '–');
    if (!people) return setText(byId('count'), '');
    const counts = Object.entries(people.counts).map(([label, count]) => `${count} ${label}`);
    const text = [...counts, `${people.unknown} unknown`].join(', ');
    return setText(byId('count'), `Distinct people in the last ${people.window} s: `
      + `${people.total} (${text}).`);
  }

  showParts(parts) {
    const list = byId('parts');
    const open = new Set([...list.querySelectorAll('details[open]')].map((each) => each.dataset.part));
    list.replaceChildren(...parts.map((part) => {
      const all = Object.entries(part.values);
      const main = all.filter(([name]) => MAIN_VALUES.has(name)).map(([name, value]) => create('div', {},
        create('dt', {}, MAIN_VALUES.get(name)), create('dd', {}, value)));
      const values = all.filter(([name]) => !MAIN_VALUES.has(name)).map(([name, value]) => create('div', {},
        create('dt', {}, name), create('dd', {}, value)));
      const details = create('details', { open: open.has(part.part), 'data-part': part.part },
        create('summary', {}, 'More values'), create('dl', { className: 'values' }, ...values));
      return create('li', { 'data-level': part.level, 'data-part': part.part,
        'data-codes': part.codes.join(' ') },
        create('p', {}, create('span', { className: 'level' }, part.level), ' ',
          create('strong', {}, part.part), ` ${part.message}`),
        ...part.cures.map((cure) => create('p', { className: 'cure' }, cure)),
        ...(main.length ? [create('dl', { className: 'figures' }, ...main)] : []),
        ...(values.length ? [details] : []));
    }));
  }
}
