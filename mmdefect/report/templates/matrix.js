'use strict';
// The confusion matrix as a table: counts, shaded by the share of their row.

// counts[true][given]; the last row is "no defect of its own", the last column "not found".
function confusionMatrix(place, readout, names, colours, counts) {
  const last = names.length;
  const compact = last > 12;
  const table = html('table', `matrix${compact ? ' compact' : ''}`);
  const head = html('tr', '', undefined, html('thead', '', undefined, table));
  html('th', '', 'In truth \u2193 \u00a0 Detected as \u2192', head);
  const title = (row, name, colour, scope) => {
    const cell = html('th', '', undefined, row);
    cell.scope = scope;
    const text = html('span', '', undefined, cell);
    if (colour) html('i', 'dot', undefined, text).style.background = colour;
    html('span', '', name, text);
  };
  names.forEach((name, index) => title(head, name, colours[index], 'col'));
  title(head, 'not found', null, 'col');
  const body = html('tbody', '', undefined, table);
  counts.forEach((values, row) => {
    const line = html('tr', '', undefined, body);
    title(line, row < last ? names[row] : 'no defect of its own', colours[row], 'row');
    const sum = total(values);
    values.forEach((value, column) => {
      const cell = html('td', '', undefined, line);
      if (row === last && column === last) { cell.className = 'void'; return; }
      const share = sum ? value / sum : 0;
      cell.className = row === column ? 'right' : 'wrong';
      cell.style.setProperty('--share', share.toFixed(2));
      if (value) {
        html('b', '', String(value), cell);
        if (!compact) html('small', '', percent(value, sum), cell);
      }
      cell.addEventListener('pointerenter', () => { readout.textContent = say(row, column, value, sum); });
      cell.addEventListener('pointerdown', () => { readout.textContent = say(row, column, value, sum); });
    });
  });
  function say(row, column, value, sum) {
    if (row === last) return `${counted(value, 'detection', 'detections')} of ${names[column]} where there is nothing of the kind (${sum ? percent(value, sum) : '0 %'} of such)`;
    const what = column === last ? 'not found' : row === column ? 'found' : `taken for ${names[column]}`;
    return `${names[row]}: ${value} of ${counted(sum, 'defect', 'defects')} ${what}${sum ? ` (${percent(value, sum)})` : ''}`;
  }
  place.replaceChildren(table);
}
