'use strict';
// Missed defects and false alarms one by one, in the order the page was written with.
(function galleryOfItems() {
  if (!host('items')) return;
  const { classes, colours, pictures, crops, items, itemScores } = report;
  const everything = new Set(classes.keys());
  // In the order of the chips: [kind, chip, what is wrong with a detection of it].
  const kinds = [
    ['missed', 'Missed'],
    ['classification', 'Wrong class', 'wrong class'],
    ['localisation', 'Badly placed', 'badly placed'],
    ['both', 'Wrong class, badly placed', 'wrong class, badly placed'],
    ['duplicate', 'Second box', 'second box on one defect'],
    ['background', 'Nothing there', 'nothing there'],
  ];
  const wrongness = Object.fromEntries(kinds.map(([kind, , text]) => [kind, text]));

  // What a reader wants to know first, in words.
  function title(item) {
    if (item.kind === 'missed') return `missed: ${classes[item.label]}`;
    return `${classes[item.label]} ${item.score.toFixed(2)}: ${wrongness[item.kind]}`;
  }
  const distanceOf = (item) => Math.abs(item.score - item.threshold);
  function tileOf(item) {
    if (item.tile === null) return '';
    if (item.tile < 0) return 'no tile shows it';
    if (item.margin === null) return 'the image is one tile';
    const pixels = `${Math.abs(item.margin).toFixed(0)}\u00a0px`;
    return item.margin < 0 ? `cut by ${pixels} or more in every tile` : `tile ${item.tile + 1}, ${pixels} from its border`;
  }
  function facts(item) {
    const overlap = `best IoU ${item.iou.toFixed(2)} \u00b7 ${sizeOf(item.box)}`;
    const distance = item.score === null ? '' : distanceOf(item).toFixed(2);
    if (item.kind !== 'missed') return [item.near ? `ground truth there: ${classes[item.other]}` : '', `${distance} above the threshold ${item.threshold.toFixed(2)}`, overlap, tileOf(item)];
    let near = '';
    if (item.near) {
      const faults = [item.other === item.label ? '' : 'another class', item.iou < 0.5 ? 'badly placed' : ''].filter(Boolean);
      near = `on it: ${classes[item.other]} ${item.nearScore.toFixed(2)}, ${faults.join(', ') || 'which found another defect'}`;
    }
    return [near, item.score === null ? 'found at no score' : `found only at score ${item.score.toFixed(2)}, ${distance} below the threshold`, overlap, tileOf(item)];
  }

  function cardOf(item, at, listed) {
    const card = itemCard(item, 'item', title(item), () => zoom.open(listed, at, enlarge));
    const frame = frameOf(item.view, crops[item.crop], title(item), card.firstChild);
    const missed = item.kind === 'missed';
    if (item.near) rectangle(frame, item.near, colours[item.other], missed ? '' : 'dashed');
    rectangle(frame, item.box, colours[item.label], missed ? 'dashed' : '');
    itemWords(card, item, title(item), facts(item));
    return card;
  }
  function enlarge(item, body) {
    const picture = pictures[item.picture];
    const card = html('figure', 'card', undefined, body);
    const frame = frameOf(wholeOf(picture), picture.picture, picture.name, card);
    drawBoxes(frame, sizeOfFrame(frame), picture, (label) => itemScores[label], everything);
    rectangle(frame, item.box, colours[item.label], `focus${item.kind === 'missed' ? ' dashed' : ''}`);
    itemWords(card, item, title(item), facts(item));
  }
  itemList({
    kinds,
    kindOf: (item) => item.kind,
    labelsOf: (item) => (item.kind === 'missed' || item.other === null ? [item.label] : [item.label, item.other]),
    cardOf,
    portion: 48,
    orders: [
      ['Worst first', () => 0],
      ['Nearest to the threshold', (item) => (item.score === null ? Infinity : distanceOf(item))],
      ['Smallest', (item) => (item.box[2] - item.box[0]) * (item.box[3] - item.box[1])],
      ...(items.some((item) => item.margin !== null) ? [['Nearest to a tile border', (item) => (item.margin === null ? Infinity : item.margin)]] : []),
    ],
  });
}());
