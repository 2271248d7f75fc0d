// Show the parameters of the node with their ranges and help, and change them.

import { thresholds } from './cards.js';
import { byId, command, create, setText } from './dom.js';

const THRESHOLD = 'unknown_threshold.';
const FIRST = ['detection_threshold', 'smoothing_time', 'detector', 'models', 'rotation',
  'detection_size', 'blur_faces'];

export async function setParameter(name, value) {
  await command('parameters', JSON.stringify({ [name]: value }));
}

export class Settings {
  // onChange(values by name) is called with all parameters after each change.
  constructor(onChange) {
    this.onChange = onChange;
    this.fields = new Map();
    const blur = byId('blur');
    blur.addEventListener('change', () => setParameter('blur_faces', blur.checked)
      .catch((error) => {
        blur.checked = !blur.checked;
        this.fields.get('blur_faces')?.fail(error);
      }));
  }

  take(parameters) {
    const names = new Set(parameters.map((each) => each.name));
    for (const [name, field] of this.fields) {
      if (!names.has(name)) {
        field.element.remove();
        this.fields.delete(name);
      }
    }
    for (const parameter of ordered(parameters)) {
      const before = this.fields.get(parameter.name);
      if (before) before.show(parameter.value);
      else this.add(parameter);
    }
    const values = Object.fromEntries(parameters.map((each) => [each.name, each.value]));
    thresholds.clear();
    for (const [name, value] of Object.entries(values)) {
      if (name.startsWith(THRESHOLD)) thresholds.set(name.slice(THRESHOLD.length), value);
    }
    byId('blur').checked = values.blur_faces === true;
    this.onChange(values);
  }

  add(parameter) {
    const field = new Field(parameter);
    this.fields.set(parameter.name, field);
    if (parameter.name.startsWith(THRESHOLD)) byId('settings').prepend(field.element);
    else byId(FIRST.includes(parameter.name) ? 'settings' : 'more').append(field.element);
  }

  // Without a node nothing can be set.
  enable(isEnabled) {
    byId('blur').disabled = !isEnabled;
    for (const field of this.fields.values()) field.control.disabled = !isEnabled || field.isFixed;
  }
}

function ordered(parameters) {
  const rank = ({ name }) => {
    if (name.startsWith(THRESHOLD)) return -1;
    const index = FIRST.indexOf(name);
    return index < 0 ? FIRST.length : index;
  };
  return [...parameters].sort((a, b) => rank(a) - rank(b));
}

class Field {
  constructor(parameter) {
    const { name, type, range, help } = parameter;
    this.name = name;
    this.type = type;
    this.isFixed = parameter.is_fixed;
    const id = `parameter-${name}`;
    this.control = control(parameter);
    Object.assign(this.control, { id, disabled: this.isFixed });
    this.control.setAttribute('aria-describedby', `${id}-help ${id}-error`);
    this.output = create('output', { for: id });
    this.error = create('p', { id: `${id}-error`, className: 'error', role: 'alert' });
    const notes = [help, ...(range ? [`${range[0]} to ${range[1]}`] : []),
      ...(type === 'list' ? ['separated by commas'] : []),
      ...(this.isFixed ? ['only at startup'] : [])];
    this.element = create('div', { className: 'field', 'data-parameter': name },
      create('label', { for: id }, name), create('div', { className: 'input' }, this.control, this.output),
      create('p', { id: `${id}-help`, className: 'help' }, notes.join('; ')), this.error);
    this.control.addEventListener('input', () => this.showOutput());
    this.control.addEventListener('change', () => this.change());
    this.show(parameter.value);
  }

  // Show the value of the node, unless somebody is editing text.
  show(value) {
    this.value = value;
    const isTyping = document.activeElement === this.control
      && ['text', 'number'].includes(this.control.type) && this.isDirty;
    if (!isTyping) this.write(value);
  }

  write(value) {
    if (this.type === 'bool') this.control.checked = value;
    else this.control.value = this.type === 'list' ? value.join(', ') : String(value);
    this.isDirty = false;
    this.showOutput(false);
  }

  showOutput(isDirty = true) {
    this.isDirty = isDirty;
    if (this.control.type === 'range') setText(this.output, Number(this.control.value).toFixed(2));
  }

  read() {
    const { value } = this.control;
    if (this.type === 'bool') return this.control.checked;
    if (this.type === 'list') return value.split(',').map((each) => each.trim()).filter(Boolean);
    if (this.type === 'string') return value;
    if (value.trim() === '') throw new Error('a number is missing');
    return Number(value);
  }

  async change() {
    this.control.setAttribute('aria-busy', 'true');
    try {
      await setParameter(this.name, this.read());
      this.element.classList.remove('refused');
      setText(this.error, '');
      this.isDirty = false;
    } catch (error) {
      this.fail(error);
      this.write(this.value);
    }
    this.control.removeAttribute('aria-busy');
  }

  fail(error) {
    this.element.classList.add('refused');
    setText(this.error, `Refused: ${error.message}`);
  }
}

// Return the control of a parameter: a switch, a choice, a slider, a number or text.
function control({ type, range, choices, value }) {
  if (type === 'bool') return create('input', { type: 'checkbox', role: 'switch' });
  if (choices.length) {
    return create('select', {}, ...choices.map((each) => create('option', { value: each },
      each === '' ? '(default)' : each)));
  }
  if (type === 'double' && range && range[1] <= 1) {
    return create('input', { type: 'range', min: range[0], max: range[1], step: 0.01 });
  }
  if (type === 'double' || type === 'integer') {
    const step = type === 'integer' ? '1' : 'any';
    const limits = range ? { min: range[0], max: range[1] } : {};
    return create('input', { type: 'number', step, ...limits });
  }
  return create('input', { type: 'text', spellcheck: false, autocomplete: 'off', value: String(value) });
}
