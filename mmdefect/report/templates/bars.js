'use strict';
// Bars: stacked rows, columns of a histogram, and the legend of both.

function legend(place, entries) {
  place.replaceChildren();
  for (const [name, colour] of entries) {
    const key = html('span', '', undefined, place);
    html('i', 'dot', undefined, key).style.background = colour;
    html('span', '', name, key);
  }
}

// rows: [{name, note, parts: [{value, colour, text}]}], with `whole` where the parts are a share of
// something. `longest` is the value that fills the width.
function barRows(place, rows, longest) {
  place.replaceChildren();
  for (const row of rows) {
    const whole = row.whole || total(row.parts.map((part) => part.value));
    const line = html('div', `bar-row${row.name ? '' : ' nameless'}`, undefined, place);
    if (row.name) html('span', row.name.length > 1 ? '' : 'letter', row.name, line);
    const length = html('span', `bar-length${row.whole ? ' hollow' : ''}`, undefined, html('span', '', undefined, line));
    length.style.width = `${whole / Math.max(1, longest) * 100}%`;
    for (const part of row.parts.filter((one) => one.value)) {
      const piece = html('i', '', undefined, length);
      piece.style.width = `${part.value / whole * 100}%`;
      piece.style.background = part.colour;
      piece.title = `${part.text}: ${part.value}`;
    }
    html('span', 'bar-note', row.note, line);
  }
}

// series: [{name, colour, counts: one per bin}], stacked; edges: one more than bins.
function histogram(place, series, edges, options) {
  const sums = edges.slice(1).map((_, bin) => total(series.map((row) => row.counts[bin])));
  const highest = Math.max(...sums);
  if (!highest) {
    place.replaceChildren(html('p', 'empty', options.nothing));
    return;
  }
  const keys = html('div', 'keys');
  legend(keys, series.map((row) => [row.name, row.colour]));
  const svg = make('svg', { role: 'img', 'aria-label': options.label });
  const readout = html('div', 'readout', options.hint);
  place.replaceChildren(keys, svg, readout);

  function draw() {
    const width = Math.max(240, place.clientWidth);
    const height = options.height || 240;
    const frame = { left: 46, right: width - 8, top: 20, bottom: height - 34 };
    const x = (edge) => frame.left + (edge - edges[0]) / (edges[edges.length - 1] - edges[0]) * (frame.right - frame.left);
    const y = (value) => frame.bottom - value / highest * (frame.bottom - frame.top);
    svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    svg.style.height = `${height}px`;
    svg.replaceChildren();
    for (const value of ticks(0, highest, height / 55).filter((tick) => tick % 1 === 0)) {
      make('line', { class: 'grid', x1: frame.left, x2: frame.right, y1: y(value), y2: y(value) }, svg);
      make('text', { x: frame.left - 6, y: y(value) + 4, 'text-anchor': 'end' }, svg).textContent = short(value);
    }
    sums.forEach((sum, bin) => {
      const [left, right] = [x(edges[bin]), x(edges[bin + 1])];
      const column = make('g', {}, svg);
      let below = 0;
      for (const row of series.filter((one) => one.counts[bin])) {
        make('rect', { x: left + 1, width: Math.max(1, right - left - 2), y: y(below + row.counts[bin]), height: y(below) - y(below + row.counts[bin]), fill: row.colour }, column);
        below += row.counts[bin];
      }
      // The whole height of a column answers the pointer.
      make('rect', { x: left, width: right - left, y: frame.top, height: frame.bottom - frame.top, fill: 'transparent' }, column);
      const parts = series.filter((row) => row.counts[bin]).map((row) => `${row.name} ${row.counts[bin]}`);
      const say = () => { readout.textContent = `IoU ${edges[bin].toFixed(2)} to ${edges[bin + 1].toFixed(2)}: ${counted(sum, 'defect', 'defects')}${parts.length ? ` (${parts.join(', ')})` : ''}`; };
      column.addEventListener('pointerenter', say);
      column.addEventListener('pointerdown', say);
    });
    for (const edge of ticks(edges[0], edges[edges.length - 1], width / 70)) {
      make('text', { x: x(edge), y: frame.bottom + 16, 'text-anchor': 'middle' }, svg).textContent = short(edge);
    }
    make('line', { class: 'marked', x1: x(options.from), x2: x(options.from), y1: 6, y2: frame.bottom }, svg);
    make('text', { class: 'strong', x: x(options.from) + 6, y: 15 }, svg).textContent = `${options.fromText} \u2192`;
    make('text', { x: frame.right, y: frame.bottom + 31, 'text-anchor': 'end' }, svg).textContent = options.xName;
  }
  svg.addEventListener('pointerleave', () => { readout.textContent = options.hint; });
  draw();
  new ResizeObserver(draw).observe(place);
}
