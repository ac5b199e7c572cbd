/**
 * The driver: gives the core its ticks and messages, does what its `Ready` says, and turns what comes
 * out into promises. All decisions are the core's.
 *
 * @module
 */

import { assert, MalformedError } from "../world/mod.ts";
import { bootstrapState, EMPTY_STATE, RaftCore } from "./core.ts";
import { DurableRaftLog } from "./durable_log.ts";
import {
  busy,
  CommandTooLargeError,
  NotRaftLeaderError,
  OutcomeUnknownError,
  RaftStoppedError,
  refusedProposal,
} from "./errors.ts";
import {
  MAX_COMMAND_BYTES,
  MAX_SNAPSHOT_BYTES,
  MAX_WAITING_PROPOSALS,
  MAX_WAITING_READS,
} from "./limits.ts";
import { type Configuration, isMember, isNodeId, type MembershipChange } from "./membership.ts";
import { MembershipCalls } from "./membership_calls.ts";
import { decodeMessage, encodeMessage } from "./message_codec.ts";
import type { Entry, Message, Persist, Ready } from "./messages.ts";
import {
  DEFAULT_SNAPSHOT_BYTES,
  DEFAULT_SNAPSHOT_ENTRIES,
  DEFAULT_TICK_MS,
  type RaftOptions,
  type WaitOptions,
} from "./node_options.ts";
import { isSoleLeader, QuorumContact } from "./quorum_contact.ts";
import { ReadQueue } from "./read_queue.ts";
import { SnapshotPolicy } from "./snapshot_policy.ts";
import { coreStatus, introspectCore, type RaftStatus, statusKey } from "./status.ts";
import { Ticker } from "./ticker.ts";
import {
  type Applied,
  AppliedWaiters,
  ConditionWaiters,
  ProposalWaiters,
  type QueuedProposal,
} from "./waiting.ts";

/** One member of a Raft group. Made by {@link RaftNode.open}. */
export class RaftNode {
  readonly #options: RaftOptions;
  readonly #core: RaftCore;
  readonly #durable: DurableRaftLog;
  readonly #contact = new QuorumContact();
  readonly #proposals = new ProposalWaiters();
  readonly #conditions = new ConditionWaiters();
  readonly #applied = new AppliedWaiters();
  readonly #reads: ReadQueue;
  readonly #snapshots: SnapshotPolicy;
  readonly #membership: MembershipCalls;
  #queue: QueuedProposal[] = [];
  readonly #ticker: Ticker;
  #drainScheduled = false;
  #stopped = false;
  #failure: Error | null = null;
  /** Settles when everything that was given to the disk is done; `null` when nothing is on its way. */
  #lastWrite: Promise<void> | null = null;
  #lastStatusKey = "";
  #droppedMessages = 0;

