import assert from "node:assert/strict";
import fc from "fast-check";
import { openShim } from "../ffi/mod.ts";
import { type Crc32c, crc32cByTables } from "./crc32c.ts";

/** RFC 3720, B.4, and the check value that every catalogue of CRCs gives. */
const VECTORS: [string, Uint8Array, number][] = [
  ["32 zeroes", new Uint8Array(32), 0x8a9136aa],
  ["32 bytes of 0xff", new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ["0 to 31", Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
  ["31 to 0", Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
  [
    "an iSCSI read command",
    // deno-fmt-ignore
    Uint8Array.of(
      0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 0x04, 0,
      0, 0, 0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0, 0,
    ),
    0xd9963a56,
  ],
  ["123456789", new TextEncoder().encode("123456789"), 0xe3069283],
  ["nothing", new Uint8Array(0), 0],
];

/** One bit at a time, as the definition says. */
function crc32cNaively(bytes: Uint8Array, start: number, end: number, seed: number): number {
  let crc = ~seed >>> 0;
  for (let at = start; at < end; at++) {
    crc ^= bytes[at]!;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

/** Lengths that reach every loop: bytes, words, short lanes (3 × 192), long lanes (3 × 2048). */
const BYTES = fc.uint8Array({ maxLength: 64 });
const LONG = fc.tuple(fc.integer({ min: 0, max: 20_000 }), fc.integer()).map(([length, seed]) => {
  const bytes = new Uint8Array(length);
  let state = seed | 1;
  for (let i = 0; i < length; i++) {
    state = Math.imul(state, 1103515245) + 12345;
    bytes[i] = state >>> 16;
  }
  return bytes;
});

function checkAll(crc32c: Crc32c): void {
  for (const [name, bytes, expected] of VECTORS) {
    assert.equal(crc32c(bytes, 0, bytes.length, 0), expected, name);
  }
  fc.assert(fc.property(fc.oneof(BYTES, LONG), fc.nat(), fc.nat(), (bytes, a, b) => {
    const [start, end] = [a % (bytes.length + 1), b % (bytes.length + 1)].sort((x, y) => x - y) as [
      number,
      number,
    ];
    const whole = crc32cNaively(bytes, start, end, 0);
    assert.equal(crc32c(bytes, start, end, 0), whole);
    const middle = start + ((end - start) >> 1);
    assert.equal(crc32c(bytes, middle, end, crc32c(bytes, start, middle, 0)), whole);
  }));
  assert.throws(() => crc32c(new Uint8Array(4), 0, 5, 0), /Invariant broken/);
}

Deno.test("crc32cByTables() agrees with RFC 3720 and with the definition", () => {
  checkAll(crc32cByTables);
});

const opened = await openShim();
const reason = opened.ok ? "" : ` (skipped: ${opened.reason})`;

Deno.test({
  name: `Shim.crc32c() agrees with RFC 3720 and with the definition${reason}`,
  ignore: !opened.ok,
  fn: () => {
    assert(opened.ok);
    checkAll(opened.shim.crc32c);
    checkAll(opened.shim.crc32cSoftware);
  },
});
