'use strict';
// A score equal to the threshold counts, here and in every number of the page.
(function galleryOfDetections() {
  const slider = document.getElementById('threshold');
  if (!slider) return;
  const { classes, colours, table, gallery } = report;
  const shown = new Set(classes.keys());
  let kind = 'all';
  let threshold = table.start;
  const percent = (part, whole) => `${Math.round(part / whole * 100)} %`;
  const place = document.getElementById('gallery');

  function chip(parent, text, colour, press) {
    const button = html('button', '', undefined, parent);
    button.type = 'button';
    if (colour) html('i', 'dot', undefined, button).style.background = colour;
    html('span', '', text, button);
    button.addEventListener('click', press);
    return button;
  }

  function tag(frame, box, entry, text, name, colour) {
    const node = html('span', `tag ${name}`, text, frame);
    const right = box[0] + box[2] > entry.width;
    node.style.left = `${Math.min(100, (right ? box[2] : box[0]) / entry.width * 100)}%`;
    if (right) node.classList.add('left');
    if (name === 'missed') {
      node.classList.add('below');
      node.style.top = `${Math.min(box[3] / entry.height, 0.93) * 100}%`;
    } else {
      if (box[1] < entry.height * 0.08) node.classList.add('inside');
      node.style.top = `${Math.max(0, box[1] / entry.height) * 100}%`;
    }
    node.style.setProperty('--class', colour);
    if (!name) node.style.background = colour;
  }

  function rectangle(svg, box, colour, dashed) {
    const shape = { x: box[0], y: box[1], width: Math.max(0, box[2] - box[0]), height: Math.max(0, box[3] - box[1]) };
    make('rect', { ...shape, class: `under${dashed ? ' dashed' : ''}` }, svg);
    make('rect', { ...shape, class: dashed ? 'dashed' : '', stroke: colour }, svg);
  }

  // Names of missed boxes only where there is room; the colour of the dashes tells the class.
  function overlay(card, entry, large) {
    const svg = card.querySelector('svg');
    const frame = card.querySelector('.frame');
    svg.replaceChildren();
    frame.querySelectorAll('.tag').forEach((node) => node.remove());
    const found = entry.found.filter((row) => row[5] >= threshold && shown.has(row[4]));
    const hits = new Set(found.map((row) => row[6]));
    let missed = 0;
    let boxes = 0;
    entry.truth.forEach((row, index) => {
      if (!shown.has(row[4])) return;
      rectangle(svg, row, colours[row[4]], true);
      if (row[5]) return;
      boxes += 1;
      if (hits.has(index)) return;
      missed += 1;
      tag(frame, row, entry, large ? `missed: ${classes[row[4]]}` : 'missed', 'missed', colours[row[4]]);
    });
    let wrong = 0;
    for (const row of found) {
      rectangle(svg, row, colours[row[4]], false);
      if (row[6] === -1) wrong += 1;
      tag(frame, row, entry, `${classes[row[4]]} ${row[5].toFixed(2)}`, row[6] === -1 ? 'false' : '', colours[row[4]]);
    }
    const counts = card.querySelector('.counts');
    counts.replaceChildren();
    if (!entry.truth.length) html('span', '', 'good image', counts);
    else html('span', '', `${boxes - missed} of ${boxes} found`, counts);
    if (missed) html('span', 'bad', ` \u00b7 ${missed} missed`, counts);
    if (wrong) html('span', 'bad', ` \u00b7 ${wrong} false alarm${wrong > 1 ? 's' : ''}`, counts);
  }

  function cardOf(entry) {
    const card = html('figure', 'card');
    const button = html('button', '', undefined, card);
    button.type = 'button';
    button.setAttribute('aria-label', `Enlarge ${entry.name}`);
    const frame = html('div', 'frame', undefined, button);
    frame.style.aspectRatio = `${entry.width} / ${entry.height}`;
    if (entry.picture) {
      const image = html('img', '', undefined, frame);
      image.alt = entry.name;
      image.loading = 'lazy';
      image.decoding = 'async';
      image.src = entry.picture;
    }
    make('svg', { viewBox: `0 0 ${entry.width} ${entry.height}`, preserveAspectRatio: 'none' }, frame);
    const caption = html('figcaption', '', undefined, card);
    html('span', 'counts', undefined, caption);
    html('small', '', entry.name, caption);
    if (entry.problem) html('small', 'problem', entry.problem, caption);
    return card;
  }

  function verdict() {
    const node = document.getElementById('verdict');
    node.replaceChildren();
    const at = Math.round(threshold * 100);
    const sum = (rows) => [...shown].reduce((total, index) => total + rows[index][at], 0);
    const truth = [...shown].reduce((total, index) => total + table.truth[index], 0);
    const found = sum(table.found);
    const wrong = sum(table.false);
    const all = shown.size === classes.length;
    const write = (text, strong, warn) => html(strong ? 'b' : 'span', warn ? 'warn' : '', text, node);
    write(`All ${table.imagesDefect + table.imagesGood} images${all ? '' : ', chosen classes'}, score \u2265 ${threshold.toFixed(2)}: `);
    if (truth) {
      write(`${found} of ${truth} defects found (${percent(found, truth)})`, true);
      write(`, ${truth - found} missed, `);
    }
    write(`${wrong} false alarm${wrong === 1 ? '' : 's'}`, true);
    write('. ');
    if (!all) return;
    // An operating point never stands without specificity and prevalence.
    const { imagesDefect, imagesGood } = table;
    if (imagesDefect) write(`Images with defects flagged: ${table.flaggedDefect[at]} of ${imagesDefect}. `);
    if (imagesGood) {
      write(`Good images flagged by mistake: ${table.flaggedGood[at]} of ${imagesGood} (specificity ${percent(imagesGood - table.flaggedGood[at], imagesGood)}). `);
    } else {
      write('No good image is in this set, so nothing can be said about how often good parts are flagged (specificity). ');
    }
    write(`Prevalence: ${percent(imagesDefect, imagesDefect + imagesGood)} of the images have defects.`);
    if (table.youden && table.youden[0][at] <= 0) {
      write(` Image recall + specificity \u2212 1 lies between ${table.youden[0][at].toFixed(2)} and ${table.youden[1][at].toFixed(2)} (95 %): as a PASS / FAIL decision this may be no better than chance.`, false, true);
    }
  }

  function operating() {
    const node = document.getElementById('operating');
    const at = Math.round(threshold * 100);
    node.replaceChildren();
    const head = html('tr', '', undefined, html('thead', '', undefined, node));
    for (const text of ['Class', 'Defects', 'Found', 'Missed', 'False alarms']) html('th', text === 'Class' ? '' : 'n', text, head);
    const body = html('tbody', '', undefined, node);
    classes.forEach((name, index) => {
      const row = html('tr', '', undefined, body);
      const title = html('th', '', undefined, row);
      html('i', 'dot', undefined, title).style.background = colours[index];
      html('span', '', name, title);
      const truth = table.truth[index];
      const found = table.found[index][at];
      html('td', 'n', String(truth), row);
      html('td', 'n', truth ? `${found} (${percent(found, truth)})` : '\u2013', row);
      html('td', 'n', truth ? String(truth - found) : '\u2013', row);
      html('td', 'n', String(table.false[index][at]), row);
    });
  }

  const cards = gallery.map((entry) => {
    const card = cardOf(entry);
    place.append(card);
    card.querySelector('button').addEventListener('click', () => enlarge(entry));
    return [card, entry];
  });

  const zoom = document.getElementById('zoom');
  function enlarge(entry) {
    const card = cardOf(entry);
    document.getElementById('zoom-body').replaceChildren(card);
    // As wide as the window lets the whole image stand in it.
    card.querySelector('.frame').style.maxWidth = `calc(76vh * ${entry.width / entry.height})`;
    overlay(card, entry, true);
    zoom.showModal();
  }
  zoom.addEventListener('click', (event) => { if (event.target === zoom) zoom.close(); });

  const kinds = [['all', 'All'], ['errors', 'With errors'], ['found', 'All found'], ['good', 'Good']]
    .map(([name, text]) => [name, text, name === 'all' ? gallery.length : gallery.filter((entry) => entry.kind === name).length])
    .filter(([, , count]) => count)
    .map(([name, text, count]) => [name, chip(document.getElementById('kinds'), `${text} ${count}`, null, () => { kind = name; update(); })]);
  const chips = classes.length < 2 ? [] : classes.map((name, index) => chip(document.getElementById('chips'), name, colours[index], () => {
    if (shown.size === classes.length) { shown.clear(); shown.add(index); }
    else if (shown.has(index)) shown.delete(index);
    else shown.add(index);
    if (!shown.size) classes.forEach((_, other) => shown.add(other));
    update();
  }));

  function update() {
    document.getElementById('threshold-text').textContent = threshold.toFixed(2);
    kinds.forEach(([name, button]) => button.setAttribute('aria-pressed', name === kind));
    chips.forEach((button, index) => button.setAttribute('aria-pressed', shown.has(index)));
    let visible = 0;
    for (const [card, entry] of cards) {
      const relevant = shown.size === classes.length || [...entry.truth, ...entry.found.filter((row) => row[5] >= threshold)].some((row) => shown.has(row[4]));
      card.hidden = !((kind === 'all' || entry.kind === kind) && relevant);
      card.style.display = card.hidden ? 'none' : '';
      if (card.hidden) continue;
      visible += 1;
      overlay(card, entry, false);
    }
    document.getElementById('none-left').hidden = visible > 0;
    verdict();
    operating();
  }
  slider.value = threshold;
  slider.addEventListener('input', () => { threshold = Number(slider.value); update(); });
  update();
}());
