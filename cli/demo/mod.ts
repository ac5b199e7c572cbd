/**
 * The parts of the demonstration: which lines, dealt how, carried and compared, and what is shown. The
 * story itself is `cli/demo.ts`.
 *
 * @module
 */

export { countLines, type InputFile, readNamedFiles, readOwnChoice } from "./inputs.ts";
export { chooseSegmentEntries, dealFiles, type DemoTopic } from "./plan.ts";
export { startProgress } from "./progress.ts";
export { segmentTable, summaryOf, type TopicReport } from "./report.ts";
export { Comparison, consume, mustBeEmpty, produce } from "./traffic.ts";
