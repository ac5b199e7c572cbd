import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { FrameReader } from "./frame_reader.ts";
import { parseResponse, type Response, ResponseWriter } from "./response.ts";

function read(bytes: Uint8Array): Response[] {
  const reader = new FrameReader();
  reader.push(bytes);
  const got: Response[] = [];
  while (reader.next() === "frame") got.push(parseResponse(reader.bytes, reader.start, reader.end));
  return got;
}

Deno.test("ResponseWriter and parseResponse() agree", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 2000 }), fc.string(), (payload, message) => {
    const writer = new ResponseWriter();
    writer.ok();
    writer.okPayload(payload);
    writer.empty();
    writer.error(message);
    writer.json(`{"topic":${JSON.stringify(message)}}`);
    const got = read(writer.bytes);
    deepStrictEqual(got[0], { kind: "ok" });
    strictEqual(got[1]!.kind, "payload");
    deepStrictEqual(got[1]!.kind === "payload" && got[1]!.payload.slice(), payload);
    deepStrictEqual(got[2], { kind: "empty" });
    deepStrictEqual(got[3], { kind: "error", message });
    deepStrictEqual(got[4]!.kind === "json" && JSON.parse(got[4]!.text), { topic: message });
  }));
});

Deno.test("ResponseWriter takes the payload out of a larger buffer", () => {
  const writer = new ResponseWriter();
  writer.okPayload(new TextEncoder().encode("..payload.."), 2, 9);
  deepStrictEqual(
    writer.bytes,
    Uint8Array.from([10, 0, 0, 0, ...new TextEncoder().encode("OK payload")]),
  );
  writer.clear();
  strictEqual(writer.lengthBytes, 0);
});

Deno.test("parseResponse() tells an empty payload from a plain OK", () => {
  const encode = (text: string) => new TextEncoder().encode(text);
  strictEqual(parseResponse(encode("OK")).kind, "ok");
  strictEqual(parseResponse(encode("OK ")).kind, "payload");
});

Deno.test("parseResponse() calls everything else garbage, whatever the bytes", () => {
  for (const text of ["", "O", "OKAY", "EMPTY ", "ERR", "HTTP/1.1 400 Bad Request"]) {
    strictEqual(parseResponse(new TextEncoder().encode(text)).kind, "garbage", text);
  }
  fc.assert(fc.property(fc.uint8Array(), (bytes) => {
    parseResponse(bytes);
  }));
});
