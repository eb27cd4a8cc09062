'use strict';
// The last script of a page: every part listens by now.
threshold.set(report.runs[0].table.start);
