'use strict';
// Detections image by image, at the score of the slider.
(function galleryOfDetections() {
  if (!host('gallery')) return;
  const { classes, colours, pictures, gallery } = report;
  let kind = 'all';
  let shown = new Set(classes.keys());
  let listed = [];

  function fill(card, picture, size) {
    const counts = drawBoxes(card.querySelector('.frame'), size, picture, threshold.value, shown);
    const node = card.querySelector('.counts');
    node.replaceChildren();
    if (!picture.truth.length) html('span', '', 'good image', node);
    else html('span', '', `${counts.boxes - counts.missed} of ${counts.boxes} found`, node);
    if (counts.missed) html('span', 'bad', ` \u00b7 ${counts.missed} missed`, node);
    if (counts.wrong) html('span', 'bad', ` \u00b7 ${counted(counts.wrong, 'false alarm', 'false alarms')}`, node);
  }
  function fillAll() {
    // All sizes first: reading one after drawing would lay the page out again for each card.
    const cards = list.cards();
    const sizes = cards.map((card) => sizeOfFrame(card.querySelector('.frame')));
    cards.forEach((card, index) => fill(card, pictures[listed[index].picture], sizes[index]));
  }
  function cardOf(entry, at, entries) {
    const card = imageCard(pictures[entry.picture], 'card');
    card.querySelector('button').addEventListener('click', () => zoom.open(entries, at, enlarge));
    return card;
  }
  function enlarge(entry, body) {
    const picture = pictures[entry.picture];
    const card = imageCard(picture, 'card');
    body.append(card);
    fill(card, picture, sizeOfFrame(card.querySelector('.frame')));
  }

  const list = portions(host('gallery'), host('more-images'), cardOf, 24);
  host('more-images').addEventListener('click', fillAll);
  function isListed(entry) {
    const { truth, found } = pictures[entry.picture];
    return (kind === 'all' || entry.kind === kind)
      && (shown.size === classes.length || [...truth, ...found.filter((row) => row[5] >= threshold.value)].some((row) => shown.has(row[4])));
  }
  function update() {
    const now = gallery.filter(isListed);
    if (now.length !== listed.length || now.some((entry, index) => entry !== listed[index])) {
      listed = now;
      list.set(listed);
    }
    fillAll();
    host('none-left').hidden = listed.length > 0;
  }

  const kinds = [['all', 'All'], ['errors', 'With errors'], ['found', 'All found'], ['good', 'Good']]
    .map(([name, text]) => [name, text, name === 'all' ? gallery.length : gallery.filter((entry) => entry.kind === name).length])
    .filter(([, , count]) => count);
  if (classes.length > 1) shown = anyOf(host('chips'), classes.map((name, index) => [index, name, colours[index]]), update);
  oneOf(host('kinds'), kinds.map(([name, text, count]) => [name, `${text} ${count}`]), (name) => { kind = name; update(); });
  threshold.listeners.push(update);
  onNewWidth(host('gallery'), fillAll);
}());
