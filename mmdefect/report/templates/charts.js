'use strict';
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

function short(value) {
  if (value !== 0 && (Math.abs(value) < 0.001 || Math.abs(value) >= 1e5)) return value.toExponential(1);
  return String(Number(value.toPrecision(4)));
}

// A running mean, drawn over the raw values where a curve has many of them.
function smooth(points) {
  const half = Math.max(1, Math.round(points.length / 60));
  return points.map(([x], index) => {
    const near = points.slice(Math.max(0, index - half), index + half + 1);
    return [x, near.reduce((sum, point) => sum + point[1], 0) / near.length];
  });
}

// curves: [{name, colour, dash, points: [[x, y, extra]]}]; a point with y null breaks the line.
function lineChart(host, curves, options) {
  const readout = html('div', 'readout', options.hint || '', null);
  const keys = html('div', 'keys', undefined, null);
  const svg = make('svg', { role: 'img', 'aria-label': options.label });
  host.replaceChildren(keys, svg, readout);
  const known = curves.flatMap((curve) => curve.points.filter((point) => point[1] !== null));
  if (!known.length) {
    host.replaceChildren(html('p', 'empty', options.nothing || 'Nothing to draw.'));
    return;
  }
  const xs = known.map((point) => point[0]);
  const ys = known.map((point) => point[1]).sort((a, b) => a - b);
  let [xLow, xHigh] = options.x || [Math.min(...xs), Math.max(...xs)];
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

  let frame;
  function draw() {
    const width = Math.max(240, host.clientWidth);
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
  }
  const x = (value) => frame.left + (value - xLow) / (xHigh - xLow) * (frame.right - frame.left);
  const y = (value) => frame.bottom - (Math.min(value, yHigh) - yLow) / (yHigh - yLow) * (frame.bottom - frame.top);
  function path(curve, points, className) {
    let pen = 'M';
    let d = '';
    for (const point of points) {
      if (point[1] === null) { pen = 'M'; continue; }
      d += `${pen}${x(point[0]).toFixed(1)} ${y(point[1]).toFixed(1)}`;
      pen = 'L';
    }
    make('path', { class: className, d, stroke: curve.colour, 'stroke-dasharray': curve.dash || 'none', 'data-curve': curve.name }, svg);
  }

  const labels = curves.map((curve) => {
    const key = html('span', '', undefined, keys);
    html('i', 'dot', undefined, key).style.background = curve.colour;
    html('span', '', curve.name, key);
    key.addEventListener('pointerenter', () => highlight(curve.name));
    key.addEventListener('pointerleave', () => highlight(null));
    return key;
  });
  function highlight(name) {
    for (const line of svg.querySelectorAll('path')) line.style.opacity = name === null || line.dataset.curve === name ? '' : 0.15;
  }
  if (clipped) readout.textContent = `Values above ${short(yHigh)} are drawn at the upper edge.`;

  // Below the chart: what the curves say at the pointer.
  function point(event) {
    const box = svg.getBoundingClientRect();
    const at = xLow + (event.clientX - box.left - frame.left) / (frame.right - frame.left) * (xHigh - xLow);
    const up = yLow + (frame.bottom - (event.clientY - box.top)) / (frame.bottom - frame.top) * (yHigh - yLow);
    let best = null;
    curves.forEach((curve, index) => {
      for (const value of curve.points) {
        if (value[1] === null) continue;
        const away = ((value[0] - at) / (xHigh - xLow)) ** 2 * 4 + ((value[1] - up) / (yHigh - yLow)) ** 2;
        if (!best || away < best.away) best = { away, curve, value, index };
      }
    });
    svg.querySelectorAll('.cursor, .mark').forEach((node) => node.remove());
    make('line', { class: 'cursor', x1: x(best.value[0]), x2: x(best.value[0]), y1: frame.top, y2: frame.bottom }, svg);
    make('circle', { class: 'mark', cx: x(best.value[0]), cy: y(best.value[1]), r: 4, fill: best.curve.colour }, svg);
    readout.textContent = options.say(best.curve.name, best.value);
    highlight(curves.length > 1 ? best.curve.name : null);
    labels.forEach((key, index) => { key.style.fontWeight = index === best.index ? 650 : ''; });
  }
  svg.addEventListener('pointermove', point);
  svg.addEventListener('pointerdown', point);
  svg.addEventListener('pointerleave', () => {
    highlight(null);
    svg.querySelectorAll('.cursor, .mark').forEach((node) => node.remove());
    labels.forEach((key) => { key.style.fontWeight = ''; });
  });
  draw();
  new ResizeObserver(draw).observe(host);
}

function drawCharts() {
  const host = (id) => document.getElementById(id);
  const curvesOf = (series, names) => names.filter((name) => series[name]).map((name, index) => (
    { name: name.replace(/^.*\//, ''), colour: report.series[index % report.series.length], points: series[name] }));
  const say = (unit) => (name, value) => `${name} ${short(value[1])} at ${unit} ${short(value[0])}`;
  const dashes = ['none', '7 3', '2 3', '9 3 2 3'];

  if (host('pr-chart')) {
    const curves = report.pr.map((curve, index) => {
      const at = report.classes.indexOf(curve.name);
      return {
        name: curve.name,
        colour: at < 0 ? '#888888' : report.colours[at],
        dash: dashes[index % dashes.length],
        points: curve.recall.map((recall, i) => [
          recall,
          curve.precision[i] === null || curve.precision[i] < 0 || curve.score[i] === null ? null : curve.precision[i],
          curve.score[i],
        ]),
      };
    });
    lineChart(host('pr-chart'), curves, {
      label: 'Precision over recall per class', x: [0, 1], y: [0, 1], height: 340, xName: 'recall (share of the defects found)',
      yName: 'precision (share of the detections that are right)',
      hint: 'Point at a curve to read its score threshold.', nothing: 'No class has a curve: there is no ground truth, or nothing was detected.',
      say: (name, [recall, precision, score]) => `${name}: finds ${Math.round(recall * 100)} % of the defects, ${Math.round(precision * 100)} % of its detections are right, at score \u2265 ${score.toFixed(2)}`,
    });
  }
  const { train, val, valUnit } = report.log;
  if (host('loss-chart')) {
    const losses = Object.keys(train).filter((name) => name.startsWith('loss'));
    lineChart(host('loss-chart'), curvesOf(train, losses), {
      label: 'Training losses', fromZero: true, xName: 'iteration', smoothed: true, say: say('iteration'),
    });
  }
  if (host('lr-chart')) {
    lineChart(host('lr-chart'), curvesOf(train, ['lr']), { label: 'Learning rate', fromZero: true, xName: 'iteration', height: 180, say: say('iteration') });
  }
  if (host('val-chart')) {
    const preferred = ['AP50', 'AP', 'AR', 'bbox_mAP_50', 'bbox_mAP'];
    const names = Object.keys(val).filter((name) => preferred.includes(name.split('/').pop()));
    names.sort((a, b) => preferred.indexOf(a.split('/').pop()) - preferred.indexOf(b.split('/').pop()));
    lineChart(host('val-chart'), curvesOf(val, names.length ? names : Object.keys(val).slice(0, 4)), {
      label: 'Validation metrics', xName: valUnit, y: [0, 1], dots: true, wholeX: true, say: say(valUnit),
    });
  }
}
drawCharts();
