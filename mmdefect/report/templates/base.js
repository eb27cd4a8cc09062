'use strict';
// What every script of a page uses: its data, element makers, words for numbers.
const report = JSON.parse(document.getElementById('data').textContent);
const SVG = 'http://www.w3.org/2000/svg';

function make(name, attributes, parent) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (parent) parent.append(node);
  return node;
}

function html(name, className, text, parent) {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  if (parent) parent.append(node);
  return node;
}

const host = (id) => document.getElementById(id);
const total = (values) => values.reduce((sum, value) => sum + value, 0);
const percent = (part, whole) => `${Math.round(part / whole * 100)} %`;
const counted = (count, one, many) => `${count} ${count === 1 ? one : many}`;

function short(value) {
  if (value !== 0 && (Math.abs(value) < 0.001 || Math.abs(value) >= 1e5)) return value.toExponential(1);
  return String(Number(value.toPrecision(4)));
}

function chip(parent, text, colour, press) {
  const button = html('button', '', undefined, parent);
  button.type = 'button';
  if (colour) html('i', 'dot', undefined, button).style.background = colour;
  html('span', '', text, button);
  button.addEventListener('click', press);
  return button;
}

// Chips of which one is chosen: [[value, text, colour]]; the first one is chosen at the start.
function oneOf(parent, choices, press) {
  const buttons = choices.map(([value, text, colour]) => chip(parent, text, colour, () => choose(value)));
  function choose(value) {
    buttons.forEach((button, index) => button.setAttribute('aria-pressed', choices[index][0] === value));
    press(value);
  }
  if (choices.length) choose(choices[0][0]);
}

// Chips of which several are chosen, all at the start; the first press leaves one alone.
function anyOf(parent, choices, press) {
  const chosen = new Set(choices.map(([value]) => value));
  const buttons = choices.map(([value, text, colour]) => chip(parent, text, colour, () => {
    if (chosen.size === choices.length) { chosen.clear(); chosen.add(value); }
    else if (!chosen.delete(value)) chosen.add(value);
    if (!chosen.size) choices.forEach(([other]) => chosen.add(other));
    show();
    press();
  }));
  function show() {
    buttons.forEach((button, index) => button.setAttribute('aria-pressed', chosen.has(choices[index][0])));
  }
  show();
  return chosen;
}

// Calls back when a place has got another width, once per frame at most.
function onNewWidth(place, act) {
  let width = place.clientWidth;
  new ResizeObserver(() => {
    if (place.clientWidth === width) return;
    width = place.clientWidth;
    requestAnimationFrame(act);
  }).observe(place);
}

// One score threshold for the page, moved by every slider. A score equal to it counts.
const threshold = {
  value: 0.5,
  listeners: [],
  set(value) {
    this.value = value;
    for (const slider of document.querySelectorAll('input.threshold')) {
      slider.value = value;
      slider.parentElement.querySelector('output').textContent = value.toFixed(2);
    }
    this.listeners.forEach((listener) => listener(value));
  },
};
for (const slider of document.querySelectorAll('input.threshold')) {
  slider.addEventListener('input', () => threshold.set(Number(slider.value)));
}
