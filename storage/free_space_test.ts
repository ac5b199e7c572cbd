import assert from "node:assert/strict";
import fc from "fast-check";
import { FreeSpace } from "./free_space.ts";

const SIZE = 64;

Deno.test("FreeSpace gives every byte to one owner at a time, against a list of flags", () => {
  const operations = fc.array(
    fc.tuple(fc.nat(2), fc.nat(SIZE - 1), fc.integer({ min: 1, max: 20 })),
    {
      maxLength: 60,
    },
  );
  fc.assert(fc.property(operations, (list) => {
    const space = new FreeSpace(SIZE);
    const isFree = new Array<boolean>(SIZE).fill(true);
    const owned: [number, number][] = [];
    for (const [what, place, length] of list) {
      if (what === 0) {
        const start = space.take(length);
        const naive = isFree.findIndex((_, at) =>
          at + length <= SIZE && isFree.slice(at, at + length).every(Boolean)
        );
        assert.equal(start, naive);
        if (start < 0) continue;
        isFree.fill(false, start, start + length);
        owned.push([start, start + length]);
      } else if (what === 1 && owned.length > 0) {
        const [[start, end]] = owned.splice(place % owned.length, 1) as [[number, number]];
        space.give(start, end);
        isFree.fill(true, start, end);
      } else if (what === 2) {
        const end = Math.min(SIZE, place + length);
        for (let at = place; at < end; at++) if (isFree[at]) owned.push([at, at + 1]);
        space.claim(place, end);
        isFree.fill(false, place, end);
      }
      assert.equal(space.freeBytes, isFree.filter(Boolean).length);
    }
  }));
});
