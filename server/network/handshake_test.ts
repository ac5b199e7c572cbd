import { ByteWriter, MalformedError } from "../../world/mod.ts";
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  decodeHello,
  decodeRefusal,
  encodeHello,
  encodeRefusal,
  MAX_HANDSHAKE_BODY_BYTES,
  NO_CLUSTER,
  type NodeIdentity,
  PROTOCOL_VERSION,
  RefusalCode,
  versionRefusal,
} from "./handshake.ts";

const identity: NodeIdentity = {
  nodeId: 3,
  clusterId: NO_CLUSTER,
  incarnation: "01234567-89ab-4def-8123-456789abcdef",
  runId: "fedcba98-7654-4210-9edc-ba9876543210",
  raftAddress: { host: "::1", port: 6001 },
  clientAddress: { host: "db-1.example", port: 9091 },
  formerRuns: {
    confirmed: "00000001-7654-8210-9edc-ba9876543210",
    pending: ["00000002-7654-8210-9edc-ba9876543210"],
  },
};

Deno.test("decodeHello() gives back what encodeHello() was given", () => {
  for (const purpose of ["stream", "visit"] as const) {
    const hello = decodeHello(encodeHello(identity, purpose));
    assert.deepEqual(hello, { ...identity, purpose, version: PROTOCOL_VERSION });
  }
});

Deno.test("decodeHello() passes over fields that later versions add", () => {
  const longer = new ByteWriter().raw(encodeHello(identity, "stream")).string("new").copy();
  assert.deepEqual(decodeHello(longer), decodeHello(encodeHello(identity, "stream")));
});

Deno.test("decodeHello() throws nothing but MalformedError, on any bytes and any damage", () => {
  const good = encodeHello(identity, "stream");
  const damaged = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255))).map((edits) => {
    const bytes = good.slice();
    for (const [at, value] of edits) bytes[at] = value;
    return bytes;
  });
  const cut = fc.nat(good.length).map((length) => good.subarray(0, length));
  fc.assert(fc.property(fc.oneof(fc.uint8Array(), damaged, cut), (bytes) => {
    for (const decode of [decodeHello, decodeRefusal]) {
      try {
        decode(bytes);
      } catch (error) {
        assert.ok(error instanceof MalformedError, String(error));
      }
    }
  }));
});

Deno.test("versionRefusal() lets neighbouring versions in and says what to upgrade", () => {
  const hello = decodeHello(encodeHello(identity, "stream"));
  const refusalOf = (version: number) => versionRefusal({ ...hello, version });
  assert.equal(refusalOf(PROTOCOL_VERSION), undefined);
  assert.equal(refusalOf(PROTOCOL_VERSION + 1), undefined);
  assert.equal(refusalOf(PROTOCOL_VERSION - 1), undefined);
  assert.match(refusalOf(PROTOCOL_VERSION + 2)!, /Upgrade this node/);
  assert.match(refusalOf(PROTOCOL_VERSION - 2)!, /Upgrade node 3/);
});

Deno.test("encodeRefusal() keeps any reason within a handshake frame", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme", maxLength: 5000 }), (reason) => {
    const body = encodeRefusal({ reason, code: RefusalCode.removed });
    assert.ok(body.length <= MAX_HANDSHAKE_BODY_BYTES);
    assert.equal(decodeRefusal(body).code, RefusalCode.removed);
  }));
  const refusal = { reason: "full", code: RefusalCode.otherCluster };
  assert.deepEqual(decodeRefusal(encodeRefusal(refusal)), refusal);
});

Deno.test("decodeRefusal() takes a refusal without a code for one of the moment", () => {
  const old = new ByteWriter().string("full").copy();
  assert.deepEqual(decodeRefusal(old), { reason: "full", code: RefusalCode.notNow });
});
