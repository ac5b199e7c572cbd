/**
 * Planted bugs: each knocks one rule out of the product's own text, in a copy of the tree, and the simulation has to find
 * it there, or it proves nothing.
 *
 * The edits name the line that carries the rule. Where that line has changed the canary can't be planted,
 * and says so: look at whether the rule is still there, and name its new line.
 *
 * @module
 */

import type { StoryName } from "./shape.ts";

/** One planted bug. */
export interface Canary {
  /** The rule of DESIGN.md that is knocked out. */
  readonly rule: string;
  readonly edits: readonly Edit[];
  /** The world in which it is looked for. Every seed may draw it too. */
  readonly story: StoryName | null;
  /** It must be found by this seed, from 1 on, mostly by a step that is not the specification's. */
  readonly seedsMax: number;
  /**
   * Who looks from outside only: at clients, at replicas, at what comes back after the faults. `null`: not
   * seen from there. Absent: not asked for apart.
   */
  readonly outside?: Outside | null;
}

/** What the others find where nobody holds steps to the specification. */
export interface Outside {
  /** They must have found it by then, from seed 1 on. */
  readonly seedsMax: number;
  /** Looked for by hand only (`--canary all --outside`): it takes more seeds than a test has time for. */
  readonly isRare?: true;
}

/** Replaces a text that stands in a file exactly once. */
export interface Edit {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const REPLICAS = "server/segments/replicas.ts";
const RECOVERY = "server/segments/recovery.ts";
const TRACKER = "server/segments/commit_tracker.ts";

/** By name. */
export const CANARIES: Readonly<Record<string, Canary>> = {
  fenceNotDurable: {
    rule: "a replica makes the fence durable before it answers",
    edits: [{
      file: REPLICAS,
      from: "    await durable;\n    const replica = this.#replicaOf(target);",
      to: "    durable.catch(() => {});\n    const replica = this.#replicaOf(target);",
    }, {
      // Else the sync of its records makes the fence durable too.
      file: REPLICAS,
      from: "const { durable } = await replica.settle();\n      const record",
      to: "const { durable } = replica.extent;\n      const record",
    }],
    story: "usurper",
    seedsMax: 40,
    outside: { seedsMax: 80, isRare: true },
  },
  fencedReplicaAcknowledges: {
    rule: "a fenced replica is silent towards the writer",
    edits: [{
      file: REPLICAS,
      from: "this.#isCertain(target) && !fences.has(target);",
      to: "this.#isCertain(target) && fences !== null;",
    }],
    story: "usurper",
    seedsMax: 20,
    outside: { seedsMax: 150, isRare: true },
  },
  uncertainAppends: {
    rule: "an uncertain replica accepts no append and acknowledges nothing",
    edits: [{
      file: REPLICAS,
      from: "this.#isCertain(target) && !fences.has(target);",
      to: "!fences.has(target);",
    }, {
      // A node that starts has heard of the seal that has begun.
      file: REPLICAS,
      from: "info.number === target.segment && !info.isSealing &&",
      to: "info.number === target.segment &&",
    }],
    story: "doubters",
    seedsMax: 60,
    outside: null,
  },
  fencesRestOnLeases: {
    rule: "safety never rests on leases or on any clock, but on fences",
    edits: [{
      file: REPLICAS,
      from: "    const durable = this.#parts.fences.add(target);",
      to: "    const durable = Promise.resolve();",
    }],
    story: "usurper",
    seedsMax: 20,
    outside: { seedsMax: 200, isRare: true },
  },
  acknowledgedBeforeDurable: {
    rule: "an entry is committed when it is durable on a majority, and not before",
    edits: [{
      file: "server/segments/replica.ts",
      from: "      await appended;",
      to: "      appended.catch(() => {});",
    }, {
      file: "server/segments/segment_writer.ts",
      from: "await this.#locally(durable, {",
      to: "await this.#locally(Promise.race([durable, Promise.resolve(0)]), {",
    }],
    story: "blackouts",
    seedsMax: 20,
    outside: { seedsMax: 20 },
  },
  failedSyncRetried: {
    rule: "a failed fsync is final",
    edits: [{
      file: "storage/group_commit.ts",
      from: "await this.#disk.commit(writes, syncs.map((file) => file.disk!));",
      to: `const files = syncs.map((file) => file.disk!);
      await this.#disk.commit(writes, files).catch((error) => {
        if (error.op !== "sync") throw error;
        return this.#disk.commit([], files);
      });`,
    }],
    story: "blackouts",
    seedsMax: 20,
    outside: { seedsMax: 60 },
  },
  countFromAnyOne: {
    rule: "R − W + 1 certain answers before a count is taken",
    edits: [{
      file: RECOVERY,
      from: "return replicas - majorityOf(replicas) + 1;",
      to: "return replicas > 0 ? 1 : 0;",
    }],
    story: "laggards",
    seedsMax: 60,
    outside: { seedsMax: 60, isRare: true },
  },
  countFromTheFirst: {
    rule: "the count is the largest length among the fenced replicas",
    edits: [{
      file: RECOVERY,
      from: "answer.length > best.length ? answer : best",
      to: "answer.length < best.length ? answer : best",
    }],
    story: "laggards",
    seedsMax: 20,
    outside: { seedsMax: 20 },
  },
  uncertainCounts: {
    rule: "an uncertain replica gives data but not a vote",
    edits: [{
      file: RECOVERY,
      from: "answers.filter((answer) => answer.isCertain).length",
      to: "answers.length",
    }],
    story: "forgetful",
    seedsMax: 40,
    outside: { seedsMax: 40 },
  },
  writerResumes: {
    rule: "a node that restarts does not append to an open segment that it led before",
    edits: [
      {
        file: "server/metadata/state.ts",
        from: "if (open.leader !== node.id || open.replicas.length > 1) continue;",
        to: "if (open.leader !== node.id) continue;",
      },
      {
        file: "server/segments/open_segment.ts",
        from:
          `assert(log.endPosition === 0 || info.replicas.length === 1, "a shared segment begins empty");`,
        to: "",
      },
    ],
    story: null,
    seedsMax: 20,
    outside: { seedsMax: 20 },
  },
  sealedTwice: {
    rule: "SealSegment expects the state of the segment that it names",
    edits: [{
      file: "server/metadata/state.ts",
      from: "    if (segment.count === null) return segment;\n",
      to: "    if (segment !== null) return segment;\n",
    }],
    story: "ambushes",
    seedsMax: 60,
    outside: { seedsMax: 150, isRare: true },
  },
  acknowledgedBeforeMajority: {
    rule: "an entry is committed when a majority of the replica set has it durable",
    edits: [{
      file: TRACKER,
      from: "this.#quorum = majorityOf(replicas.length);",
      to: "this.#quorum = 1;",
    }],
    story: "laggards",
    seedsMax: 40,
    outside: { seedsMax: 40 },
  },
  acknowledgedAfterCount: {
    rule: "no entry is acknowledged in a segment after its count was taken",
    edits: [{
      file: "server/segments/segment_writer.ts",
      from: "  mustAccept(): void {\n    if (this.#isClosed) {",
      to: "  mustAccept(): void {\n    if (this.#isClosed && this.#abandoned) {",
    }],
    story: null,
    seedsMax: 20,
    outside: { seedsMax: 20 },
  },
  tailNotCut: {
    rule: "a replica that holds more than the sealed count cuts it",
    edits: [{
      file: "server/segments/replica.ts",
      from: "if (this.#log === undefined || this.#log.endPosition <= position) return;",
      to: "if (this.#log === undefined || this.#log.endPosition >= 0) return;",
    }],
    story: "laggards",
    seedsMax: 60,
    outside: { seedsMax: 60 },
  },
  cursorMovesFirst: {
    rule: "a cursor's move is appended only after the entries before it were read",
    edits: [{
      file: "server/segments/shared_cursor.ts",
      from: "const entries = await this.#source.read(from, { count, maxBytes: READ_BYTES_MAX });",
      to: `await this.#moving;
      const moved = [{ name: "", offset: from + count }];
      await this.#writer.appendControl(batchOf(encodeCursors(moved), "control"));
      this.#committed = from + count;
      const entries = await this.#source.read(from, { count, maxBytes: READ_BYTES_MAX })
        .catch((error) => {
          this.#next = from + count;
          throw error;
        });`,
    }],
    story: null,
    seedsMax: 60,
    outside: { seedsMax: 60, isRare: true },
  },
  cursorForgotten: {
    rule: "cursors are carried across a recovery by their last control record",
    edits: [{
      file: RECOVERY,
      from: "cursors: longest.cursors ?? topic.cursors,",
      to: "cursors: topic.cursors,",
    }],
    story: null,
    seedsMax: 20,
    outside: { seedsMax: 20 },
  },
  lossNotTold: {
    rule: "where too few replicas are certain, the possible loss is told: never silent",
    edits: [{
      file: RECOVERY,
      from: "return { longest, mayHaveLost };",
      to: "return { longest, mayHaveLost: needed < 0 };",
    }],
    story: "beyond",
    seedsMax: 20,
    outside: { seedsMax: 20 },
  },
  wipedDiskLetIn: {
    rule: "a node id that comes back with another incarnation is refused",
    edits: [{
      file: "server/metadata/state.ts",
      from: "    if (known && known.incarnation !== node.incarnation) {",
      to: "    if (known && node.incarnation === node.host) {",
    }, {
      file: "server/membership/join.ts",
      from: "  if (known && known.incarnation !== node.incarnation) {",
      to: "  if (known && node.incarnation === clusterId) {",
    }],
    story: "replacements",
    seedsMax: 20,
    outside: { seedsMax: 20 },
  },
  batchDivided: {
    rule: "a batch is whole in one segment, or not there",
    edits: [{
      file: "server/segments/segment_writer.ts",
      from: "const count = ends === null ? room : ends.find((end) => end >= room);",
      to: "const count = room;",
    }],
    story: "batches",
    seedsMax: 20,
  },
  appendOffsetWrong: {
    rule: "the answer to a batch is the offset of its first entry, through other nodes too",
    edits: [{
      file: "server/routing/forwarding.ts",
      from: "firstOffset: accepted.firstOffset + start });",
      to: "firstOffset: accepted.firstOffset });",
    }],
    story: "batches",
    seedsMax: 20,
  },
  fetchUncommitted: {
    rule: "only committed entries are read by their offset",
    edits: [{
      file: "server/segments/segment_writer.ts",
      from: "  get readableOffset(): number {\n    return this.#readableOffset;",
      to: "  get readableOffset(): number {\n    return this.#writtenOffset;",
    }, {
      file: "server/segments/segment_writer.ts",
      from: "      this.#writtenOffset = end.offset;\n",
      to: "      this.#writtenOffset = end.offset;\n      this.#parts.onReadable(end.offset);\n",
    }],
    story: "laggards",
    seedsMax: 40,
  },
  trimUndone: {
    rule: "what was trimmed stays trimmed",
    edits: [{
      file: "server/metadata/state.ts",
      from: "    topic.segments.splice(0, goes);\n",
      to: "    const gone = topic.segments.splice(0, goes);\n" +
        "    Object.assign(topic, { gone });\n",
    }, {
      file: "server/metadata/state.ts",
      from: "    topic.cursors = command.cursors.map((cursor) => notBefore(cursor, topic));\n",
      to: "    topic.cursors = command.cursors.map((cursor) => notBefore(cursor, topic));\n" +
        "    topic.segments.unshift(...(topic as { gone?: SegmentInfo[] }).gone ?? []);\n" +
        "    Object.assign(topic, { gone: [] });\n",
    }],
    story: "trims",
    seedsMax: 20,
  },
  trimmedKept: {
    rule: "what is gone leaves every disk",
    edits: [{
      file: "server/metadata/state.ts",
      from: "const first = topic ? topic.segments[0]!.number : this.firstSegmentOf(target.topic);",
      to: "const first = topic ? topic.bornSegment : this.firstSegmentOf(target.topic);",
    }, {
      // It looks with the product's own eyes.
      file: "tests/sim/replicas_checker.ts",
      from: "if (target !== null && state.isGone(target)) return",
      to:
        "if (target !== null && target.segment < (state.topics.get(target.topic)?.segments[0]!.number ?? 0)) return",
    }],
    story: "trims",
    seedsMax: 20,
  },
  trimmedTooMuch: {
    rule: "a topic keeps what it has promised to keep",
    edits: [{
      file: "server/segments/retention.ts",
      from: "entriesLeft >= (entries ?? 0)",
      to: "entriesLeft >= (entries ?? 0) / 2",
    }],
    story: null,
    seedsMax: 100,
  },
  cursorLeftBehind: {
    rule: "the cursor is carried past what was trimmed",
    edits: [{
      file: "server/segments/shared_cursor.ts",
      from: "Math.max(this.#next, this.#firstOffset());",
      to: "Math.max(this.#next, 0 * this.#firstOffset());",
    }, {
      // Else it looks again and again.
      file: "server/segments/shared_cursor.ts",
      from: "if (this.#firstOffset() > reading) {",
      to: "if (this.#firstOffset() > reading && takes.length === 0) {",
    }],
    story: "trims",
    seedsMax: 40,
  },
  numberUsedAgain: {
    rule: "the number of a segment is never used twice: nothing of a deleted topic is seen again",
    edits: [{
      file: "server/metadata/state.ts",
      from: "return this.deleted.get(topic) ?? 1;",
      to: "return this.deleted.size < 0 ? this.deleted.get(topic)! : 1;",
    }],
    story: "remakes",
    seedsMax: 20,
  },
};
