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
  if (host('size-bars')) {
    const sizes = run.sizes.filter((size) => size.truth);
    barRows(host('size-bars'), sizes.map((size) => ({
      name: size.name,
      whole: size.truth,
      note: `${size.found} of ${size.truth} (${percent(size.found, size.truth)})`,
      parts: [{ value: size.found, colour: series[0], text: 'found' }],
    })), Math.max(...sizes.map((size) => size.truth)));
  }
  if (host('matrix')) confusionMatrix(host('matrix'), host('matrix-readout'), classes, colours, run.confusion);
}());
