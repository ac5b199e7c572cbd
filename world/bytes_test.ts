import assert from "node:assert/strict";
import fc from "fast-check";
import { ByteReader, ByteWriter, MalformedError } from "./bytes.ts";

/** A value of each type with what writes and reads it. */
const fieldArbitrary = fc.oneof(
  fc.record({ type: fc.constant("u8" as const), value: fc.integer({ min: 0, max: 0xff }) }),
  fc.record({ type: fc.constant("u16" as const), value: fc.integer({ min: 0, max: 0xffff }) }),
  fc.record({ type: fc.constant("u32" as const), value: fc.integer({ min: 0, max: 2 ** 32 - 1 }) }),
  fc.record({ type: fc.constant("u64" as const), value: fc.maxSafeNat() }),
  fc.record({ type: fc.constant("bool" as const), value: fc.boolean() }),
  fc.record({ type: fc.constant("uuid" as const), value: fc.uuid() }),
  fc.record({ type: fc.constant("string" as const), value: fc.string({ unit: "grapheme" }) }),
  fc.record({ type: fc.constant("bytes" as const), value: fc.uint8Array({ maxLength: 300 }) }),
);

Deno.test("ByteReader gives back what ByteWriter took, of any types in any order", () => {
  fc.assert(fc.property(fc.array(fieldArbitrary), (fields) => {
    const writer = new ByteWriter(1);
    for (const { type, value } of fields) (writer[type] as (value: unknown) => void)(value);
    const reader = new ByteReader(writer.copy());
    for (const { type, value } of fields) assert.deepEqual(reader[type](), value);
    reader.end();
  }));
});

Deno.test("ByteReader throws nothing but MalformedError on any bytes, and reads within them", () => {
  const types = fc.constantFrom(
    ...["u8", "u16", "u32", "u64", "bool", "uuid", "string", "bytes", "rest", "end"] as const,
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), fc.array(types), (bytes, calls) => {
    const reader = new ByteReader(bytes);
    try {
      for (const call of calls) reader[call]();
    } catch (error) {
      assert.ok(error instanceof MalformedError, String(error));
    }
    assert.ok(reader.remainingBytes >= 0);
  }));
});

Deno.test("ByteReader says what is wrong", () => {
  assert.throws(
    () => new ByteReader(new Uint8Array(3)).u32(),
    /Cut short: 4 bytes wanted at byte 0/,
  );
  assert.throws(() => new ByteReader(Uint8Array.of(2)).bool(), /is 2, not a truth value/);
  assert.throws(
    () => new ByteReader(Uint8Array.of(2, 0, 0, 0, 0xc3, 0x28)).string(),
    /not UTF-8/,
  );
  assert.throws(() => new ByteReader(Uint8Array.of(9, 0, 0, 0)).bytes(8), /9 bytes .* 8 may be/);
  assert.throws(() => new ByteReader(Uint8Array.of(1)).end(), /1 bytes too many/);
  const large = new Uint8Array(8).fill(0xff);
  assert.throws(() => new ByteReader(large).u64(), /above 2\^53/);
});

Deno.test("ByteWriter refuses values that don't fit", () => {
  assert.throws(() => new ByteWriter().u8(256));
  assert.throws(() => new ByteWriter().u16(2 ** 16));
  assert.throws(() => new ByteWriter().u32(2 ** 32));
  assert.throws(() => new ByteWriter().u32(0.5));
  assert.throws(() => new ByteWriter().u32(-1));
  assert.throws(() => new ByteWriter().u64(2 ** 53));
  assert.throws(() => new ByteWriter().uuid("no"));
});

Deno.test("ByteWriter.cut() and clear() forget what was written, and ByteReader keeps a byte order mark", () => {
  const writer = new ByteWriter(1).u8(1).string("\ufeffname \ufffd").u8(2);
  const { lengthBytes } = writer;
  writer.u32(3);
  writer.cut(lengthBytes);
  const reader = new ByteReader(writer.copy());
  assert.deepEqual([reader.u8(), reader.string(), reader.rest()], [
    1,
    "\ufeffname \ufffd",
    Uint8Array.of(2),
  ]);
  assert.equal(writer.clear().lengthBytes, 0);
});
