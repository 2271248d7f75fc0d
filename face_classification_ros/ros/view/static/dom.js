// Create elements, and format numbers.

export const byId = (id) => document.getElementById(id);

// Return a new element with properties; data-* and aria-* are attributes.
export function create(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes('-') || name === 'role' || name === 'for') {
      element.setAttribute(name, value);
    } else {
      element[name] = value;
    }
  }
  element.append(...children);
  return element;
}

// Set text only if it changes, so that screen readers and layout have no work.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export const percent = (probability) => `${Math.round(100 * probability)} %`;

export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

// Return the value below which a fraction of the sorted numbers lies.
export function quantile(sorted, fraction) {
  return sorted[Math.min(sorted.length - 1, Math.floor(fraction * sorted.length))];
}

// Send a command to the server; return the response, or throw an error with its reason.
export async function command(address, body) {
  let response;
  try {
    response = await fetch(address, { method: 'POST', body });
  } catch {
    throw new Error('the page server does not respond');
  }
  if (response.ok) return response;
  const text = await response.text();
  let reason = text;
  try {
    reason = JSON.parse(text).reason;
  } catch {
    // Refused before the command: the text is the reason.
  }
  throw new Error(reason);
}

for (const dialog of document.querySelectorAll('dialog')) {
  dialog.querySelector('.close').addEventListener('click', () => dialog.close());
}
