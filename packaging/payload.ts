/**
 * Writes what the launcher carries behind its own code. `launcher/payload.h` has the layout and reads it.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { constants, zstdCompressSync } from "node:zlib";
import { assert } from "../world/mod.ts";

const MAGIC = "WALRUSX1";
const NAME_BYTES = 48;
const MEMBER_BYTES = 64;
const TRAILER_BYTES = 96;
const FOLDER_NAME_AT = 32;
const FOLDER_NAME_BYTES = 64;
/** `launcher/payload.h`: MEMBERS_MAX. */
const MEMBERS_MAX = 16;
const HASH_CHARACTERS = 16;
/** Higher ones cost minutes and save a tenth. */
const ZSTD_LEVEL = 3;

const CODECS = { stored: 0, zstd: 1 } as const;
/** How the members' bytes are kept. */
export type Codec = keyof typeof CODECS;

/** One file of the cache folder. */
export interface Member {
  name: string;
  bytes: Uint8Array;
  mode: number;
}

/** What stands behind the launcher, which is `launcherLength` bytes long. */
export function encodePayload(
  members: readonly Member[],
  options: { codec: Codec; launcherLength: number; version: string },
): Uint8Array {
  const { codec, launcherLength, version } = options;
  assert(members.length > 0 && members.length <= MEMBERS_MAX, "a payload has 1 to 16 members");
  const table = encodeTable(members);
  const bytes = concat(members.map((member) => member.bytes));
  const stream = codec === "zstd" ? compress(bytes) : bytes;

  const trailer = new Uint8Array(TRAILER_BYTES);
  const view = new DataView(trailer.buffer);
  const hash = createHash("sha256").update(table).update(bytes).digest("hex");
  putText(trailer, { at: 0, text: MAGIC, room: MAGIC.length });
  view.setBigUint64(8, BigInt(launcherLength), true);
  view.setBigUint64(16, BigInt(stream.length), true);
  view.setUint32(24, CODECS[codec], true);
  view.setUint32(28, members.length, true);
  const folder = `${version}-${hash.slice(0, HASH_CHARACTERS)}`;
  putText(trailer, { at: FOLDER_NAME_AT, text: folder, room: FOLDER_NAME_BYTES - 1 });
  return concat([stream, table, trailer]);
}

function encodeTable(members: readonly Member[]): Uint8Array {
  const table = new Uint8Array(members.length * MEMBER_BYTES);
  const view = new DataView(table.buffer);
  members.forEach(({ name, bytes, mode }, i) => {
    const at = i * MEMBER_BYTES;
    assert(bytes.length > 0, "a member has bytes: the launcher goes from one to the next by them");
    putText(table, { at, text: name, room: NAME_BYTES - 1 });
    view.setBigUint64(at + NAME_BYTES, BigInt(bytes.length), true);
    view.setUint32(at + NAME_BYTES + 8, mode, true);
  });
  return table;
}

function compress(bytes: Uint8Array): Uint8Array {
  return zstdCompressSync(bytes, {
    params: {
      [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL,
      [constants.ZSTD_c_checksumFlag]: 1,
    },
  });
}

function putText(target: Uint8Array, options: { at: number; text: string; room: number }): void {
  const bytes = new TextEncoder().encode(options.text);
  assert(bytes.length <= options.room, `"${options.text}" fits into its field`);
  target.set(bytes, options.at);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
