/**
 * `WALRUS_TRACE=FOLDER`: what a node does, as JSON lines in `FOLDER/node-N.jsonl`, to be held to the specification
 * afterwards (`tests/conformance/merge.ts`). For tests: each event is written before the node goes on, so that a
 * kill −9 loses none.
 *
 * @module
 */

import { type SegmentEvents, SegmentTrace } from "../server/segments/mod.ts";
import { FailureError } from "./exit.ts";

/** Appends, behind what earlier processes of the node told. @throws {FailureError} where it can't write. */
export function traceInto(folder: string, nodeId: number): SegmentEvents {
  const file = openFile(folder, nodeId);
  const encoder = new TextEncoder();
  return new SegmentTrace(nodeId, (event) => {
    const bytes = encoder.encode(`${JSON.stringify(event)}\n`);
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  });
}

function openFile(folder: string, nodeId: number): Deno.FsFile {
  try {
    Deno.mkdirSync(folder, { recursive: true });
    return Deno.openSync(`${folder}/node-${nodeId}.jsonl`, { append: true, create: true });
  } catch (error) {
    throw new FailureError(`Can't write a trace to ${folder}: ${(error as Error).message}`);
  }
}
