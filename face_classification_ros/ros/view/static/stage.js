// Draw the images; pause, and step through those of the last 10 seconds.

import { byId, setText } from './dom.js';

const HISTORY = 10; // Seconds.
const MAX_BYTES = 64e6;

export class Stage {
  // onShow(record, bitmap, isLive) is called for each image that is drawn.
  constructor(onShow) {
    this.onShow = onShow;
    this.canvas = byId('image');
    this.history = [];
    this.bytes = 0;
    this.isPaused = false;
    this.highlight = null;
    this.scrub = byId('scrub');
    byId('pause').addEventListener('click', () => this.pause(!this.isPaused));
    byId('back').addEventListener('click', () => this.step(-1));
    byId('forward').addEventListener('click', () => this.step(1));
    this.scrub.addEventListener('input', () => this.showMoment(Number(this.scrub.value)));
    document.addEventListener('keydown', (event) => this.press(event));
  }

  press(event) {
    const isFree = event.target === document.body || event.target.id === 'people';
    if (!isFree || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === ' ') this.pause(!this.isPaused);
    else if (event.key === 'ArrowLeft') this.step(-1);
    else if (event.key === 'ArrowRight') this.step(1);
    else return;
    event.preventDefault();
  }

  // Show the image of a packet, unless the page is paused.
  async add(record, jpeg) {
    if (this.isPaused) return;
    if (jpeg === null) {
      this.onShow(record, null, true);
      return;
    }
    this.history.push({ record, jpeg });
    this.bytes += jpeg.size;
    while (this.history.length > 1 && (this.bytes > MAX_BYTES
      || Math.abs(record.stamp - this.history[0].record.stamp) > HISTORY)) {
      this.bytes -= this.history.shift().jpeg.size;
    }
    const bitmap = await createImageBitmap(jpeg);
    if (!this.isPaused) this.draw(record, bitmap, true);
    bitmap.close();
  }

  draw(record, bitmap, isLive) {
    const { canvas } = this;
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
      canvas.width = bitmap.width;
      canvas.height = bitmap.height;
    }
    const context = canvas.getContext('2d');
    context.drawImage(bitmap, 0, 0);
    const face = record.faces.find((each) => each.track === this.highlight);
    if (face) {
      const stroke = Math.max(3, Math.min(bitmap.width, bitmap.height) / 100);
      context.lineWidth = stroke;
      context.strokeStyle = '#fff';
      const [x, y, width, height] = face.box;
      context.strokeRect(x - stroke, y - stroke, width + 2 * stroke, height + 2 * stroke);
    }
    byId('empty').hidden = true;
    this.onShow(record, bitmap, isLive);
  }

  pause(isPaused) {
    if (isPaused && !this.history.length) return;
    this.isPaused = isPaused;
    const last = this.history.length - 1;
    const button = byId('pause');
    button.setAttribute('aria-pressed', String(isPaused));
    setText(button, isPaused ? 'Continue' : 'Pause');
    this.scrub.max = String(Math.max(0, last));
    this.scrub.value = String(last);
    this.scrub.disabled = !isPaused;
    byId('back').disabled = byId('forward').disabled = !isPaused;
    byId('frame').classList.toggle('paused', isPaused);
    if (isPaused) this.showMoment(last);
    else this.setMoment('live');
  }

  step(by) {
    if (!this.isPaused) this.pause(true);
    if (!this.isPaused) return;
    const last = this.history.length - 1;
    this.scrub.value = String(Math.min(last, Math.max(0, Number(this.scrub.value) + by)));
    this.showMoment(Number(this.scrub.value));
  }

  async showMoment(index) {
    const { record, jpeg } = this.history[index];
    const age = this.history.at(-1).record.stamp - record.stamp;
    this.setMoment(age < 0.001 ? 'paused' : `−${age.toFixed(2)} s`);
    const bitmap = await createImageBitmap(jpeg);
    if (this.isPaused && Number(this.scrub.value) === index) this.draw(record, bitmap, false);
    bitmap.close();
  }

  setMoment(text) {
    setText(byId('moment'), text);
    this.scrub.setAttribute('aria-valuetext', text);
  }
}
