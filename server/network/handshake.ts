/**
 * How two nodes begin: each says who it is, and either may refuse.
 *
 * The side that connects sends `hello`; the other answers `welcome` or `refused`. The first then checks
 * the welcome, and sends `refused` itself if it doesn't fit. Bodies of `hello` and `welcome`:
 *
 * | field | type | |
 * | ----- | ---- | - |
 * | magic | 4 bytes | `WALN` |
 * | version | u16 | the sender's protocol version |
 * | purpose | u8 | 1 the node's one stream, 2 a visit (DESIGN.md §7, joining) |
 * | node id | u32 | |
 * | cluster | uuid | all zero: belongs to none yet |
 * | incarnation | uuid | made with the data directory |
 * | run | uuid | made at each start |
 * | raft address | string | `HOST:PORT` that others are told |
 * | client address | string | the same for clients |
 * | former runs | u8, that many uuids | what the directory remembers (server/runs.ts): the confirmed run, all zero for none, and the pending ones; missing: not known |
 *
 * More fields may follow in later versions; what isn't known is passed over. `refused`: a string, and a
 * u8 of {@link RefusalCode} (missing: 0).
 *
 * @module
 */

import {
  type Address,
  ByteReader,
  ByteWriter,
  formatAddress,
  MalformedError,
  parseAddress,
} from "../../world/mod.ts";
import type { FormerRuns } from "../runs.ts";

/**
 * What this code speaks. Nodes whose versions differ by at most one work together. A node of version 2 or
 * later reads metadata up to the format of the same number (server/metadata/command.ts).
 */
export const PROTOCOL_VERSION = 4;
/** The cluster UUID of a node that belongs to none yet. */
export const NO_CLUSTER = "00000000-0000-0000-0000-000000000000";
const NO_RUN = NO_CLUSTER;
/** Largest body of a handshake frame. */
export const MAX_HANDSHAKE_BODY_BYTES = 2 * 1024;
const MAX_ADDRESS_BYTES = 512;
const MAX_REASON_BYTES = 1024;
const MAGIC = 0x4e4c4157; // "WALN" as little-endian u32

/** What a node says of itself. */
export interface NodeIdentity {
  nodeId: number;
  /** {@link NO_CLUSTER} while joining. */
  clusterId: string;
  incarnation: string;
  runId: string;
  raftAddress: Address;
  clientAddress: Address;
  /** Earlier runs of the same directory; `null` where the node's program doesn't tell. */
  formerRuns: FormerRuns | null;
}

/** `stream`: the one lasting connection of a node to another. `visit`: one call, beside any stream. */
export type ConnectionPurpose = "stream" | "visit";

/** What the other side of a connection said of itself. */
export interface Hello extends NodeIdentity {
  version: number;
  purpose: ConnectionPurpose;
}

/** Why a node is refused, for a program. */
export const RefusalCode = {
  /** It may be let in later. */
  notNow: 0,
  /** Its incarnation was removed from the cluster: for ever. */
  removed: 1,
  /** Its id is known with another data directory, as far as the other side knows. */
  otherDisk: 2,
  /** It belongs to another cluster. */
  otherCluster: 3,
  /** Its data directory is an older copy: for ever. */
  olderCopy: 4,
  /** Another process with its id and its disk is connected: it may come in when that one is gone. */
  runsAlready: 5,
} as const;
/** One of the codes of {@link RefusalCode}, or one that a later version knows. */
export type RefusalCode = number;

/** What a side that does not want the other one tells it. */
export interface Refusal {
  reason: string;
  code: RefusalCode;
}

/**
 * Whether a node is let in. The reason is shown in both nodes' logs: say what to do about it. Without a code:
 * not now.
 */
export type Admission = { ok: true } | { refuse: string; code?: RefusalCode };
/** The node's policy. It is asked for both directions: for whom comes, and for whom it has reached. */
export type Admit = (hello: Hello, side: "incoming" | "outgoing") => Admission;

/** The other side does not fit, or we don't fit it. */
export class HandshakeRefusedError extends Error {
  override readonly name = "HandshakeRefusedError";
  constructor(
    message: string,
    /** What the other side said; `null` where this side refused. */
    readonly byOther: Refusal | null,
  ) {
    super(message);
  }
}

/** The body of `hello` and `welcome`. */
export function encodeHello(self: NodeIdentity, purpose: ConnectionPurpose): Uint8Array {
  const { formerRuns } = self;
  const writer = new ByteWriter()
    .u32(MAGIC)
    .u16(PROTOCOL_VERSION)
    .u8(purpose === "stream" ? 1 : 2)
    .u32(self.nodeId)
    .uuid(self.clusterId)
    .uuid(self.incarnation)
    .uuid(self.runId)
    .string(formatAddress(self.raftAddress))
    .string(formatAddress(self.clientAddress));
  if (formerRuns === null) return writer.copy();
  const runs = [formerRuns.confirmed ?? NO_RUN, ...formerRuns.pending];
  writer.u8(runs.length);
  for (const run of runs) writer.uuid(run);
  return writer.copy();
}

/** @throws {MalformedError} when it is no hello at all. */
export function decodeHello(body: Uint8Array): Hello {
  const reader = new ByteReader(body);
  if (reader.u32() !== MAGIC) {
    throw new MalformedError("The other side is not a Walrus node (is this a client port?).");
  }
  const version = reader.u16();
  const purpose = reader.u8() === 2 ? "visit" : "stream";
  return {
    version,
    purpose,
    nodeId: reader.u32(),
    clusterId: reader.uuid(),
    incarnation: reader.uuid(),
    runId: reader.uuid(),
    raftAddress: readAddress(reader),
    clientAddress: readAddress(reader),
    formerRuns: reader.remainingBytes > 0 ? readFormerRuns(reader) : null,
  };
}

function readFormerRuns(reader: ByteReader): FormerRuns {
  const runs = Array.from({ length: reader.u8() }, () => reader.uuid());
  const [confirmed = NO_RUN, ...pending] = runs;
  return { confirmed: confirmed === NO_RUN ? null : confirmed, pending };
}

/** What the version alone decides; `undefined` when it fits. */
export function versionRefusal(hello: Hello): string | undefined {
  if (Math.abs(hello.version - PROTOCOL_VERSION) <= 1) return undefined;
  const newer = hello.version > PROTOCOL_VERSION;
  return `Node ${hello.nodeId} speaks protocol version ${hello.version}, this node version ` +
    `${PROTOCOL_VERSION}; only neighbouring versions work together. ` +
    `Upgrade ${newer ? "this node" : `node ${hello.nodeId}`} step by step.`;
}

/** The body of `refused`. */
export function encodeRefusal(refusal: Refusal): Uint8Array {
  let text = refusal.reason;
  while (new TextEncoder().encode(text).length > MAX_REASON_BYTES) {
    text = text.slice(0, Math.floor(text.length / 2));
  }
  return new ByteWriter().string(text).u8(refusal.code).copy();
}

/** @throws {MalformedError} */
export function decodeRefusal(body: Uint8Array): Refusal {
  const reader = new ByteReader(body);
  const reason = reader.string(MAX_REASON_BYTES);
  return { reason, code: reader.remainingBytes > 0 ? reader.u8() : RefusalCode.notNow };
}

function readAddress(reader: ByteReader): Address {
  const text = reader.string(MAX_ADDRESS_BYTES);
  const address = parseAddress(text);
  if (address === undefined) {
    throw new MalformedError(`"${text.slice(0, 80)}" is not an address (HOST:PORT).`);
  }
  return address;
}
