'use strict';
// Galleries of single items: their filters, their cards and their words.

// kinds: [[value, text]] of which an item has one; an item has one or more classes.
// orders: [[text, number of an item]], rising; items of equal number keep the order of the page.
function itemList({ kinds, kindOf, labelsOf, cardOf, portion, orders }) {
  const { classes, colours, pictures, items } = report;
  let kind = 'all';
  let shown = new Set(classes.keys());
  let wanted = '';
  let order = 0;
  const list = portions(host('items'), host('more-items'), cardOf, portion);
  function update() {
    const left = items.filter((item) => (kind === 'all' || kindOf(item) === kind)
      && labelsOf(item).some((label) => shown.has(label))
      && pictures[item.picture].name.toLowerCase().includes(wanted));
    if (order) left.sort((one, other) => { const by = orders[order][1]; return by(one) === by(other) ? 0 : by(one) - by(other); });
    list.set(left);
    host('item-count').textContent = left.length ? `${left.length} of ${items.length}` : 'None of this kind.';
  }
  if (classes.length > 1) shown = anyOf(host('item-classes'), classes.map((name, index) => [index, name, colours[index]]), update);
  const known = kinds.map(([value, text]) => [value, text, items.filter((item) => kindOf(item) === value).length]).filter(([, , count]) => count);
  oneOf(host('item-kinds'), [['all', `All ${items.length}`], ...known.map(([value, text, count]) => [value, `${text} ${count}`])], (value) => { kind = value; update(); });
  if (orders) {
    orders.forEach(([text], index) => { html('option', '', text, host('item-order')).value = index; });
    host('item-order').addEventListener('change', (event) => { order = Number(event.target.value); update(); });
  }
  host('item-search').addEventListener('input', (event) => { wanted = event.target.value.trim().toLowerCase(); update(); });
}

// Title, facts and image of an item below its picture.
function itemWords(card, item, title, facts) {
  const picture = report.pictures[item.picture];
  const caption = html('figcaption', '', undefined, card);
  const head = html('b', '', undefined, caption);
  html('i', 'dot', undefined, head).style.background = report.colours[item.label];
  html('span', '', title, head);
  for (const fact of facts) if (fact) html('small', '', fact, caption);
  html('small', 'name', picture.name.split('/').pop(), caption).title = picture.name;
  if (picture.problem) html('small', 'problem', picture.problem, caption);
}

// An empty card whose picture is a button that enlarges.
function itemCard(item, className, title, press) {
  const card = html('figure', className);
  const button = html('button', '', undefined, card);
  button.type = 'button';
  button.setAttribute('aria-label', `Enlarge: ${title}, ${report.pictures[item.picture].name}`);
  button.addEventListener('click', press);
  return card;
}
