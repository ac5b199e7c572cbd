/**
 * Who a node is, in a small file beside its data: `node.json`.
 *
 * | key | value |
 * | --- | ----- |
 * | `format` | {@link IDENTITY_FORMAT}; {@link UNFIT_FORMAT} with `unfit`; a newer one is refused |
 * | `nodeId` | as given by `--node-id` when the directory was made |
 * | `incarnation` | UUID made with the directory |
 * | `clusterId` | UUID of the cluster; null until the node has made or joined one |
 * | `isFounder` | this node made the cluster, and may begin its Raft log |
 * | `peers` | [{id, host, port}]: where the other nodes were last, so that a restart finds them |
 * | `runs` | earlier starts of the directory (runs.ts); missing where no program wrote that knows them. An older one keeps the key as it is, and its own starts are not in it |
 * | `unfit` | why no process may use the directory any more; mostly missing. Its format keeps out older programs, too |
 * | `crc` | CRC-32C of this object's JSON without this key: a rotten id must not pass for another cluster's |
 *
 * @module
 */

import type { Disk, Random } from "../world/mod.ts";
import { crc32cByTables, ForeignDirectoryError } from "../storage/mod.ts";
import type { NodeInfo } from "./metadata/mod.ts";
import { type FormerRuns, replaceText } from "./runs.ts";

const FILE_NAME = "node.json";
/** Raised when a key changes its meaning. */
export const IDENTITY_FORMAT = 1;
/** What a program that knows nothing of `unfit` refuses. */
export const UNFIT_FORMAT = 2;

/** Where another node was last. */
export interface PeerAddress {
  id: number;
  host: string;
  port: number;
}

/** Where the others of `nodes` are. */
export function peersOf(nodes: readonly NodeInfo[], selfId: number): PeerAddress[] {
  return nodes.filter((node) => node.id !== selfId)
    .map((node) => ({ id: node.id, host: node.raftHost, port: node.raftPort }));
}

/** The content of `node.json`. */
export interface Identity {
  format: number;
  nodeId: number;
  incarnation: string;
  clusterId: string | null;
  isFounder: boolean;
  peers: PeerAddress[];
  runs?: FormerRuns;
  unfit?: string;
}

/**
 * Reads who this directory belongs to, or makes a new identity in an empty one. The incarnation is
 * durable before anybody hears of it: a node that dies while it joins comes back as the same.
 *
 * @throws {ForeignDirectoryError} for another node's directory, a newer format, or a broken file.
 */
export async function openIdentity(
  disk: Disk,
  nodeId: number,
  random: Random,
): Promise<IdentityFile> {
  const bytes = await disk.readSmall(FILE_NAME);
  if (bytes !== null) return new IdentityFile(disk, checked(bytes, nodeId));
  const identity: Identity = {
    format: IDENTITY_FORMAT,
    nodeId,
    incarnation: random.uuid(),
    clusterId: null,
    isFounder: false,
    peers: [],
  };
  await saveIdentity(disk, identity);
  return new IdentityFile(disk, identity);
}

/** Replaces the file, atomically and durably. */
async function saveIdentity(disk: Disk, identity: Identity): Promise<void> {
  const text = JSON.stringify({ ...identity, crc: checksumOf(identity) });
  await disk.writeSmall(FILE_NAME, new TextEncoder().encode(text + "\n"));
}

function checksumOf(identity: Identity): number {
  const bytes = new TextEncoder().encode(JSON.stringify(identity));
  return crc32cByTables(bytes, 0, bytes.length, 0);
}

/** Keeps `node.json` as the node is now: one write at a time, the last one wins. */
export class IdentityFile {
  readonly identity: Identity;
  readonly #disk: Disk;
  #saving: Promise<void> = Promise.resolve();

  constructor(disk: Disk, identity: Identity) {
    this.#disk = disk;
    this.identity = identity;
  }

  /** Resolves when what the identity is now is durable. */
  save(): Promise<void> {
    const saved = this.#saving.then(() => saveIdentity(this.#disk, this.identity));
    this.#saving = saved.catch(() => {});
    return saved;
  }
}

function checked(bytes: Uint8Array, nodeId: number): Identity {
  let identity: Identity;
  let crc: unknown;
  try {
    const stored: Identity & { crc?: unknown } = JSON.parse(new TextDecoder().decode(bytes));
    ({ crc, ...identity } = stored);
  } catch {
    throw new ForeignDirectoryError(
      `${FILE_NAME} in the data directory is not JSON: is it Walrus's?`,
    );
  }
  if (identity.format !== IDENTITY_FORMAT && identity.format !== UNFIT_FORMAT) {
    throw new ForeignDirectoryError(
      `the data directory has format ${identity.format}, this program reads ${UNFIT_FORMAT}`,
    );
  }
  if (crc !== checksumOf(identity)) {
    throw new ForeignDirectoryError(
      `${FILE_NAME} in the data directory is corrupt: its checksum is ${crc}, not ` +
        `${
          checksumOf(identity)
        }. Remove this node from the cluster, empty its data directory and add ` +
        `it again`,
    );
  }
  if (identity.nodeId !== nodeId) {
    throw new ForeignDirectoryError(
      `the data directory belongs to node ${identity.nodeId}, not ${nodeId}: ` +
        `use --node-id ${identity.nodeId} or another --data-dir`,
    );
  }
  // ⛔ What it has forgotten doesn't come back, though the cluster may have nobody left who can tell.
  if (identity.unfit !== undefined) {
    throw new ForeignDirectoryError(`${identity.unfit}. ${replaceText(nodeId)}`);
  }
  return identity;
}
