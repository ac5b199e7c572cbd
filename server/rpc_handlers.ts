/**
 * What this node does for other nodes (messages.ts).
 *
 * @module
 */

import type { RaftNode } from "../raft/mod.ts";
import type { LogStore } from "../storage/mod.ts";
import { FAREWELL_TIMEOUT_MS, REQUEST_TIMEOUT_MS } from "./config.ts";
import { UnavailableError, wireMessage } from "./errors.ts";
import { type Departures, letIn } from "./membership/mod.ts";
import {
  FAILED_CODE,
  METHOD,
  readAppend,
  readAppendUnits,
  readComplete,
  readFetch,
  readLeave,
  readNodeBody,
  readRead,
  readReplicate,
  readTake,
  readTargetBody,
  writeAppendReply,
  writeAppendUnitsReply,
  writeDigest,
  writeExtent,
  writeFenceAnswer,
  writePlaced,
  writeProposeReply,
  writeReadReply,
  writeTakeReply,
} from "./messages.ts";
import { readReadOpen, writeReadOpenReply } from "./read_open_messages.ts";
import type { Metadata } from "./metadata/mod.ts";
import { type Peers, RemoteError, RpcRefusal } from "./network/mod.ts";
import {
  appendHere,
  fetchHere,
  readRecords,
  readReplica,
  type Routes,
  takeHere,
} from "./routing/mod.ts";

/** For a look at the cluster's metadata while a node waits to stop; it waits longer than that, milliseconds. */
const FAREWELL_REFRESH_MS = FAREWELL_TIMEOUT_MS / 2;

/** What the handlers act through. */
export interface HandlerParts {
  raft: RaftNode;
  metadata: Metadata;
  routes: Routes;
  store: LogStore;
  peers: Peers;
  clusterId: string;
  departures: Departures;
}

/**
 * Handles one request or message of another node. `body` is valid only until this returns: what is needed
 * later is decoded or copied before the first `await`.
 */
export function handleRpc(
  parts: HandlerParts,
  from: number,
  method: number,
  body: Uint8Array,
): Promise<Uint8Array> | void {
  switch (method) {
    case METHOD.raft:
      return parts.raft.step(from, body);
    case METHOD.leave:
      parts.departures.note(from, readLeave(body));
      return Promise.resolve(new Uint8Array(0));
    case METHOD.farewell:
      return refusing(handleFarewell(parts, from, readLeave(body)));
    case METHOD.join:
      return refusing(handleJoin(parts, body.slice()));
    case METHOD.propose:
      return refusing(handlePropose(parts, body.slice()));
    case METHOD.append:
      return refusing(handleAppend(parts, body));
    case METHOD.take:
      return refusing(handleTake(parts, body));
    case METHOD.read:
      return refusing(handleRead(parts, body));
    case METHOD.replicate:
      return refusing(handleReplicate(parts, from, body));
    case METHOD.probe:
      return refusing(handleProbe(parts, from, body));
    case METHOD.fence:
      return refusing(handleFence(parts, body));
    case METHOD.complete:
      return refusing(handleComplete(parts, body));
    case METHOD.fetch:
      return refusing(handleFetch(parts, body));
    case METHOD.digest:
      return refusing(handleDigest(parts, body));
    case METHOD.appendUnits:
      return refusing(handleAppendUnits(parts, body));
    case METHOD.readOpen:
      return refusing(handleReadOpen(parts, body));
    default:
      throw new RpcRefusal(FAILED_CODE, `method ${method} is not known here: upgrade this node`);
  }
}

/** A request's own failure travels to the caller in the words that a client may read. */
async function refusing(answer: Promise<Uint8Array>): Promise<Uint8Array> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof RpcRefusal) throw error;
    // A refusal of the node that was asked in turn keeps its meaning.
    const code = error instanceof RemoteError ? error.code : FAILED_CODE;
    throw new RpcRefusal(code, wireMessage(error));
  }
}

