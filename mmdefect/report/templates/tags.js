'use strict';
// Words at boxes, put where they cover neither each other nor the border.

const TAG_HEIGHT = 15;
const SMALL_BOX = 40;
// Share of a picture that words may cover, about: on a full shelf they would hide it.
const MOST_COVERED = 0.2;
const ruler = document.createElement('canvas').getContext('2d');
ruler.font = '600 11px system-ui, sans-serif';

// Places for a tag of some width at a box, the best first; all inside the frame.
function tagPlaces(box, width, size, below) {
  const lefts = [box[0], box[2] - width];
  const above = [box[1] - TAG_HEIGHT, box[1]];
  const under = [box[3], box[3] - TAG_HEIGHT];
  const tops = below ? [...under, ...above] : [...above, ...under];
  const clamp = (value, most) => Math.min(Math.max(value, 0), most);
  return tops.flatMap((top) => lefts.map((left) => [clamp(left, size[0] - width), clamp(top, size[1] - TAG_HEIGHT)]));
}

const widthOf = (text) => Math.ceil(ruler.measureText(text).width) + 10;

// All tags, or every so manieth where they would cover too much: spread over the picture, not one
// part of it, in their shortest words. What is missed comes first, the others get the room left.
function thinned(tags, size) {
  let room = MOST_COVERED * size[0] * size[1];
  const missed = tags.filter((tag) => tag.name === 'missed');
  return [missed, tags.filter((tag) => tag.name !== 'missed')].flatMap((group) => {
    const covered = group.reduce((sum, { texts }) => sum + widthOf(texts.at(-1)) * TAG_HEIGHT, 0);
    const step = Math.max(1, covered / Math.max(1, room));
    room -= covered / step;
    if (step === 1) return group;
    return group.filter((tag, index) => Math.floor(index / step) > Math.floor((index - 1) / step))
      .map((tag) => ({ ...tag, texts: tag.texts.slice(-1) }));
  });
}

// tags: [{box, texts, name, colour}] in order of importance; of the texts the first that fits is
// written, and none where none fits. size: [w, h] of the frame in pixels. Tags keep off small
// boxes, which they would hide, as long as there is another place.
function placeTags(frame, view, size, tags) {
  const scale = size[0] / (view[2] - view[0]);
  const onFrame = (box) => [box[0] - view[0], box[1] - view[1], box[2] - view[0], box[3] - view[1]].map((value) => value * scale);
  const small = tags.map((one) => onFrame(one.box)).filter((box) => Math.max(box[2] - box[0], box[3] - box[1]) < SMALL_BOX);
  const taken = [];
  const free = ([left, top], width, obstacles) => obstacles.every((other) => (
    left >= other[2] || left + width <= other[0] || top >= other[3] || top + TAG_HEIGHT <= other[1]));
  for (const { box, texts, name, colour } of thinned(tags, size)) {
    for (const text of texts) {
      const width = widthOf(text);
      if (width > size[0]) continue;
      const places = tagPlaces(onFrame(box), width, size, name === 'missed');
      const place = places.find((one) => free(one, width, [...taken, ...small])) || places.find((one) => free(one, width, taken));
      if (!place) continue;
      taken.push([place[0], place[1], place[0] + width, place[1] + TAG_HEIGHT]);
      const node = html('span', `tag ${name}`, text, frame);
      node.style.left = `${place[0] / size[0] * 100}%`;
      node.style.top = `${place[1] / size[1] * 100}%`;
      node.style.setProperty('--class', colour);
      if (!name) node.style.background = colour;
      break;
    }
  }
}
