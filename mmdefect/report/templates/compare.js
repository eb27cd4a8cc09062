'use strict';
// The boxes that only one of two runs finds.
(function foundByOne() {
  if (!host('items')) return;
  const { runs, classes, colours, pictures, crops } = report;
  const everything = new Set(classes.keys());
  const title = (item) => `${classes[item.label]}: only ${runs[item.finder].letter} finds it`;
  function facts(item) {
    const [finder, loser] = [runs[item.finder].letter, runs[1 - item.finder].letter];
    const missed = item.loserScore === null ? 'at no score' : `only at ${item.loserScore.toFixed(2)}`;
    return [`${finder} at score ${item.score.toFixed(2)}, ${loser} ${missed}`, sizeOf(item.box)];
  }
  // Both runs on one part of the image, or on all of it, side by side.
  function pair(parent, fill) {
    const both = html('span', 'pair', undefined, parent);
    runs.forEach((run, at) => {
      const half = html('span', 'half', undefined, both);
      fill(half, at);
      html('span', 'letter', run.letter, half);
    });
  }
  const apart = (one, two) => one[0] >= two[2] || one[2] <= two[0] || one[1] >= two[3] || one[3] <= two[1];

  function cardOf(item, at, listed) {
    const picture = pictures[item.picture];
    const card = itemCard(item, 'item two', title(item), () => zoom.open(listed, at, enlarge));
    pair(card.firstChild, (half, run) => {
      const frame = frameOf(item.view, crops[item.crop], `${runs[run].name} on ${picture.name}`, half);
      rectangle(frame, item.box, colours[item.label], 'dashed');
      for (const row of picture.runs[run]) if (!apart(row, item.box)) rectangle(frame, row, colours[row[4]], '');
    });
    itemWords(card, item, title(item), facts(item));
    return card;
  }
  function enlarge(item, body) {
    const picture = pictures[item.picture];
    const card = html('figure', 'card', undefined, body);
    pair(card, (half, run) => {
      const frame = frameOf(wholeOf(picture), picture.picture, picture.name, half);
      drawBoxes(frame, sizeOfFrame(frame), { ...picture, found: picture.runs[run] }, 0, everything);
      rectangle(frame, item.box, colours[item.label], 'focus dashed');
    });
    itemWords(card, item, title(item), facts(item));
  }
  itemList({
    kinds: runs.map((run, at) => [at, `Only ${run.letter} finds`]),
    kindOf: (item) => item.finder,
    labelsOf: (item) => [item.label],
    cardOf,
    portion: 36,
  });
}());
