'use strict';
// What kind of errors there are: by type, overlap and size of the defects, class against class.
(function errorCharts() {
  const { runs, classes, colours, series } = report;
  const [run] = runs;

  legend(host('error-keys'), classes.map((name, index) => [name, colours[index]]));
  const longest = Math.max(...runs.flatMap((one) => one.errors.map((type) => total(type.counts))));
  document.querySelectorAll('.error-bars').forEach((place, type) => {
    barRows(place, runs.map((one) => ({
      name: runs.length > 1 ? one.letter : '',
      note: String(total(one.errors[type].counts)),
      parts: classes.map((name, index) => ({ value: one.errors[type].counts[index], colour: colours[index], text: name })),
    })), longest);
  });
  if (host('iou-chart')) {
    histogram(host('iou-chart'), classes.map((name, index) => ({ name, colour: colours[index], counts: run.histogram.counts[index] })), run.histogram.edges, {
      label: 'Overlap of defects and detections', xName: 'IoU of defect and detection', hint: 'Point at a column to read it.', from: 0.5, fromText: 'found',
      nothing: 'No detection lies on a defect of its class.',
    });
  }
  // rows: [{name, truth, found}], with `wrong` where false alarms are counted too.
  function shares(place, all) {
    const rows = all.filter((row) => row.truth || row.wrong);
    barRows(place, rows.map((row) => ({
      name: row.name,
      whole: row.truth,
      note: `${row.found} of ${row.truth}${row.truth ? ` (${percent(row.found, row.truth)})` : ''}${row.wrong === undefined ? '' : `, ${counted(row.wrong, 'false alarm', 'false alarms')}`}`,
      parts: [{ value: row.found, colour: series[0], text: 'found' }],
    })), Math.max(...rows.map((row) => row.truth)));
  }
  if (host('size-bars')) shares(host('size-bars'), run.sizes);
  if (host('tile-bars')) shares(host('tile-bars'), report.tileRows);
  if (host('matrix')) confusionMatrix(host('matrix'), host('matrix-readout'), classes, colours, run.confusion);
}());
