'use strict';
// Line charts: axes, curves, a readout for pointer and keys.

// Round steps (1, 2, 5 times a power of ten) that divide a range into roughly `count` parts.
function ticks(low, high, count) {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((value) => value >= raw * 0.7);
  const values = [];
  for (let index = Math.ceil(low / step - 1e-9); index * step <= high + step * 1e-9; index += 1) {
    values.push(Number((index * step).toPrecision(10)));
  }
  return values;
}

// A running mean, drawn over the raw values where a curve has many of them.
function smooth(points) {
  const half = Math.max(1, Math.round(points.length / 60));
  return points.map(([x], index) => {
    const near = points.slice(Math.max(0, index - half), index + half + 1);
    return [x, total(near.map((point) => point[1])) / near.length];
  });
}

function extent(curves, options) {
  const known = curves.flatMap((curve) => curve.points.filter((point) => point[1] !== null));
  if (!known.length) return null;
  const xs = known.map((point) => point[0]).sort((a, b) => a - b);
  const ys = known.map((point) => point[1]).sort((a, b) => a - b);
  let [xLow, xHigh] = options.x || [xs[0], xs[xs.length - 1]];
  let [yLow, yHigh] = options.y || [0, ys[ys.length - 1]];
  if (options.fromZero) xLow = 0;
  let clipped = false;
  if (!options.y && ys.length > 40) {
    // A few huge first losses would flatten all the rest.
    const usual = ys[Math.floor(ys.length * 0.98)] * 1.5;
    clipped = usual < yHigh;
    if (clipped) yHigh = usual;
  }
  if (xHigh === xLow) { xLow -= 1; xHigh += 1; }
  if (yHigh <= yLow) yHigh = yLow + 1;
  return { xLow, xHigh, yLow, yHigh, clipped };
}