/**
 * A node that stops has handed over what it led. Nothing more is asked of it by those who know that, and what was asked
 * before has its answer when it hears this one: only then may it break its connections, else clients would be told
 * that nobody knows what became of their request.
 */
async function handleFarewell(
  { departures, metadata, routes }: HandlerParts,
  from: number,
  run: string,
): Promise<Uint8Array> {
  departures.note(from, run);
  // Where Raft has no leader now, more may be asked of the node; what is under way is answered all the same.
  await metadata.refresh({ timeoutMs: FAREWELL_REFRESH_MS }).catch(() => {});
  await routes.underWay.over(from);
  return new Uint8Array(0);
}

async function handleJoin(parts: HandlerParts, body: Uint8Array): Promise<Uint8Array> {
  const { role, leader } = parts.raft.status;
  if (role === "leader") return await letIn(parts, readNodeBody(body));
  if (leader === null) throw new UnavailableError("the cluster has no leader now: try again later");
  return await parts.peers.call(leader, METHOD.join, body, { timeoutMs: REQUEST_TIMEOUT_MS });
}

async function handlePropose(parts: HandlerParts, body: Uint8Array): Promise<Uint8Array> {
  return writeProposeReply(await parts.metadata.proposeHere(body, REQUEST_TIMEOUT_MS));
}

async function handleAppend(parts: HandlerParts, body: Uint8Array): Promise<Uint8Array> {
  // An append that has to wait for memory outlives the body's bytes.
  const { topic, segment, batch } = readAppend(parts.store.backlogged ? body.slice() : body);
  const accepted = await appendHere(parts.routes, { topic, segment, batch, ends: null });
  return writeAppendReply(accepted?.entries ?? null);
}

async function handleAppendUnits(parts: HandlerParts, body: Uint8Array): Promise<Uint8Array> {
  const request = readAppendUnits(parts.store.backlogged ? body.slice() : body);
  return writeAppendUnitsReply(await appendHere(parts.routes, request));
}

async function handleReadOpen(parts: HandlerParts, body: Uint8Array): Promise<Uint8Array> {
  const entries = await fetchHere(parts.routes, readReadOpen(body));
  const reply = writeReadOpenReply(entries);
  entries?.release?.();
  return reply;
}

async function handleTake(parts: HandlerParts, body: Uint8Array): Promise<Uint8Array> {
  const { topic, segment, count } = readTake(body);
  return writeTakeReply(await takeHere(parts.routes, topic, segment, count));
}

async function handleRead(parts: HandlerParts, body: Uint8Array): Promise<Uint8Array> {
  const { buffers, segments } = parts.routes;
  const entries = await readReplica(segments, readRead(body), buffers);
  const reply = writeReadReply(entries);
  entries.release?.();
  return reply;
}

async function handleReplicate(
  parts: HandlerParts,
  from: number,
  body: Uint8Array,
): Promise<Uint8Array> {
  const { target, streamed } = readReplicate(body);
  return writeExtent(await parts.routes.segments.replicas.append(from, target, streamed));
}

async function handleProbe(
  parts: HandlerParts,
  from: number,
  body: Uint8Array,
): Promise<Uint8Array> {
  return writeExtent(await parts.routes.segments.replicas.probe(from, readTargetBody(body)));
}

async function handleFence(parts: HandlerParts, body: Uint8Array): Promise<Uint8Array> {
  return writeFenceAnswer(await parts.routes.segments.replicas.fence(readTargetBody(body)));
}

async function handleComplete(parts: HandlerParts, body: Uint8Array): Promise<Uint8Array> {
  const { target, from, end } = readComplete(body);
  await parts.routes.segments.replicas.complete(target, { from, end });
  return new Uint8Array(0);
}

async function handleFetch(parts: HandlerParts, body: Uint8Array): Promise<Uint8Array> {
  return writePlaced(await readRecords(parts.routes.segments, readFetch(body)));
}

async function handleDigest(parts: HandlerParts, body: Uint8Array): Promise<Uint8Array> {
  return writeDigest(await parts.routes.segments.replicas.digest(readTargetBody(body)));
}
