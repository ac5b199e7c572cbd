import assert from "node:assert/strict";
import { cutForJournal } from "./cut_for_journal.ts";
import type { ExtentImage, LogImage } from "./store_image.ts";

const START = { position: 0, offset: 0, payload: 0 };

function extent(fileNumber: number, start: number, sizeBytes: number): ExtentImage {
  const rest = { run: 1, generation: 1, first: START, usedBytes: 0, lastControl: -1 };
  return { fileNumber, start, sizeBytes, ...rest };
}

function logOf(...extents: ExtentImage[]): LogImage {
  const rest = { durability: null, isUncertain: false, start: START, known: START, damage: [] };
  return { id: 2, name: "log", extents, ...rest };
}

/** Where the log's extents are, and how long, when the journal has these. */
function cut(log: LogImage, ...journal: ExtentImage[]): number[][] {
  cutForJournal([log], journal);
  return log.extents.map(({ fileNumber, start, sizeBytes }) => [fileNumber, start, sizeBytes]);
}

Deno.test("cutForJournal() cuts what the journal has of a log's extent, and nothing beside it", () => {
  const journal = extent(6, 4096, 4096);
  assert.deepEqual(cut(logOf(extent(6, 0, 8192)), journal), [[6, 0, 4096]]);
  assert.deepEqual(cut(logOf(extent(6, 0, 4096)), journal), [[6, 0, 4096]]);
  assert.deepEqual(cut(logOf(extent(6, 8192, 4096)), journal), [[6, 8192, 4096]]);
  assert.deepEqual(cut(logOf(extent(5, 0, 8192)), journal), [[5, 0, 8192]]);
  assert.deepEqual(cut(logOf(extent(6, 0, 5000)), journal), [[6, 0, 4096]]);
});

Deno.test("cutForJournal() takes an extent away of which the journal has the beginning: it was empty", () => {
  const journal = extent(6, 4096, 8192);
  const log = logOf(extent(6, 0, 4096), extent(6, 4096, 16384));
  assert.deepEqual(cut(log, journal), [[6, 0, 4096]]);
  assert.deepEqual(cut(logOf(extent(6, 8192, 4096)), journal), []);
});
