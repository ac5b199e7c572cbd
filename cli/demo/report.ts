/**
 * What the demonstration found, as a table and numbers.
 *
 * @module
 */

import Table from "cli-table3";
import type { TopicState } from "../../client/mod.ts";
import type { DemoTopic } from "./plan.ts";

/** A topic with what its nodes say about it. */
export interface TopicReport {
  topic: DemoTopic;
  state: TopicState;
}

/** One segment as the table shows it. */
interface SegmentRow {
  segment: number;
  leader: number;
  /** Nodes that hold it. */
  replicas: number[];
  entries: number;
  isSealed: boolean;
}

/** Rows of the table; longer ones are cut in the middle. */
const ROWS_MAX = 64;

/** All segments with their leaders and counts. */
export function segmentTable(reports: readonly TopicReport[]): string {
  const table = new Table({
    head: ["topic", "segment", "leader", "on nodes", "entries", ""],
    colAligns: ["left", "right", "right", "left", "right", "left"],
    style: { head: [], border: [], compact: true },
  });
  const rows = reports.flatMap(({ topic, state }) =>
    segmentsOf({ topic, state }).map((row) => [
      topic.name,
      row.segment,
      `node ${row.leader}`,
      row.replicas.join(", "),
      row.entries,
      row.isSealed ? "sealed" : "open",
    ])
  );
  const cut = rows.length > ROWS_MAX ? rows.length - ROWS_MAX : 0;
  table.push(...rows.slice(0, ROWS_MAX));
  return table.toString() + (cut > 0 ? `\n… and ${cut} more segments` : "");
}

/** Sealed segments of all topics, and who led any segment. */
export function summaryOf(reports: readonly TopicReport[]): { sealed: number; leaders: number[] } {
  const rows = reports.flatMap(segmentsOf);
  const leaders = new Set(rows.filter((row) => row.entries > 0).map((row) => row.leader));
  return { sealed: rows.filter((row) => row.isSealed).length, leaders: [...leaders].sort() };
}

function segmentsOf({ topic, state }: TopicReport): SegmentRow[] {
  const rows: SegmentRow[] = Object.entries(state.sealed_segments).map(([number, entries]) => ({
    segment: Number(number),
    leader: state.segment_leaders[number] ?? 0,
    replicas: replicasOf(state, number),
    entries,
    isSealed: true,
  }));
  rows.push({
    segment: state.current_segment,
    leader: state.leader_node,
    replicas: replicasOf(state, `${state.current_segment}`),
    entries: topic.messages.length - state.last_sealed_entry_offset,
    isSealed: false,
  });
  return rows.sort((a, b) => a.segment - b.segment);
}

function replicasOf(state: TopicState, number: string): number[] {
  return [...state.segment_replicas?.[number] ?? []].sort();
}