  private constructor(options: RaftOptions, core: RaftCore, durable: DurableRaftLog) {
    this.#options = options;
    this.#core = core;
    this.#durable = durable;
    this.#ticker = new Ticker({
      clock: options.clock,
      tickMs: options.tickMs ?? DEFAULT_TICK_MS,
      onTick: () => this.#onTick(),
    });
    this.#reads = new ReadQueue(options.random);
    this.#snapshots = new SnapshotPolicy({
      entries: options.snapshotEntries ?? DEFAULT_SNAPSHOT_ENTRIES,
      bytes: options.snapshotBytes ?? DEFAULT_SNAPSHOT_BYTES,
    });
    this.#membership = new MembershipCalls(core, {
      conditions: this.#conditions,
      schedule: () => this.#schedule(),
    });
  }

  /**
   * Opens a node with what its store holds. It works from then on: the state machine is restored and the
   * known committed commands are applied soon after.
   *
   * @throws {RaftLogCorruptError | StoreFailedError}
   */
  static async open(options: RaftOptions): Promise<RaftNode> {
    assert(isNodeId(options.id), `${options.id} is a node id`);
    const { clock, logger, random, id } = options;
    const { log, state } = await DurableRaftLog.open(options.store, { clock, logger });
    let restored = state;
    if (restored === null && options.bootstrap) {
      restored = bootstrapState([id]);
      await log.begin(restored);
    }
    restored ??= EMPTY_STATE;
    const limits = options.limits ?? {};
    const node = new RaftNode(options, new RaftCore({ id, random, restored, limits }), log);
    node.#start();
    return node;
  }

  #start(): void {
    const { state, state: { snapshot } } = this.#core;
    if (snapshot !== null) {
      this.#options.stateMachine.restore(snapshot.data, snapshot.index);
      this.#options.stateMachine.snapshotIsDurable?.(snapshot.index);
    }
    this.#options.logger.log("info", "raft: open", {
      term: state.term,
      lastIndex: state.log.lastIndex,
      snapshotIndex: state.snapshot?.index ?? 0,
    });
    // A sole voter has nobody to wait for.
    if (state.config.voters.length === 1 && state.config.votersOutgoing.length === 0) {
      this.#core.campaign();
    }
    this.#schedule();
  }

  /** How this node stands. */
  get status(): RaftStatus {
    return {
      ...coreStatus(this.#core),
      failure: this.#failure,
      quorumContactMs: () => this.#contact.ageMs(this.#core, this.#options.clock.nowMs()),
    };
  }

  /** Everything that it knows, as a value. */
  introspect(): Record<string, unknown> {
    return {
      ...introspectCore(this.#core),
      quorumContactMs: this.#contact.ageMs(this.#core, this.#options.clock.nowMs()),
      waitingProposals: this.#proposals.size + this.#queue.length,
      waitingReads: this.#reads.size + this.#applied.size,
      droppedMessages: this.#droppedMessages,
      disk: {
        pendingWrites: this.#durable.pending,
        records: this.#durable.records,
        payloadBytes: this.#durable.payloadBytes,
      },
      failure: this.#failure && this.#failure.message,
    };
  }

  /** One message from node `from`. What can't be understood is logged and dropped. */
  step(from: number, bytes: Uint8Array): void {
    if (this.#stopped) return;
    let message: Message;
    try {
      message = decodeMessage(bytes);
      if (message.from !== from) {
        throw new MalformedError(`it says that it is from ${message.from}`);
      }
      if (message.to !== this.#options.id) throw new MalformedError(`it is for node ${message.to}`);
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      this.#droppedMessages++;
      this.#options.logger.log("warn", "raft: message dropped", { from, reason: error.message });
      return;
    }
    this.#guard(() => {
      this.#core.step(message);
      this.#contact.onMessage(this.#core, message, this.#options.clock.nowMs());
    });
    this.#schedule();
  }

  /**
   * Has the group apply `command` (at most 1 MiB; don't change it afterwards). Resolves when it is applied
   * on this node, with what the state machine returned.
   *
   * @throws {NotRaftLeaderError} certainly not appended
   * @throws {ProposalDroppedError} certainly never committed
   * @throws {OutcomeUnknownError} not known in time, or the node stopped
   * @throws {BusyError | CommandTooLargeError} certainly not appended
   */
  propose(command: Uint8Array, options: WaitOptions): Promise<Applied> {
    if (this.#stopped) return Promise.reject(this.#stoppedError());
    if (this.#core.role !== "leader") {
      return Promise.reject(new NotRaftLeaderError(this.#core.leader));
    }
    if (command.length > MAX_COMMAND_BYTES) {
      return Promise.reject(
        new CommandTooLargeError(
          `A command of ${command.length} bytes; at most ${MAX_COMMAND_BYTES} are taken.`,
        ),
      );
    }
    if (this.#proposals.size + this.#queue.length >= MAX_WAITING_PROPOSALS) {
      return Promise.reject(busy(`${MAX_WAITING_PROPOSALS} proposals wait already`));
    }
    return new Promise((resolve, reject) => {
      const deadlineMs = this.#deadline(options);
      this.#queue.push({ command, deadlineMs, resolve, reject });
      this.#schedule();
    });
  }

  /**
   * An index such that a state machine that has applied it knows everything that was acknowledged before
   * this call; resolves when this node's has.
   *
   * @throws {RaftTimeoutError | BusyError | RaftStoppedError}
   */
  async readIndex(options: WaitOptions): Promise<number> {
    if (this.#stopped) throw this.#stoppedError();
    if (this.#reads.size >= MAX_WAITING_READS) {
      throw busy(`${MAX_WAITING_READS} reads wait already`);
    }
    const deadlineMs = this.#deadline(options);
    const index = await new Promise<number>((resolve, reject) => {
      this.#reads.add({ resolve, reject, deadlineMs });
      this.#schedule();
    });
    await this.#waitApplied(index, deadlineMs);
    return index;
  }

  /** Resolves when this node has applied `index`. @throws {RaftTimeoutError | RaftStoppedError} */
  waitApplied(index: number, options: WaitOptions): Promise<void> {
    return this.#waitApplied(index, this.#deadline(options));
  }

  #waitApplied(index: number, deadlineMs: number): Promise<void> {
    if (this.#stopped) return Promise.reject(this.#stoppedError());
    if (this.#core.state.log.applied >= index) return Promise.resolve();
    this.#ticker.arm();
    return new Promise((resolve, reject) =>
      this.#applied.add({ index, deadlineMs, resolve, reject })
    );
  }

  /**
   * On the leader: makes `id` a learner, if it is no member yet. Resolves when that is committed.
   *
   * @throws {NotRaftLeaderError | MembershipChangeError} nothing was appended
   * @throws {RaftTimeoutError} it may still happen
   */
  addLearner(id: number, options: WaitOptions): Promise<void> {
    return this.#changeMembership({ addLearners: [id] }, {
      ...options,
      isDone: (config) => isMember(config, id),
    });
  }

  /** On the leader: makes a learner a voter, once it has caught up. Throws like `addLearner`. */
  promote(id: number, options: WaitOptions): Promise<void> {
    return this.#changeMembership({ promote: [id] }, {
      ...options,
      isDone: (config) => config.voters.includes(id),
    });
  }

  /** On the leader: takes a node out, also itself; it steps down then. Throws like `addLearner`. */
  removeNode(id: number, options: WaitOptions): Promise<void> {
    return this.#changeMembership({ remove: [id] }, {
      ...options,
      isDone: (config) => !isMember(config, id),
    });
  }

  /**
   * On the leader: lets `to` take over. Resolves when it has.
   *
   * @throws {NotRaftLeaderError | MembershipChangeError | RaftTimeoutError}
   */
  transferLeadership(to: number, options: WaitOptions): Promise<void> {
    if (this.#stopped) return Promise.reject(this.#stoppedError());
    return this.#membership.transfer(to, { deadlineMs: this.#deadline(options) });
  }

  #changeMembership(
    change: MembershipChange,
    options: WaitOptions & { isDone: (config: Configuration) => boolean },
  ): Promise<void> {
    if (this.#stopped) return Promise.reject(this.#stoppedError());
    const { isDone } = options;
    return this.#membership.change(change, { deadlineMs: this.#deadline(options), isDone });
  }

  /** Ends all work; what waits is rejected. The store is not closed. */
  stop(): Promise<void> {
    if (!this.#stopped) {
      this.#shutDown(new RaftStoppedError("The Raft node was stopped."));
      // What is on its way to the disk may still get there; nobody is told.
      this.#durable.close();
    }
    return Promise.resolve();
  }

  #shutDown(reason: Error): void {
    this.#stopped = true;
    this.#ticker.stop();
    const unknown = new OutcomeUnknownError(
      `${reason.message} The command may or may not be committed.`,
    );
    const queue = this.#queue;
    this.#queue = [];
    for (const proposal of queue) proposal.reject(new NotRaftLeaderError(null));
    this.#proposals.rejectAll(unknown);
    this.#reads.rejectAll(reason);
    this.#applied.rejectAll(reason);
    this.#conditions.rejectAll(reason);
  }

  #stoppedError(): Error {
    return new RaftStoppedError(
      this.#failure
        ? `The Raft node failed: ${this.#failure.message}`
        : "The Raft node was stopped.",
    );
  }

  #deadline(options: WaitOptions): number {
    return this.#options.clock.nowMs() + options.timeoutMs;
  }

  /** False: nothing that comes by itself is waited for. */
  #onTick(): boolean {
    if (this.#stopped) return false;
    const nowMs = this.#options.clock.nowMs();
    this.#guard(() => {
      this.#core.tick();
      this.#reads.tick(this.#core, nowMs);
    });
    this.#proposals.expire(nowMs);
    this.#applied.expire(nowMs);
    this.#conditions.expire(nowMs);
    this.#drain();
    return !this.#isAtRest();
  }

  /** Alone, with nothing under way: there is nobody to hear, nothing to expire. Whatever comes ticks again. */
  #isAtRest(): boolean {
    return isSoleLeader(this.#core) && this.#core.state.config.learners.length === 0 &&
      this.#lastWrite === null && this.#queue.length === 0 &&
      this.#proposals.size + this.#reads.size + this.#applied.size + this.#conditions.size === 0;
  }

  /** Everything that comes in one turn of the event loop shares a `Ready`. */
  #schedule(): void {
    this.#ticker.arm();
    if (this.#drainScheduled || this.#stopped) return;
    this.#drainScheduled = true;
    this.#options.clock.soon(() => {
      this.#drainScheduled = false;
      this.#drain();
    });
  }

  #drain(): void {
    if (this.#stopped) return;
    const nowMs = this.#options.clock.nowMs();
    this.#guard(() => {
      this.#proposeQueued();
      this.#reads.ask(this.#core);
      for (let ready = this.#core.takeReady(); ready !== null; ready = this.#core.takeReady()) {
        this.#handle(ready);
        this.#maybeCompact();
      }
      this.#contact.onProgress(this.#core, nowMs);
      this.#reads.ask(this.#core);
      this.#conditions.check();
    });
    this.#maybeReport();
  }

  #proposeQueued(): void {
    if (this.#queue.length === 0) return;
    const queue = this.#queue;
    this.#queue = [];
    const proposal = this.#core.propose(queue.map(({ command }) => command));
    if (proposal.ok) {
      queue.forEach(({ deadlineMs, resolve, reject }, i) =>
        this.#proposals.add(proposal.firstIndex + i, {
          term: proposal.term,
          deadlineMs,
          resolve,
          reject,
        })
      );
      return;
    }
    for (const { reject } of queue) reject(refusedProposal(proposal.reason, this.#core));
  }

  #handle(ready: Ready): void {
    for (const message of ready.messages) this.#send(message);
    if (ready.persist !== null) this.#persist(ready.persist, ready.messagesWhenDurable);
    else if (ready.messagesWhenDurable.length > 0) this.#sendWhenDurable(ready.messagesWhenDurable);
    if (ready.install !== null) {
      this.#options.stateMachine.restore(ready.install.data, ready.install.index);
      this.#proposals.onInstalled(ready.install.index);
      this.#snapshots.restart();
      this.#applied.onApplied(ready.install.index);
    }
    for (const entry of ready.committed) this.#apply(entry);
    if (ready.committed.length > 0) this.#applied.onApplied(this.#core.state.log.applied);
    for (const { requestId, index } of ready.reads) {
      for (const reader of this.#reads.take(requestId)) reader.resolve(index);
    }
  }

  #persist(persist: Persist, messages: readonly Message[]): void {
    const write = this.#durable.persist(persist).then(() => {
      if (this.#lastWrite === write) this.#lastWrite = null;
      if (this.#stopped) return;
      this.#guard(() => {
        this.#core.onPersisted(persist.completion);
        const { snapshot } = persist.snapshot ?? {};
        if (snapshot) this.#options.stateMachine.snapshotIsDurable?.(snapshot.index);
      });
      for (const message of messages) this.#send(message);
      this.#schedule();
    });
    this.#lastWrite = write;
    write.catch((error) => this.#fail(error));
  }

  /** Nothing new to write, but what they promise may still be on its way to the disk. */
  #sendWhenDurable(messages: readonly Message[]): void {
    const send = () => {
      if (!this.#stopped) { for (const message of messages) this.#send(message); }
    };
    if (this.#lastWrite === null) send();
    else this.#lastWrite.then(send, () => {});
  }

  #send(message: Message): void {
    try {
      this.#options.send(message.to, encodeMessage(message));
    } catch (error) {
      this.#options.logger.log("warn", "raft: could not send", {
        to: message.to,
        error: String(error),
      });
    }
  }

  #apply(entry: Entry): void {
    const result = entry.kind === "command"
      ? this.#options.stateMachine.apply(entry.index, entry.data)
      : undefined;
    this.#snapshots.onApplied(entry);
    this.#proposals.onApplied(entry, result);
  }

  #maybeCompact(): void {
    if (!this.#snapshots.isDue(this.#core.state.snapshot?.data.length ?? 0)) return;
    this.#snapshots.restart();
    const data = this.#options.stateMachine.snapshot();
    if (data.length > MAX_SNAPSHOT_BYTES) {
      // Stopping would stop all nodes of the group at the same entry: rather a log that grows.
      const sizes = { snapshotBytes: data.length, snapshotBytesMax: MAX_SNAPSHOT_BYTES };
      this.#options.logger.log("error", "raft: too large a snapshot to compact the log", sizes);
      return;
    }
    this.#core.compact(this.#core.state.log.applied, data);
  }

  /** An error in here is one of the program: better no node than a wrong one. */
  #guard(work: () => void): void {
    try {
      if (!this.#stopped) work();
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #fail(error: Error): void {
    if (this.#failure !== null || this.#stopped) return;
    this.#failure = error;
    this.#options.logger.log("error", "raft: stopped by an error", { error: error.message });
    this.#shutDown(this.#stoppedError());
    this.#durable.close();
    this.#maybeReport();
  }

  #maybeReport(): void {
    const { onStatus } = this.#options;
    if (onStatus === undefined) return;
    const key = statusKey(this.#core, this.#failure);
    if (key === this.#lastStatusKey) return;
    this.#lastStatusKey = key;
    onStatus(this.status);
  }
}