// curves: [{name, colour, dash, points: [[x, y, extra]]}]; a point with y null breaks the line.
// options.points: [{x, y, text}] to mark. Returns {mark(x)}, which draws a line at x.
function lineChart(place, curves, options) {
  const range = extent(curves, options);
  if (!range) {
    place.replaceChildren(html('p', 'empty', options.nothing || 'Nothing to draw.'));
    return { mark() {} };
  }
  const { xLow, xHigh, yLow, yHigh } = range;
  const hint = range.clipped ? `Values above ${short(yHigh)} are drawn at the upper edge.` : options.hint || '';
  const keys = html('div', 'keys');
  const svg = make('svg', { role: 'img', 'aria-label': options.label, tabindex: 0 });
  const readout = html('div', 'readout', hint);
  readout.setAttribute('aria-live', 'polite');
  place.replaceChildren(keys, svg, readout);

  let frame;
  let marked = null;
  const x = (value) => frame.left + (value - xLow) / (xHigh - xLow) * (frame.right - frame.left);
  const y = (value) => frame.bottom - (Math.min(value, yHigh) - yLow) / (yHigh - yLow) * (frame.bottom - frame.top);

  function draw() {
    const width = Math.max(240, place.clientWidth);
    const height = options.height || 240;
    frame = { left: 46, right: width - 8, top: options.yName ? 26 : 8, bottom: height - 34 };
    svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    svg.style.height = `${height}px`;
    svg.replaceChildren();
    for (const value of ticks(yLow, yHigh, height / 55)) {
      make('line', { class: 'grid', x1: frame.left, x2: frame.right, y1: y(value), y2: y(value) }, svg);
      make('text', { x: frame.left - 6, y: y(value) + 4, 'text-anchor': 'end' }, svg).textContent = short(value);
    }
    for (const value of ticks(xLow, xHigh, width / 110)) {
      if (options.wholeX && value % 1) continue;
      make('text', { x: x(value), y: frame.bottom + 16, 'text-anchor': 'middle' }, svg).textContent = short(value);
    }
    make('text', { x: frame.right, y: frame.bottom + 31, 'text-anchor': 'end' }, svg).textContent = options.xName;
    if (options.yName) make('text', { x: 8, y: 12 }, svg).textContent = options.yName;
    for (const curve of curves) {
      const raw = curve.points.length > 80 && options.smoothed;
      if (raw) path(curve, curve.points, 'curve faint');
      path(curve, raw ? smooth(curve.points) : curve.points, 'curve');
      if (curve.points.length === 1 || (curve.points.length <= 40 && options.dots)) {
        for (const point of curve.points) {
          if (point[1] !== null) make('circle', { cx: x(point[0]), cy: y(point[1]), r: 3, fill: curve.colour }, svg);
        }
      }
    }
    // The word of a second point stands below it: two marks may lie close together.
    (options.points || []).forEach((point, index) => {
      make('circle', { class: 'operating', cx: x(point.x), cy: y(point.y), r: 5 }, svg);
      const left = x(point.x) > (frame.left + frame.right) / 2;
      make('text', { class: 'strong', x: x(point.x) + (left ? -9 : 9), y: y(point.y) + (index ? 19 : -9), 'text-anchor': left ? 'end' : 'start' }, svg).textContent = point.text;
    });
    mark(marked);
  }

  function path(curve, points, className) {
    let pen = 'M';
    let d = '';
    for (const point of points) {
      if (point[1] === null) { pen = 'M'; continue; }
      d += `${pen}${x(point[0]).toFixed(1)} ${y(point[1]).toFixed(1)}`;
      pen = 'L';
    }
    make('path', { class: className, d, stroke: curve.colour, 'stroke-dasharray': curve.dash || 'none', 'data-curve': groupOf(curve) }, svg);
  }

  function mark(value) {
    marked = value;
    svg.querySelectorAll('.marked').forEach((node) => node.remove());
    if (value !== null) make('line', { class: 'marked', x1: x(value), x2: x(value), y1: frame.top, y2: frame.bottom }, svg);
  }

  // Curves of two runs share a key.
  const groupOf = (curve) => curve.group || curve.name;
  const labels = new Map();
  for (const curve of curves) {
    if (labels.has(groupOf(curve))) continue;
    const key = html('span', '', undefined, keys);
    const line = make('svg', { class: 'line', width: 22, height: 8, 'aria-hidden': 'true' }, key);
    make('line', { x1: 0, x2: 22, y1: 4, y2: 4, stroke: curve.colour, 'stroke-width': 3, 'stroke-dasharray': curve.dash || 'none' }, line);
    html('span', '', groupOf(curve), key);
    key.addEventListener('pointerenter', () => highlight(groupOf(curve)));
    key.addEventListener('pointerleave', () => highlight(null));
    labels.set(groupOf(curve), key);
  }
  function highlight(group) {
    for (const line of svg.querySelectorAll('path')) line.style.opacity = group === null || line.dataset.curve === group ? '' : 0.15;
    for (const [name, key] of labels) key.style.fontWeight = name === group ? 650 : '';
  }

  // Below the chart: what a curve says at the pointer or at the keys' cursor.
  let cursor = null;
  function say(index, value) {
    const curve = curves[index];
    cursor = { index, at: curve.points.indexOf(value) };
    svg.querySelectorAll('.cursor, .dot-mark').forEach((node) => node.remove());
    make('line', { class: 'cursor', x1: x(value[0]), x2: x(value[0]), y1: frame.top, y2: frame.bottom }, svg);
    make('circle', { class: 'dot-mark', cx: x(value[0]), cy: y(value[1]), r: 4, fill: curve.colour }, svg);
    readout.textContent = options.say(curve.name, value);
    highlight(curves.length > 1 ? groupOf(curve) : null);
  }
  function point(event) {
    const box = svg.getBoundingClientRect();
    const at = xLow + (event.clientX - box.left - frame.left) / (frame.right - frame.left) * (xHigh - xLow);
    const up = yLow + (frame.bottom - (event.clientY - box.top)) / (frame.bottom - frame.top) * (yHigh - yLow);
    let best = null;
    curves.forEach((curve, index) => {
      for (const value of curve.points) {
        if (value[1] === null) continue;
        const away = ((value[0] - at) / (xHigh - xLow)) ** 2 * 4 + ((value[1] - up) / (yHigh - yLow)) ** 2;
        if (!best || away < best.away) best = { away, value, index };
      }
    });
    say(best.index, best.value);
  }
  function walk(event) {
    const turn = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!turn) return;
    event.preventDefault();
    const drawn = curves.map((curve, index) => [index, curve.points.filter((value) => value[1] !== null)]).filter(([, points]) => points.length);
    const from = cursor || { index: drawn[0][0], at: -1 };
    const row = drawn.findIndex(([index]) => index === from.index);
    const [index, points] = drawn[(row + turn[0] + drawn.length) % drawn.length];
    const here = cursor ? curves[from.index].points[from.at] : points[0];
    let near = 0;
    points.forEach((value, other) => { if (Math.abs(value[0] - here[0]) < Math.abs(points[near][0] - here[0])) near = other; });
    say(index, points[Math.min(points.length - 1, Math.max(0, near + (cursor ? turn[1] : 0)))]);
  }
  function leave() {
    highlight(null);
    cursor = null;
    svg.querySelectorAll('.cursor, .dot-mark').forEach((node) => node.remove());
    readout.textContent = hint;
  }
  svg.addEventListener('pointermove', point);
  svg.addEventListener('pointerdown', point);
  svg.addEventListener('pointerleave', leave);
  svg.addEventListener('keydown', walk);
  svg.addEventListener('blur', leave);
  draw();
  new ResizeObserver(draw).observe(place);
  return { mark };
}
