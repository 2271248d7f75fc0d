// Connect the parts of the page.

import { Cards, colors } from './cards.js';
import { byId, command, quantile, setText } from './dom.js';
import { Settings } from './settings.js';
import { Stage } from './stage.js';
import { Status } from './status.js';
import { Stream } from './stream.js';
import { Timelines } from './timeline.js';
import { startTryout } from './tryout.js';

const WINDOW = 5000; // Milliseconds of the figures in the header.
const MAX_LOG = 10000;
const MAX_LATENCY = 60; // Seconds; more is another clock, as of a recording.

const status = new Status();
const timelines = new Timelines();
const cards = new Cards(byId('cards'), {
  onExplain: explain,
  onPoint: (track) => { stage.highlight = track; },
});
const log = []; // The same for measurements, until they take it.
const shown = []; // Of each image of the last seconds: when it was on the screen, and how late.
const settings = new Settings((values) => {
  status.isPublishing = values.publish_annotated !== false;
  settings.enable(status.report?.is_alive === true && status.isConnected);
});

const stage = new Stage((record, bitmap, isLive) => {
  if (cards.show(record, bitmap, !isLive)) showCount(record.faces.length);
  if (!isLive || bitmap === null || document.hidden) return;
  const { stamp } = record;
  requestAnimationFrame(() => {
    const image = { time: performance.now(), latency: stream.now() - stamp };
    shown.push(image);
    log.push(image);
    if (log.length > MAX_LOG) log.shift();
  });
});

const stream = new Stream({
  async onPacket(record, jpeg) {
    status.arrival = performance.now();
    timelines.add(record);
    await stage.add(record, jpeg);
  },
  onTopic(topic, content) {
    if (topic === 'status') takeStatus(content);
    else if (topic === 'parameters') settings.take(content);
    else if (topic === 'colors') Object.entries(content).forEach((each) => colors.set(...each));
  },
  onConnection(isConnected) {
    status.isConnected = isConnected;
    status.hasConnected ||= isConnected;
    if (!isConnected) settings.enable(false);
    status.show();
  },
});

function takeStatus(report) {
  timelines.node = report.node;
  status.take(report);
  settings.enable(report.is_alive);
  status.show();
}

function showCount(count) {
  byId('nobody').hidden = count > 0;
  setText(byId('figure-view'), String(count));
  setText(byId('announce'), count === 1 ? '1 face in view' : `${count} faces in view`);
}

// Return what the header shows, also for tests: images per second and latency in seconds.
function figures() {
  const now = performance.now();
  while (shown.length && now - shown[0].time > WINDOW) shown.shift();
  const latencies = shown.map((each) => each.latency).sort((a, b) => a - b);
  const isClock = latencies.length > 0 && Math.abs(quantile(latencies, 0.5)) < MAX_LATENCY;
  return {
    rate: (1000 * shown.length) / WINDOW,
    median: isClock ? quantile(latencies, 0.5) : null,
    percentile95: isClock ? quantile(latencies, 0.95) : null,
    skipped: stream.skipped,
  };
}

function showFigures() {
  const { rate, median, percentile95 } = figures();
  setText(byId('figure-rate'), shown.length ? rate.toFixed(1) : '–');
  const milliseconds = (seconds) => `${Math.round(1000 * seconds)} ms`;
  setText(byId('figure-latency'), median === null ? '–' : milliseconds(median));
  setText(byId('figure-slow'), median === null ? '' : `(95 %: ${milliseconds(percentile95)})`);
  const isStale = status.show();
  if (stage.isPaused) return;
  stage.setMoment(isStale ? 'no images' : 'live');
  setText(byId('nobody'), isStale ? 'No images' : 'No face in the image');
  if (isStale) {
    // Nobody is in view if nothing is seen.
    cards.clear();
    showCount(0);
  }
}

async function explain(track) {
  const dialog = byId('explanation');
  const image = byId('explanation-image');
  image.hidden = true;
  setText(byId('explanation-text'), `Computing the explanation of face ${track} …`);
  if (!dialog.open) dialog.showModal();
  try {
    const response = await command('explain', JSON.stringify({ track }));
    URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(await response.blob());
    image.hidden = false;
    setText(byId('explanation-text'), 'The face, the pixels that change the prediction most '
      + '(guided back-propagation), and the distribution.');
  } catch (error) {
    setText(byId('explanation-text'), `No explanation: ${error.message}`);
  }
}

byId('image').addEventListener('click', (event) => {
  const { canvas } = stage;
  const x = (event.offsetX * canvas.width) / canvas.clientWidth;
  const y = (event.offsetY * canvas.height) / canvas.clientHeight;
  const record = stage.history[stage.isPaused ? Number(stage.scrub.value) : stage.history.length - 1]?.record;
  const face = record?.faces.find(({ box }) => x >= box[0] && x <= box[0] + box[2]
    && y >= box[1] && y <= box[1] + box[3]);
  cards.mark(face?.track);
  stage.highlight = face?.track ?? null;
  if (face) cards.cards.get(face.track)?.element.scrollIntoView({ block: 'nearest' });
});

startTryout();
setInterval(showFigures, 500);
setInterval(() => timelines.draw(), 500);
window.faceView = { figures, log, stage };
