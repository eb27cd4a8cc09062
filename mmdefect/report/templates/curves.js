'use strict';
// The line charts of a page, drawn for one run or, dashed, for a second one over it.
(function drawCurves() {
  const { runs, classes, colours, series } = report;
  const two = runs.length > 1;
  const dashes = ['none', '7 3', '2 3', '9 3 2 3'];
  const named = (name, run) => (two ? `${name} (${run.name})` : name);
  const say = (unit) => (name, value) => `${name}: ${short(value[1])} at ${unit} ${short(value[0])}`;

  // Of 'mmdefect/AP50' the page says AP50.
  const last = (name) => name.split('/').pop();
  // One curve per run and name of the points {name: [[x, y]]} that are picked from a run.
  function curvesOf(pick, names, colourOf, labelOf = last) {
    return runs.flatMap((run, at) => names.filter((name) => Object.hasOwn(pick(run), name)).map((name) => ({
      name: named(labelOf(name), run),
      group: labelOf(name),
      colour: colourOf(name),
      dash: two ? dashes[at] : 'none',
      points: pick(run)[name],
    })));
  }
  // As the headings of the page say it: of the first run that was validated.
  const { valUnit } = (runs.find((run) => Object.keys(run.log.val).length) || runs[0]).log;
  const byOrder = (names) => (name) => series[names.indexOf(name) % series.length];
  const namesOf = (pick) => [...new Set(runs.flatMap((run) => Object.keys(pick(run))))];

  function precisionRecall() {
    const curves = runs.flatMap((run, at) => run.pr.map((curve, index) => ({
      name: named(curve.name, run),
      group: curve.name,
      colour: colours[classes.indexOf(curve.name)] || '#888888',
      dash: dashes[two ? at : index % dashes.length],
      points: curve.recall.map((recall, i) => [
        recall,
        curve.precision[i] === null || curve.precision[i] < 0 || curve.score[i] === null ? null : curve.precision[i],
        curve.score[i],
      ]),
    })));
    lineChart(host('pr-chart'), curves, {
      label: 'Precision over recall per class', x: [0, 1], y: [0, 1], height: 340,
      xName: 'recall (share of the defects found)', yName: 'precision (share of the detections that are right)',
      hint: 'Point at a curve to read its score threshold.',
      nothing: 'No class has a curve: there is no ground truth, or nothing was detected.',
      say: (name, [recall, precision, score]) => `${name}: finds ${percent(recall, 1)} of the defects, ${percent(precision, 1)} of its detections are right, at score \u2265 ${score.toFixed(2)}`,
    });
  }

  // Shares of one class, or of all classes together, for the thresholds 0.00 to 1.00.
  function shares(table, chosen) {
    const rows = chosen === 'all' ? [...classes.keys()] : [chosen];
    const truth = total(rows.map((row) => table.truth[row]));
    return table.found[0].map((_, at) => {
      const found = total(rows.map((row) => table.found[row][at]));
      const wrong = total(rows.map((row) => table.false[row][at]));
      return {
        recall: truth ? found / truth : null,
        precision: found + wrong ? found / (found + wrong) : null,
        F1: truth + found + wrong ? 2 * found / (truth + found + wrong) : null,
      };
    });
  }

  function overThreshold(chosen) {
    const names = ['F1', 'precision', 'recall'];
    const points = [];
    const curves = runs.flatMap((run, at) => {
      const values = shares(run.table, chosen);
      const start = Math.round(run.table.start * 100);
      const best = values[start].F1;
      if (chosen === 'all' && best) {
        points.push({ x: start / 100, y: best, text: `F1 ${best.toFixed(2)} at ${(start / 100).toFixed(2)}${two ? ` (${run.name})` : ''}` });
      }
      const first = Math.round(run.table.lowest * 100);
      return names.map((name, index) => ({
        name: named(name, run),
        group: name,
        colour: series[index],
        dash: dashes[two ? at : index],
        points: values.map((value, step) => [step / 100, value[name]]).slice(first),
      }));
    });
    return lineChart(host('f1-chart'), curves, {
      label: 'F1, precision and recall over the score threshold', x: [0, 1], y: [0, 1], height: 300, points,
      xName: 'score threshold', nothing: 'There is no ground truth of this class, and nothing was detected.',
      say: (name, [at, value]) => `${name} is ${value.toFixed(3)} where detections count from score ${at.toFixed(2)} on`,
    });
  }

  function falseAlarms() {
    const curves = runs.filter((run) => run.table.imagesGood).map((run) => ({
      name: run.name,
      colour: series[0],
      dash: dashes[runs.indexOf(run)],
      points: run.table.falseOnGood.map((count, step) => [step / 100, count / run.table.imagesGood])
        .slice(Math.round(run.table.lowest * 100)),
    }));
    return lineChart(host('alarm-chart'), curves, {
      label: 'False alarms per good image over the score threshold', x: [0, 1], height: 200,
      xName: 'score threshold', nothing: 'There is no good image in this set.',
      say: (name, [at, value]) => `${short(value)} false alarms per good image where detections count from score ${at.toFixed(2)} on`,
    });
  }

  if (host('pr-chart')) precisionRecall();
  if (host('f1-chart')) {
    let chart;
    oneOf(host('f1-classes'), [['all', 'All classes'], ...(classes.length > 1 ? classes.map((name, index) => [index, name, colours[index]]) : [])], (chosen) => {
      chart = overThreshold(chosen);
      chart.mark(threshold.value);
    });
    threshold.listeners.push((value) => chart.mark(value));
  }
  if (host('alarm-chart')) {
    const chart = falseAlarms();
    threshold.listeners.push((value) => chart && chart.mark(value));
  }
  if (host('loss-chart')) {
    const names = namesOf((run) => run.log.train).filter((name) => (two ? name === 'loss' : name !== 'lr'));
    lineChart(host('loss-chart'), curvesOf((run) => run.log.train, names, byOrder(names)), {
      label: 'Training losses', fromZero: true, xName: 'iteration', smoothed: true, say: say('iteration'),
    });
  }
  if (host('lr-chart')) {
    lineChart(host('lr-chart'), curvesOf((run) => run.log.train, ['lr'], () => series[0]), {
      label: 'Learning rate', fromZero: true, xName: 'iteration', height: 180, say: say('iteration'),
    });
  }
  if (host('val-chart')) {
    const preferred = ['AP50', 'AP', 'AP75', 'AR', 'F1', 'mean_IoU', 'bbox_mAP_50', 'bbox_mAP'];
    const all = namesOf((run) => run.log.val);
    const known = all.filter((name) => preferred.includes(last(name)));
    known.sort((a, b) => preferred.indexOf(last(a)) - preferred.indexOf(last(b)));
    const names = known.length ? known : all.slice(0, 4);
    const validated = curvesOf((run) => run.log.val, names, byOrder(names));
    // Of one run there is room for the student beside the teacher.
    const students = two ? [] : names.filter((name) => Object.hasOwn(runs[0].log.student, name)).map((name) => ({
      name: `${last(name)} (student)`, colour: byOrder(names)(name), dash: dashes[1], points: runs[0].log.student[name],
    }));
    lineChart(host('val-chart'), [...validated, ...students], {
      label: 'Validation metrics', xName: valUnit, y: [0, 1], dots: true, wholeX: true, say: say(valUnit),
    });
  }
  if (host('pseudo-chart')) {
    const meanings = {
      kept_ratio: 'Share of the teacher\u2019s boxes above the score floor that train the classification.',
      count: 'Pseudo boxes that train the classification, per iteration.',
      precision: 'Share of the pseudo boxes that are right, as hidden ground truth says.',
      recall: 'Share of the hidden ground truth that pseudo boxes find.',
      threshold: 'Score threshold of the classification in force.',
      positives: 'Positive RoIs or anchors of the student per iteration; level_0 is the finest level.',
      score_mean: 'Mean score of the teacher\u2019s boxes above the score floor.',
      score_median: 'Median score of the teacher\u2019s boxes above the score floor.',
      scores: 'Scores of the teacher\u2019s boxes above the score floor, over all classes.',
      shares: 'Shares of images, and of boxes that the views of a part agree on.',
      votes: 'Boxes per iteration that two or more views had a vote on, and boxes added where other views have them.',
      stage: 'The teacher\u2019s boxes per iteration, by the threshold that they pass.',
    };
    const known = Object.keys(meanings);
    const place = (name) => (known.indexOf(name) + known.length + 1) % (known.length + 1);
    const statistics = namesOf((run) => run.log.pseudo).sort((a, b) => place(a) - place(b));
    oneOf(host('pseudo-statistic'), statistics.map((name) => [name, name.replace('_', ' ')]), (statistic) => {
      const pick = (run) => run.log.pseudo[statistic] || {};
      const names = namesOf(pick);
      const others = names.filter((name) => !classes.includes(name));
      const colourOf = (name) => (classes.includes(name) ? colours[classes.indexOf(name)] : series[others.indexOf(name) % series.length]);
      host('pseudo-meaning').textContent = Object.hasOwn(meanings, statistic) ? meanings[statistic] : '';
      lineChart(host('pseudo-chart'), curvesOf(pick, names, colourOf, (name) => name), {
        label: `Pseudo labels: ${statistic}`, fromZero: true, xName: 'iteration', smoothed: true, height: 300,
        y: ['precision', 'recall', 'threshold', 'score_mean', 'score_median', 'scores', 'shares'].includes(statistic) ? [0, 1] : undefined,
        say: say('iteration'),
      });
    });
  }
  if (host('class-chart')) {
    const order = ['AP50', 'AP', 'recall', 'precision', 'F1', 'efficiency'];
    // Those of parts come last.
    const place = (name) => (order.indexOf(name) + order.length + 1) % (order.length + 1);
    const metrics = namesOf((run) => run.log.perClass).sort((a, b) => place(a) - place(b));
    oneOf(host('class-metric'), metrics.map((metric) => [metric, metric]), (metric) => {
      const curves = curvesOf((run) => run.log.perClass[metric] || {}, classes, (name) => colours[classes.indexOf(name)], (name) => name);
      lineChart(host('class-chart'), curves, {
        label: `${metric} of every class`, xName: valUnit, y: metric === 'efficiency' ? undefined : [0, 1], dots: true, wholeX: true, height: 300, say: say(valUnit),
      });
    });
  }
}());
