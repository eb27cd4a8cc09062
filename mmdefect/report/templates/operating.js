'use strict';
// What the score threshold means: found, missed, false alarms, good images flagged.
(function operatingPoint() {
  if (!host('verdict')) return;
  const { classes, colours } = report;
  const { table } = report.runs[0];
  const images = table.imagesDefect + table.imagesGood;

  function sentences(at) {
    const node = host('verdict');
    node.replaceChildren();
    const write = (text, strong, warn) => html(strong ? 'b' : 'span', warn ? 'warn' : '', text, node);
    const truth = total(table.truth);
    const found = total(table.found.map((row) => row[at]));
    const wrong = total(table.false.map((row) => row[at]));
    write(`${images === 1 ? 'The one image' : `All ${images} images`}, score \u2265 ${(at / 100).toFixed(2)}: `);
    if (truth) {
      write(`${found} of ${truth} defects found (${percent(found, truth)})`, true);
      write(`, ${truth - found} missed, `);
    }
    write(counted(wrong, 'false alarm', 'false alarms'), true);
    write('. ');
    // An operating point never stands without specificity and prevalence.
    const { imagesDefect, imagesGood } = table;
    if (imagesDefect) write(`Images with defects flagged: ${table.flaggedDefect[at]} of ${imagesDefect}. `);
    if (imagesGood) {
      write(`Good images flagged by mistake: ${table.flaggedGood[at]} of ${imagesGood} (specificity ${percent(imagesGood - table.flaggedGood[at], imagesGood)}), `);
      write(`${(table.falseOnGood[at] / imagesGood).toFixed(2)} false alarms per good image. `);
    } else {
      write('No good image is in this set, so nothing can be said about how often good parts are flagged (specificity, false alarms per good image). ');
    }
    write(`Prevalence: ${percent(imagesDefect, images)} of the images have defects.`);
    if (table.youden && table.youden[0][at] <= 0) {
      write(` Image recall + specificity \u2212 1 lies between ${table.youden[0][at].toFixed(2)} and ${table.youden[1][at].toFixed(2)} (95 %): as a PASS / FAIL decision this may be no better than chance.`, false, true);
    }
    const brief = truth ? `${found} of ${truth} found, ${counted(wrong, 'false alarm', 'false alarms')}` : counted(wrong, 'false alarm', 'false alarms');
    document.querySelectorAll('.brief').forEach((place) => { place.textContent = brief; });
  }

  function perClass(at) {
    const node = host('operating');
    node.replaceChildren();
    const head = html('tr', '', undefined, html('thead', '', undefined, node));
    for (const text of ['Class', 'Defects', 'Found', 'Missed', 'False alarms', 'Precision', 'F1']) html('th', text === 'Class' ? '' : 'n', text, head);
    const body = html('tbody', '', undefined, node);
    classes.forEach((name, index) => {
      const row = html('tr', '', undefined, body);
      const title = html('th', '', undefined, row);
      title.scope = 'row';
      html('i', 'dot', undefined, title).style.background = colours[index];
      html('span', '', name, title);
      const truth = table.truth[index];
      const found = table.found[index][at];
      const wrong = table.false[index][at];
      const texts = [
        truth, truth ? `${found} (${percent(found, truth)})` : '\u2013', truth ? truth - found : '\u2013', wrong,
        found + wrong ? percent(found, found + wrong) : '\u2013',
        truth + found + wrong ? (2 * found / (truth + found + wrong)).toFixed(2) : '\u2013',
      ];
      texts.forEach((text) => html('td', 'n', String(text), row));
    });
  }

  threshold.listeners.push((value) => {
    const at = Math.round(value * 100);
    sentences(at);
    perClass(at);
  });
}());
