/**
 * Control records: what a segment's log holds besides entries.
 *
 * | bytes | field |
 * | ----- | ----- |
 * | 1 | kind: 1 = cursors |
 * | … | kind 1: the topic's whole cursor table (metadata/command_codec.ts, `writeCursors`) |
 *
 * The whole table stands in each record, so that the last one alone tells where every cursor is.
 *
 * @module
 */

import { ByteReader, ByteWriter, MalformedError } from "../../world/mod.ts";
import { type Cursor, readCursors, writeCursors } from "../metadata/mod.ts";

const KIND_CURSORS = 1;

/** The bytes of a cursor record. */
export function encodeCursors(cursors: readonly Cursor[]): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(KIND_CURSORS);
  writeCursors(writer, cursors);
  return writer.view;
}

/** Where the shared cursor stands in a table. */
export function sharedOffset(cursors: readonly Cursor[]): number {
  return cursors.find((cursor) => cursor.name === "")?.offset ?? 0;
}

/** @throws {MalformedError} for a kind that this build doesn't know, or cut bytes. */
export function decodeCursors(payload: Uint8Array): Cursor[] {
  const reader = new ByteReader(payload);
  const kind = reader.u8();
  if (kind !== KIND_CURSORS) {
    throw new MalformedError(`control record of unknown kind ${kind}: upgrade this node`);
  }
  const cursors = readCursors(reader);
  reader.end();
  return cursors;
}
