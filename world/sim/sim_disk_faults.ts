/**
 * Faults that a simulated drive can be told to have.
 *
 * @module
 */

import { DiskError } from "../disk.ts";

/** Operations that can be made to fail. */
export type FaultyOp = "open" | "allocate" | "write" | "sync" | "read" | "remove";

/** A fault that waits for its moment. */
export interface DiskFault {
  op: FaultyOp;
  code: DiskError["code"];
  /** How many calls of that kind go well before. Default 0: the next one fails. */
  after?: number;
  /** How many fail then. Default 1. */
  times?: number;
  /** Only operations on this file count. */
  file?: string;
}

/** What a simulated drive answers. */
export function simError(op: DiskError["op"], code: DiskError["code"], file: string): DiskError {
  return new DiskError(op, code, file, `Can't ${op} ${file}: ${code} (simulated).`);
}
