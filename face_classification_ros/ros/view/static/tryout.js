// Have an image of the user classified: chosen, or dropped anywhere on the page.

import { Cards, colorOf } from './cards.js';
import { byId, command, setText } from './dom.js';

const MAX_SIDE = 2048; // Pixels.
const QUALITY = 0.92;

const cards = new Cards(byId('tryout-cards'));

export function startTryout() {
  const file = byId('file');
  byId('choose').addEventListener('click', () => file.click());
  file.addEventListener('change', () => {
    if (file.files.length) classify(file.files[0]);
    file.value = '';
  });
  const hasFiles = (event) => event.dataTransfer?.types.includes('Files');
  document.addEventListener('dragover', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    byId('drop').classList.add('shown');
  });
  document.addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) byId('drop').classList.remove('shown');
  });
  document.addEventListener('drop', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    byId('drop').classList.remove('shown');
    classify(event.dataTransfer.files[0]);
  });
}

async function classify(file) {
  const canvas = byId('tryout-image');
  const text = byId('tryout-text');
  cards.clear();
  canvas.hidden = true;
  setText(text, 'Classifying …');
  if (!byId('tryout').open) byId('tryout').showModal();
  try {
    const bitmap = await createImageBitmap(file).catch(() => {
      throw new Error(`${file.name} is no image that this browser can read`);
    });
    const jpeg = await reduced(canvas, bitmap);
    const record = await (await command('classify', jpeg)).json();
    const image = await createImageBitmap(jpeg);
    drawBoxes(canvas, record);
    cards.show(record, image, true);
    const count = record.faces.length;
    setText(text, count === 0 ? 'No face found.' : `${count} ${count === 1 ? 'face' : 'faces'} found.`);
  } catch (error) {
    setText(text, `Not classified: ${error.message}`);
  }
}

// Draw an image upright on the canvas, not too large, and return it as JPEG without metadata.
async function reduced(canvas, bitmap) {
  const scale = Math.min(1, MAX_SIDE / Math.max(bitmap.width, bitmap.height));
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  canvas.getContext('2d').drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  canvas.hidden = false;
  return new Promise((resolve) => { canvas.toBlob(resolve, 'image/jpeg', QUALITY); });
}

function drawBoxes(canvas, record) {
  const context = canvas.getContext('2d');
  const stroke = Math.max(2, Math.min(canvas.width, canvas.height) / 160);
  record.faces.forEach((face, index) => {
    const [x, y, width, height] = face.box;
    for (const [color, line] of [['#000', stroke + 3], [colorOf(face.attributes[0]?.label), stroke]]) {
      context.strokeStyle = color;
      context.lineWidth = line;
      context.strokeRect(x, y, width, height);
    }
    const size = Math.max(14, canvas.height / 24);
    context.font = `600 ${size}px system-ui, sans-serif`;
    context.fillStyle = '#000c';
    context.fillRect(x, y, size * 1.2, size * 1.3);
    context.fillStyle = '#fff';
    context.fillText(String(index + 1), x + size * 0.3, y + size);
  });
}
