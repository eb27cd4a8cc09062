'use strict';
// Images with boxes on them, and the window that enlarges them.

// view: [x1, y1, x2, y2], the part of the image that is shown, in its pixels.
function frameOf(view, source, text, parent) {
  const frame = html('div', 'frame', undefined, parent);
  const [width, height] = [view[2] - view[0], view[3] - view[1]];
  frame.style.aspectRatio = `${width} / ${height}`;
  frame.style.setProperty('--ratio', width / height);
  if (source) {
    const image = html('img', '', undefined, frame);
    image.alt = text;
    image.loading = 'lazy';
    image.decoding = 'async';
    image.src = source;
  }
  make('svg', { viewBox: `${view[0]} ${view[1]} ${width} ${height}`, preserveAspectRatio: 'none' }, frame);
  return frame;
}

const wholeOf = (picture) => [0, 0, picture.width, picture.height];
const sizeOf = (box) => `${Math.round(box[2] - box[0])}\u00a0\u00d7\u00a0${Math.round(box[3] - box[1])}\u00a0px`;

function rectangle(frame, box, colour, name) {
  const svg = frame.querySelector('svg');
  const shape = { x: box[0], y: box[1], width: Math.max(0, box[2] - box[0]), height: Math.max(0, box[3] - box[1]) };
  make('rect', { ...shape, class: `under ${name}` }, svg);
  make('rect', { ...shape, class: name, stroke: colour }, svg);
}

function clear(frame) {
  frame.querySelector('svg').replaceChildren();
  frame.querySelectorAll('.tag').forEach((node) => node.remove());
}

// Truth and detections from `score` on, one number or one for each class; returns how many boxes count, are missed, are wrong.
// size: [w, h] of the frame in pixels, read before anything is drawn.
function drawBoxes(frame, size, picture, score, shown) {
  const { classes, colours } = report;
  clear(frame);
  const lowest = typeof score === 'function' ? score : () => score;
  const found = picture.found.filter((row) => row[5] >= lowest(row[4]) && shown.has(row[4]));
  const hits = new Set(found.map((row) => row[6]));
  const counts = { boxes: 0, missed: 0, wrong: 0 };
  // Where there is little room the colour of the dashes tells the class.
  const wide = size[0] > 400;
  const tags = [];
  picture.truth.forEach((row, index) => {
    if (!shown.has(row[4])) return;
    rectangle(frame, row, colours[row[4]], 'dashed');
    if (row[5]) return;
    counts.boxes += 1;
    if (hits.has(index)) return;
    counts.missed += 1;
    tags.push({ box: row, texts: wide ? [`missed: ${classes[row[4]]}`, 'missed'] : ['missed'], name: 'missed', colour: colours[row[4]] });
  });
  // Rows rise by score: the best is drawn last, and named first.
  for (const row of found) {
    if (row[6] === -1) counts.wrong += 1;
    rectangle(frame, row, colours[row[4]], '');
  }
  for (const row of found.slice().reverse()) {
    const number = row[5].toFixed(2);
    tags.push({ box: row, texts: [`${classes[row[4]]} ${number}`, number], name: row[6] === -1 ? 'false' : '', colour: colours[row[4]] });
  }
  placeTags(frame, wholeOf(picture), size, tags);
  return counts;
}
const sizeOfFrame = (frame) => [frame.clientWidth, frame.clientHeight];

function imageCard(picture, className) {
  const card = html('figure', className);
  const button = html('button', '', undefined, card);
  button.type = 'button';
  button.setAttribute('aria-label', `Enlarge ${picture.name}`);
  frameOf(wholeOf(picture), picture.picture, picture.name, button);
  const caption = html('figcaption', '', undefined, card);
  html('span', 'counts', undefined, caption);
  html('small', 'name', picture.name, caption);
  if (picture.problem) html('small', 'problem', picture.problem, caption);
  return card;
}

// One window for the page. `entries` can be stepped through; `show(entry, body)` fills it.
const zoom = {
  open(entries, at, show) {
    this.entries = entries;
    this.show = show;
    this.step(at);
  },
  step(at) {
    if (at < 0 || at >= this.entries.length) return;
    this.at = at;
    if (!host('zoom').open) host('zoom').showModal();
    host('zoom-body').replaceChildren();
    this.show(this.entries[at], host('zoom-body'));
    host('zoom-place').textContent = `${at + 1} of ${this.entries.length}`;
    host('zoom-back').disabled = at === 0;
    host('zoom-next').disabled = at === this.entries.length - 1;
  },
};
if (host('zoom')) {
  host('zoom-back').addEventListener('click', () => zoom.step(zoom.at - 1));
  host('zoom-next').addEventListener('click', () => zoom.step(zoom.at + 1));
  host('zoom').addEventListener('click', (event) => { if (event.target === host('zoom')) host('zoom').close(); });
  host('zoom').addEventListener('keydown', (event) => {
    if (event.key === 'ArrowLeft') zoom.step(zoom.at - 1);
    if (event.key === 'ArrowRight') zoom.step(zoom.at + 1);
  });
}

// Cards made in portions, so that a page with thousands of them answers at once. Returns
// {set(entries), cards()}: what to list, and the cards that exist so far, in that order.
function portions(place, button, cardOf, size) {
  let entries = [];
  function more() {
    const done = place.children.length;
    place.append(...entries.slice(done, done + size).map((entry, index) => cardOf(entry, done + index, entries)));
    const left = entries.length - place.children.length;
    button.hidden = left === 0;
    button.textContent = `Show ${Math.min(size, left)} more (${left} left)`;
  }
  button.addEventListener('click', () => {
    const first = place.children.length;
    more();
    // The keyboard goes on where the new cards begin.
    place.children[first].querySelector('button').focus({ preventScroll: true });
  });
  return {
    cards: () => [...place.children],
    set(list) {
      entries = list;
      place.replaceChildren();
      more();
    },
  };
}
