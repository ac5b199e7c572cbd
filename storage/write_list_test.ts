import assert from "node:assert/strict";
import type { DiskFile } from "../world/mod.ts";
import { DataFile } from "./data_file.ts";
import { WriteList } from "./write_list.ts";

const FILES = 50;
const buffer = new Uint8Array(8192);

function newFiles(): DataFile[] {
  return Array.from({ length: FILES }, (_, index) => {
    const disk: DiskFile = { name: `file ${index}`, handle: index, sizeBytes: 1 << 20 };
    return new DataFile(index + 1, disk);
  });
}

/** One write for each file, in turns: none follows the one before. */
function addTo(list: WriteList, files: readonly DataFile[], rounds: number): void {
  for (let round = 0; round < rounds; round++) {
    for (const file of files) {
      list.add(file, { fileOffset: round * 4096, buffer, bufferOffset: 0, length: 8 });
    }
  }
}

Deno.test("WriteList has each file that a cycle writes once, in every cycle", () => {
  const list = new WriteList();
  const files = newFiles();
  for (const written of [files, files.slice(0, 3), [], files.slice(2)]) {
    list.clear();
    addTo(list, written, 3);
    assert.deepEqual(list.touched.map(({ number }) => number), written.map(({ number }) => number));
    assert.equal(list.writes.length, 3 * written.length);
  }
});

Deno.test("WriteList searches nothing for a write: ten thousand logs come home to many files in a cycle", () => {
  const list = new WriteList();
  let looked = 0;
  const count = (name: PropertyKey) => {
    if (typeof name === "string" && /^\d+$|includes|indexOf|find|some/.test(name)) looked++;
  };
  const touched = new Proxy(list.touched, {
    get: (target, name, receiver) => (count(name), Reflect.get(target, name, receiver)),
  });
  Object.defineProperty(list, "touched", { value: touched });
  addTo(list, newFiles(), 4);
  assert.equal(list.writes.length, 4 * FILES);
  assert.equal(looked, 0);
});
