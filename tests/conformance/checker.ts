/**
 * Holds what nodes do to `spec/Walrus.tla`, step by step: each event must be an action that is enabled in the
 * model's state, and what it says must be what the action does there.
 *
 * @module
 */

import type { TraceEvent } from "../../server/segments/segment_trace.ts";
import * as failover from "./failover_rules.ts";
import * as metadata from "./metadata_rules.ts";
import { Model } from "./model.ts";
import * as process from "./process_rules.ts";
import { RefusedEventError, ViolatedPropertyError } from "./refusal.ts";
import * as replica from "./replica_rules.ts";
import * as writer from "./writer_rules.ts";

/** Events that are kept for a report. */
const EVENTS_KEPT = 40;

/** Why an event is not accepted. */
export interface Refusal {
  /** A rule or a property, by the specification's name where it has one. */
  rule: string;
  why: string;
  /** It led to a state that must not be: no other order would help. */
  isFinal: boolean;
}

/** One for each run. */
export class ConformanceChecker {
  readonly model = new Model();
  #last: TraceEvent[] = [];
  #count = 0;

  /** Events accepted so far. */
  get count(): number {
    return this.#count;
  }

  /** Takes the step; `null` when it is one of the specification's. A refused event has changed nothing. */
  accept(event: TraceEvent): Refusal | null {
    try {
      step(this.model, event);
    } catch (error) {
      if (error instanceof RefusedEventError || error instanceof ViolatedPropertyError) {
        const isFinal = error instanceof ViolatedPropertyError;
        return { rule: error.rule, why: error.message, isFinal };
      }
      throw error;
    }
    this.#count++;
    this.#last.push(event);
    if (this.#last.length >= 2 * EVENTS_KEPT) this.#last = this.#last.slice(-EVENTS_KEPT);
    return null;
  }

  /** What stands around a refusal: the event, the state that it met, and what led there. */
  describe(event: TraceEvent, refusal: Refusal): string {
    const around = "topic" in event
      ? this.#last.filter((other) => !("topic" in other) || other.topic === event.topic)
      : this.#last;
    return [
      `event ${this.#count + 1} is not the specification's: ${refusal.why}`,
      `  event: ${JSON.stringify(event)}`,
      ...describeState(this.model, event).map((line) => `  state: ${line}`),
      ...around.slice(-EVENTS_KEPT).map((other) => `  before: ${JSON.stringify(other)}`),
    ].join("\n");
  }
}

function step(model: Model, event: TraceEvent): void {
  switch (event.kind) {
    case "restart":
      return process.restart(model, event);
    case "remember":
      return process.remember(model, event);
    case "ready":
      return process.ready(model, event);
    case "crash":
      return process.crash(model, event);
    case "learn":
      return metadata.learn(model, event);
    case "restore":
      return metadata.restore(model, event);
    case "openWriter":
      return writer.openWriter(model, event);
    case "append":
      return writer.append(model, event);
    case "take":
      return writer.take(model, event);
    case "read":
      return replica.read(model, event);
    case "refreshLease":
      return process.refreshLease(model, event);
    case "commit":
      return writer.commit(model, event);
    case "close":
      return writer.close(model, event);
    case "abandon":
      return writer.abandon(model, event);
    case "takeCount":
      return writer.takeCount(model, event);
    case "replicaAppend":
      return replica.replicaAppend(model, event);
    case "copy":
      return replica.copy(model, event);
    case "acknowledge":
      return replica.acknowledge(model, event);
    case "sync":
      return replica.sync(model, event);
    case "takeBack":
      return replica.takeBack(model, event);
    case "cut":
      return replica.cut(model, event);
    case "discard":
      return replica.discard(model, event);
    case "deleted":
      return replica.deleted(model, event);
    case "delete":
      return replica.remove(model, event);
    case "startRecovery":
      return failover.startRecovery(model, event);
    case "fence":
      return failover.fence(model, event);
    case "answerFence":
      return failover.answerFence(model, event);
    case "decide":
      return failover.decide(model, event);
    case "proposeSeal":
      return failover.proposeSeal(model, event);
  }
}

/** The node, and the segment that the event speaks of on all its replicas. */
function describeState(model: Model, event: TraceEvent): string[] {
  const node = model.nodes.get(event.node);
  const lines = node
    ? [
      `node ${node.id} ${node.isUp ? "up" : "down"}, run ${node.run}, knows metadata up to ` +
      `${node.known}${node.isInDoubt ? ", in doubt" : ""}`,
    ]
    : [];
  const segment = "topic" in event ? model.segment(event) : undefined;
  if (!segment) return lines;
  const { leader, members, openedAt, begunAt, sealedAt, seal, committed, records, acks } = segment;
  lines.push(
    JSON.stringify({ leader, members, openedAt, begunAt, sealedAt, seal, committed }),
    JSON.stringify({
      records: records.length,
      entries: segment.entriesBefore(records.length),
      cursor: segment.cursorAfter(records.length),
      writer: segment.writer,
      runs: segment.runs,
    }),
    JSON.stringify({ acks: [...acks], proposals: segment.proposals, given: [...segment.given] }),
  );
  for (const other of model.nodes.values()) {
    const replica = other.replicas.get(segment);
    if (replica) lines.push(`node ${other.id} holds ${JSON.stringify(replica)}`);
  }
  return lines;
}
