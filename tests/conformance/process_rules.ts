/**
 * Processes: `Crash`, `LoseDisk`, `Restart`. What a crash has kept shows at the restart.
 *
 * A restart is four events in the code: `restart` (what the disk holds), `remember` (its fences), `ready` (of what
 * it is uncertain), and the command that registers its run in metadata (what it may lead).
 *
 * @module
 */

import type { EventOf } from "./metadata_rules.ts";
import type { Model, NodeModel, ReplicaModel, SegmentModel } from "./model.ts";
import { need } from "./refusal.ts";

/** `Crash`: the process ends. */
export function crash(model: Model, event: EventOf<"crash">): void {
  end(model, model.node(event.node));
}

function end(model: Model, node: NodeModel): void {
  node.isUp = false;
  node.leaseAt = -1;
  for (const { segments } of model.topics.values()) {
    for (const segment of segments) {
      if (segment.writer?.node === node.id) segment.writer = null;
      segment.decisions.delete(node.id);
    }
  }
}

/** `RefreshLease`: what the lease is for goes by what the node knows of metadata now. */
export function refreshLease(model: Model, event: EventOf<"refreshLease">): void {
  const node = model.node(event.node);
  need(node.isUp, "RefreshLease", "its process does not run");
  node.leaseAt = event.isHeld ? node.known : -1;
}

/** `Restart`, and `LoseDisk` before it where the directory is another one. */
export function restart(model: Model, event: EventOf<"restart">): void {
  const node = model.node(event.node);
  const isSynced = event.durability === "each";
  need(node.run !== event.run, "Restart", "it is the run that was there before");
  const isWiped = node.incarnation !== "" && node.incarnation !== event.incarnation;
  const kept = new Map(event.logs.map((log) => [`${log.topic}/${log.segment}`, log]));
  if (isWiped) need(kept.size === 0, "LoseDisk", "a new directory holds segments");
  else for (const [segment, replica] of node.replicas) mustKeep({ segment, replica, kept, node });
  for (const log of event.logs) {
    const segment = model.segment(log);
    need(log.length === 0 || segment !== undefined, "Restart", () => `what is ${log.topic}?`);
  }
  end(model, node);
  for (const [segment, replica] of node.replicas) {
    const log = kept.get(segment.name);
    keep({ segment, replica, node }, { length: log?.length ?? 0, isWiped });
    if (log?.isCertain === false) replica.isUncertain = true;
  }
  node.isUp = true;
  node.run = event.run;
  node.incarnation = event.incarnation;
  node.known = 0;
  node.isInDoubt = true;
  model.isSyncedByDefault = isSynced;
}

interface Kept {
  segment: SegmentModel;
  replica: ReplicaModel;
  node: NodeModel;
}

/**
 * Of what was not durable any prefix survives; of what is, all: unless the disk has rotted (a small `LoseDisk`),
 * and the node says so, of that log or of all (`remember`).
 */
function mustKeep(
  { segment, replica, kept, node }: Kept & {
    kept: Map<string, { length: number; entries: number; isCertain: boolean }>;
  },
): void {
  const log = kept.get(segment.name);
  const { length, entries } = log ?? { length: 0, entries: 0 };
  if (replica.isGoing && length === 0) return;
  if (log?.isCertain === false && length <= replica.length) return;
  if (log === undefined) return; // forgotten: `keep` asks for doubt
  // A tail that was on its way to be cut may be gone.
  const least = segment.isSealedAt(node.known)
    ? Math.min(replica.durable, segment.seal!.length)
    : replica.durable;
  need(
    length >= least && length <= Math.max(replica.length, replica.ghost),
    "Crash",
    () =>
      `${segment.name} had ${replica.length} records, ${least} of them durably, and has ${length}`,
  );
  need(
    entries === segment.entriesBefore(length),
    "Crash",
    () => `${segment.entriesBefore(length)} of ${length} records of ${segment.name} were entries`,
  );
}

function keep({ segment, replica, node }: Kept, left: { length: number; isWiped: boolean }): void {
  if (left.length < replica.durable) segment.lostOn.add(node.id);
  const had = replica.isGoing ? 0 : replica.durable;
  replica.length = left.length;
  replica.durable = Math.min(replica.durable, left.length);
  replica.ghost = 0;
  if (replica.length === 0) replica.isGoing = false;
  if (left.isWiped) replica.isFenced = replica.isUncertain = false;
  const told = Math.max(segment.acks.get(node.id) ?? 0, had);
  const hasForgotten = left.length < told || left.isWiped;
  if (hasForgotten && !segment.isSealed) replica.mustDoubt = true;
  if (segment.isAlone && segment.leader === node.id && !segment.isSealed) {
    segment.truncate(left.length);
    segment.committed = Math.min(segment.committed, left.length);
  }
}

const nameOf = (at: { topic: string; segment: number }): string => `${at.topic}/${at.segment}`;

/** `Restart`: ⛔ a fence that was answered is there, or the node says that it is certain of nothing. */
export function remember(model: Model, event: EventOf<"remember">): void {
  const node = model.node(event.node);
  need(node.isUp, "Restart", "its process does not run");
  const fenced = new Set(event.fenced.map(nameOf));
  const uncertain = new Set(event.uncertain.map(nameOf));
  if (event.isCertain) {
    for (const [segment, replica] of node.replicas) {
      if (isOver(segment)) continue;
      need(
        !replica.isFenced || fenced.has(segment.name),
        "FenceIsDurable",
        () => `the fence of ${segment.name} is forgotten`,
      );
      mustDoubt(segment, replica, uncertain);
    }
  }
  for (const at of event.fenced) {
    const segment = model.segment(at);
    // It may have become durable just before the process ended.
    need(
      segment !== undefined && segment.begunAt !== Infinity,
      "Fence",
      () => `nobody began to seal ${nameOf(at)}`,
    );
  }
  for (const at of event.fenced) model.replica(node, model.segment(at)!).isFenced = true;
  for (const at of event.uncertain) becomeUncertain(model, node, at);
  node.isInDoubt = !event.isCertain;
}

/** No seal is to come, so no vote: it is sealed, or its topic was deleted, for whoever has heard of that or has not. */
function isOver(segment: SegmentModel): boolean {
  return segment.isSealed || segment.goneAt !== Infinity;
}

/** ⛔ What may have been forgotten is remembered. */
function mustDoubt(segment: SegmentModel, replica: ReplicaModel, uncertain: Set<string>): void {
  if (!replica.mustDoubt) return;
  need(
    replica.isUncertain || uncertain.has(segment.name),
    "UncleanStopIsUncertain",
    () => `it has forgotten what it acknowledged of ${segment.name}, and is certain of it`,
  );
}

function becomeUncertain(
  model: Model,
  node: NodeModel,
  at: { topic: string; segment: number },
): void {
  const segment = model.segment(at);
  if (segment) model.replica(node, segment).isUncertain = true;
}

/** `Restart`: the cluster has told which segments were open. */
export function ready(model: Model, event: EventOf<"ready">): void {
  const node = model.node(event.node);
  need(node.isUp, "Restart", "its process does not run");
  const uncertain = new Set(event.uncertain.map(nameOf));
  for (const [segment, replica] of node.replicas) {
    if (!isOver(segment)) mustDoubt(segment, replica, uncertain);
  }
  for (const at of event.uncertain) becomeUncertain(model, node, at);
  node.isInDoubt = false;
}
