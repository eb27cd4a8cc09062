'use strict';
// Findings of an audit: their filters, cards, and the window that enlarges them.
(function findingsOfAudit() {
  if (!host('items')) return;
  const { classes, colours, kinds, items, pictures, splits } = report;
  const titles = Object.fromEntries(kinds.map((kind) => [kind.key, kind.title]));
  const colourOf = (label) => colours[label] || '#888888';
  // What a card leaves for its pictures, in pixels.
  const [CARD_WIDTH, CARD_HEIGHT] = [268, 168];
  let chosenKind = 'all';
  let chosenSplit = null;
  let chosenClasses = new Set(classes.keys());

  // Boxes of the finding solid, the others of the image dashed; a detection says its score.
  // size: [w, h] of the frame in pixels.
  function drawPart(frame, view, size, part, picture, large) {
    const mine = new Set(part.boxes.map((box) => box.slice(0, 4).join()));
    for (const box of picture.boxes) {
      if (!mine.has(box.slice(0, 4).join())) rectangle(frame, box, colourOf(box[4]), 'context dashed');
    }
    const tags = [];
    part.boxes.forEach((box, index) => {
      const name = classes[box[4]];
      const detected = part.score !== null && index === part.boxes.length - 1;
      rectangle(frame, box, colourOf(box[4]), '');
      if (detected) {
        const score = part.score.toFixed(2);
        tags.unshift({ box, texts: [`model: ${name} ${score}`, `${name} ${score}`, score], name: 'false', colour: colourOf(box[4]) });
      } else if (large || part.score !== null) {
        tags.push({ box, texts: [name], name: '', colour: colourOf(box[4]) });
      }
    });
    placeTags(frame, view, size, tags);
  }

  // Close by and whole, or the images of a finding side by side; draws them once they have a place.
  function framesOf(item, parent, large) {
    const shown = item.parts.slice(0, large ? item.parts.length : 2);
    const views = shown.flatMap((part) => {
      const picture = pictures[part.picture];
      const whole = { part, picture, view: wholeOf(picture), source: picture.picture };
      if (!part.view || item.parts.length > 1) return [whole];
      return [{ part, picture, view: part.view, source: part.crop }, { ...whole, window: part.view }];
    });
    const place = views.length > 1 ? html('div', 'pair', undefined, parent) : parent;
    for (const { part, picture, view, source, window } of views) {
      const frame = frameOf(view, source, picture.name, place);
      if (views.length === 1) frame.classList.add('single');
      const ratio = (view[2] - view[0]) / (view[3] - view[1]);
      const width = Math.min(CARD_HEIGHT * ratio, views.length > 1 ? CARD_WIDTH / 2 : CARD_WIDTH);
      const size = large ? sizeOfFrame(frame) : [width, width / ratio];
      drawPart(frame, view, size, part, picture, large);
      if (window && !large) rectangle(frame, window, '#ffffff', 'window');
    }
  }

  function words(card, item, large) {
    const caption = html('figcaption', '', undefined, card);
    const head = html('b', '', undefined, caption);
    for (const label of item.classes.slice(0, 4)) html('i', 'dot', undefined, head).style.background = colourOf(label);
    html('span', '', titles[item.kind], head);
    html('small', 'what', item.what, caption);
    html('small', 'name', item.split ? `${item.split}: ${item.where}` : item.where, caption);
    for (const part of item.parts) {
      const picture = pictures[part.picture];
      if (picture.problem) html('small', 'problem', `${picture.name}: ${picture.problem}`, caption);
    }
    if (large && item.parts.length > 1) {
      for (const part of item.parts) html('small', '', `${pictures[part.picture].split}: ${pictures[part.picture].name}`, caption);
    }
  }

  function cardOf(item, at, entries) {
    const card = html('figure', 'item');
    const button = html('button', item.parts.length ? '' : 'plain', undefined, card);
    button.type = 'button';
    button.setAttribute('aria-label', `Enlarge: ${titles[item.kind]}, ${item.where}`);
    framesOf(item, button, false);
    button.addEventListener('click', () => {
      const withPictures = entries.filter((entry) => entry.parts.length);
      zoom.open(withPictures, withPictures.indexOf(item), enlarge);
    });
    words(card, item, false);
    return card;
  }
  function enlarge(item, body) {
    const card = html('figure', 'card', undefined, body);
    framesOf(item, card, true);
    words(card, item, true);
  }

  const list = portions(host('items'), host('more-items'), cardOf, 48);
  function update() {
    const all = chosenClasses.size === classes.length;
    const left = items.filter((item) => (chosenKind === 'all' || item.kind === chosenKind)
      && (chosenSplit === null || item.split.split(' / ').includes(chosenSplit))
      && (all || item.classes.some((label) => chosenClasses.has(label))));
    list.set(left);
    const kind = kinds.find((entry) => entry.key === chosenKind);
    const of = kind ? kind.count : total(kinds.map((entry) => entry.count));
    host('item-count').textContent = left.length ? `${left.length} shown of ${of} found` : 'None of this kind here.';
  }
  const shownKinds = kinds.filter((kind) => items.some((item) => item.kind === kind.key));
  if (classes.length > 1) chosenClasses = anyOf(host('item-classes'), classes.map((name, index) => [index, name, colours[index]]), update);
  if (splits.length > 1) oneOf(host('splits'), [[null, 'All splits'], ...splits.map((name) => [name, name])], (value) => { chosenSplit = value; update(); });
  oneOf(host('kinds'), [['all', 'All kinds'], ...shownKinds.map((kind) => [kind.key, `${kind.title} ${kind.count}`])], (value) => { chosenKind = value; update(); });
  for (const button of document.querySelectorAll('.overview .name')) {
    button.addEventListener('click', () => {
      const at = shownKinds.findIndex((kind) => kind.key === button.dataset.kind);
      host('kinds').children[at + 1].click();
      host('look').scrollIntoView();
    });
  }
}());
