/**
 * The parts of a node that work on top of its store, its Raft and its network: made, started and stopped
 * together.
 *
 * @module
 */

import type { RaftNode } from "../raft/mod.ts";
import { crc32cByTables, DiskFullError, type LogStore } from "../storage/mod.ts";
import { type Logger, sleep, type Timer, type World } from "../world/mod.ts";
import {
  FAREWELL_TIMEOUT_MS,
  LEAVE_TIMEOUT_MS,
  type NodeConfig,
  SCRUB_BYTES_PER_SECOND_DEFAULT,
} from "./config.ts";
import { Controller } from "./controller.ts";
import type { Identity } from "./identity.ts";
import { Departures, liveNodes, Membership } from "./membership/mod.ts";
import { METHOD, writeLeave } from "./messages.ts";
import {
  Metadata,
  type MetadataMachine,
  type NodeInfo,
  openSegmentOf,
  segmentOf,
  type TopicInfo,
} from "./metadata/mod.ts";
import { type Peers, PROTOCOL_VERSION } from "./network/mod.ts";
import { firstLeader, nextLeader, placeReplicas, Routes, TopicReader } from "./routing/mod.ts";
import type { HandlerParts } from "./rpc_handlers.ts";
import { Repair, Scrub, wantedReplicas } from "./repair/mod.ts";
import { digestAt, fetchRecords, recoveryLink, replicaLink } from "./segment_links.ts";
import {
  AppendMeter,
  Failover,
  Fences,
  Leases,
  type Placement,
  Replicas,
  type SegmentEvents,
  Segments,
  type SegmentTarget,
} from "./segments/mod.ts";

/** Between two looks at the cluster while it does not tell, milliseconds. */
const UNCERTAIN_RETRY_MS = 500;
/** How long one look at the cluster's metadata may take while a node finds out what it may have forgotten. */
const REFRESH_TIMEOUT_MS = 5000;

/** What the services are made from. */
export interface ServicesParts {
  config: NodeConfig;
  world: World;
  logger: Logger;
  identity: Identity;
  self: NodeInfo;
  machine: MetadataMachine;
  raft: RaftNode;
  peers: Peers;
  store: LogStore;
  events?: SegmentEvents | undefined;
}

/** One per node. */
export class Services {
  readonly controller: Controller;
  readonly handlers: HandlerParts;
  readonly membership: Membership;
  readonly #parts: ServicesParts;
  readonly #fences: Fences;
  readonly #leases: Leases;
  readonly #segments: Segments;
  readonly #failover: Failover;
  readonly #repair: Repair;
  readonly #scrub: Scrub;
  /** Before this nobody can have been silent for long. */
  readonly #startedMs: number;
  #monitor: Timer | null = null;
  #isStopped = false;
  #isCollecting = false;
  readonly #departures = new Departures();
  #isLeaving = false;
  #raftRole: RaftNode["status"]["role"] = "follower";

  /** Reads the node's fences, and wires everything. */
  static async make(parts: ServicesParts): Promise<Services> {
    const fences = await Fences.open(parts.store);
    const { fenced, uncertain } = fences;
    const isCertain = fences.isCertain && !fences.hasDoubt;
    parts.events?.emit({ kind: "remember", fenced, uncertain, isCertain });
    return new Services(parts, fences);
  }

  private constructor(parts: ServicesParts, fences: Fences) {
    this.#parts = parts;
    this.#fences = fences;
    const { config, events, identity, logger, machine, peers, raft, self, store, world } = parts;
    const { clock } = world;
    this.#startedMs = clock.nowMs();
    const metadata = new Metadata({ machine, raft, peers, clock });
    const leases = this.#leases = new Leases({
      clock,
      quorumContactMs: () => raft.status.quorumContactMs(),
      events,
    });
    const meter = new AppendMeter();
    const replicas = new Replicas({
      nodeId: self.id,
      store,
      fences,
      metadata: () => metadata.state,
      fetch: fetchRecords(peers),
      digestAt: digestAt(peers),
      crc32c: world.crc32c ?? crc32cByTables,
      onFenced: (topic, segment) => this.#segments.fenced(topic, segment),
      clock,
      logger,
      events,
    });
    const segments: Segments = this.#segments = new Segments({
      nodeId: self.id,
      runId: self.run,
      store,
      leases,
      metadata,
      clock,
      logger,
      meter,
      limits: {
        entries: config.maxSegmentEntries,
        bytes: config.maxSegmentBytes,
        messageBytes: config.bounds?.messageBytes,
      },
      link: replicaLink(peers),
      placeNext: (topic) => this.#placeNext(topic),
      sourceOf: (topic) => new TopicReader(routes, topic),
      onReadable: (topic, end) => routes.tails.grown(topic, end),
      events,
    }, { replicas, fences });
    const routes: Routes = new Routes({ nodeId: self.id, metadata, segments, peers, clock });
    const link = recoveryLink(self.id, peers, replicas);
    this.#failover = new Failover({
      metadata,
      link,
      placeNext: (topic) => this.#placeNext(topic),
      clock,
      logger,
      events,
      isRaftLeader: () => raft.status.role === "leader",
      patienceMs: (node) =>
        node === self.id ? Infinity : peers.lastHeardMs(node) + config.failoverMs - clock.nowMs(),
    });
    this.#repair = new Repair({
      nodeId: self.id,
      raft,
      metadata,
      link,
      clock,
      logger,
      isLive: (node) => this.liveNodes().includes(node),
      isLost: (node) => this.#isLost(node),
    });
    this.#scrub = new Scrub({
      store,
      clock,
      random: world.random,
      logger,
      bytesPerSecond: config.scrubBytesPerSecond ?? SCRUB_BYTES_PER_SECOND_DEFAULT,
      isSealed: (target) => this.#isSealed(target),
      onRot: () => segments.replicas.mendRotten(),
    });
    this.membership = new Membership({
      raft,
      metadata,
      clock,
      logger,
      self,
      versionOf: (node) => node === self.id ? PROTOCOL_VERSION : peers.helloOf(node)?.version ?? 0,
      silentMs: (node) =>
        node === self.id ? 0 : clock.nowMs() - Math.max(peers.lastHeardMs(node), this.#startedMs),
    });
    this.handlers = {
      raft,
      metadata,
      routes,
      store,
      peers,
      clusterId: identity.clusterId!,
      departures: this.#departures,
    };
    this.controller = new Controller({
      routes,
      metadata,
      placeFirst: (factor) => this.#placeFirst(factor),
      replicationFactor: config.replicationFactor,
      metrics: {
        config,
        identity,
        backend: world.disk.backend,
        raft,
        metadata: () => metadata.state,
        segments,
        store,
        repair: () => this.#repair.progress,
        scrub: () => this.#scrub.progress,
        isLost: (node) => this.#isLost(node),
        isLive: (node) => node === self.id || (peers.isConnected(node) && peers.isAlive(node)),
        meter,
        hasLease: () => leases.isValid,
      },
    });
  }

  start(): void {
    const { machine } = this.#parts;
    machine.subscribe((change) => {
      this.#leases.metadataChanged();
      if (change === null) this.#restored();
      else if (change.kind === "topic") this.#segments.topicChanged(change.topic, change.segment);
      else if (change.kind === "gone") this.#segments.replicas.topicShrank(change.topic);
      else this.#checkSegments();
      this.#failover.changed();
      this.#repair.changed(change);
      if (change === null || change.kind === "node") this.membership.nodesChanged();
    });
    this.#leases.start();
    this.#segments.start();
    this.#failover.start();
    this.#repair.start();
    this.#scrub.start();
    this.membership.start();
    this.#startMonitor();
    this.#findUncertain();
  }

  /** A snapshot took metadata's place: it tells of nothing that went. */
  #restored(): void {
    this.#segments.metadataChanged();
    this.#segments.replicas.topicShrank(null);
  }

  /** Raft's view of the cluster changed. */
  raftChanged(): void {
    this.#leases.check();
    this.membership.raftChanged();
    const { role } = this.#parts.raft.status;
    if (role === this.#raftRole) return;
    this.#raftRole = role;
    this.#failover.changed();
    this.#repair.changed(null);
  }

  stop(): void {
    this.#isStopped = true;
    this.#monitor?.cancel();
    this.membership.stop();
    this.#repair.stop();
    this.#scrub.stop();
    this.#failover.stop();
    this.handlers.routes.tails.close();
    this.#segments.stop();
    this.#leases.stop();
  }

  /**
   * Tells the others that this node stops, so that they give it nothing new. Who does not answer at once finds
   * out in another way.
   */
  async tellLeaving(): Promise<void> {
    const { machine, peers, self } = this.#parts;
    this.#isLeaving = true;
    const body = writeLeave(self.run);
    const others = [...machine.state.nodes.keys()].filter((id) => id !== self.id);
    await Promise.allSettled(
      others.map((id) => peers.call(id, METHOD.leave, body, { timeoutMs: LEAVE_TIMEOUT_MS })),
    );
  }

  /** Resolves when nobody waits for an answer of this node's, which leads nothing any more. */
  async farewell(): Promise<void> {
    const { machine, peers, self } = this.#parts;
    const body = writeLeave(self.run);
    const others = [...machine.state.nodes.keys()].filter((id) =>
      id !== self.id && peers.isConnected(id)
    );
    await Promise.allSettled(
      others.map((id) => peers.call(id, METHOD.farewell, body, { timeoutMs: FAREWELL_TIMEOUT_MS })),
    );
  }

  /** Has others lead what this node leads. */
  handOver(): Promise<void> {
    return this.#segments.handOver();
  }

  /** Where something new may go. */
  liveNodes(): number[] {
    const { machine, peers, self } = this.#parts;
    return liveNodes({
      nodeId: self.id,
      metadata: machine.state,
      isConnectedTo: (id, run) => peers.isConnectedTo(id, run),
      isAlive: (id) => peers.isAlive(id),
      hasLeft: (node) => this.#departures.has(node),
      isLeaving: this.#isLeaving,
    });
  }

  #startMonitor(): void {
    const { config, world } = this.#parts;
    this.#monitor = world.clock.after(config.monitorCheckMs, () => {
      this.#checkSegments();
      this.#collectGarbage();
      this.#segments.replicas.mendRotten();
      this.#startMonitor();
    });
  }

  /** Seals what should have been, and what can be on better nodes now. */
  #checkSegments(): void {
    this.#segments.check((topic, replicas) => {
      const { machine } = this.#parts;
      const view = { isLost: (node: number) => this.#isLost(node) };
      if (replicas.length < wantedReplicas(machine.state, topic, view)) return true;
      if (replicas.some((id) => machine.state.draining.has(id))) return true;
      const spare = this.liveNodes().some((id) => !replicas.includes(id));
      return spare && replicas.some((id) => this.#isLost(id));
    });
  }

  /** Deletes what others hold now, by a view that is not a moment old. */
  async #collectGarbage(): Promise<void> {
    if (this.#isCollecting) return;
    this.#isCollecting = true;
    try {
      await this.handlers.metadata.refresh({ timeoutMs: REFRESH_TIMEOUT_MS });
      await this.#segments.replicas.collectGarbage();
    } catch (error) {
      this.#parts.logger.log("debug", "could not look for garbage", {
        reason: (error as Error).message,
      });
    } finally {
      this.#isCollecting = false;
    }
  }

  /** Silent for so long that others take its place. */
  #isLost(node: number): boolean {
    const { config, peers, self, world } = this.#parts;
    if (node === self.id) return false;
    const heardMs = Math.max(this.#startedMs, peers.lastHeardMs(node));
    return world.clock.nowMs() - heardMs > config.repairAfterMs;
  }

  #placeNext(topic: TopicInfo): Placement {
    const leader = nextLeader(openSegmentOf(topic).leader, this.liveNodes());
    return this.#place(leader, topic.replicationFactor);
  }

  #placeFirst(replicationFactor: number): Placement {
    const { machine } = this.#parts;
    const leader = firstLeader(machine.state.topics.size, this.liveNodes());
    return this.#place(leader, replicationFactor);
  }

  #place(leader: number, replicationFactor: number): Placement {
    const { nodes, draining } = this.#parts.machine.state;
    const all = [...nodes.keys()].filter((id) => !draining.has(id));
    const live = this.liveNodes();
    return { leader, replicas: placeReplicas(leader, { live, all, replicationFactor }) };
  }

  /**
   * ⛔ A node that may have forgotten records or fences takes part in no segment that was open when it
   * became uncertain (DESIGN.md §6, "Certain"): which those are, the cluster must tell. Until then it is silent.
   */
  async #findUncertain(): Promise<void> {
    const { logger, world } = this.#parts;
    const { replicas } = this.#segments;
    const { isCertain, hasDoubt, isWritten } = this.#fences;
    const isSettled = isCertain && !hasDoubt && isWritten;
    while (!isSettled && !this.#isStopped) {
      try {
        await this.handlers.metadata.refresh({ timeoutMs: REFRESH_TIMEOUT_MS });
        const uncertain = this.#uncertainSegments();
        // ⛔ Not what is only known to be sealed now: the next process may know less at first, and would follow the
        // old writer again (spec/DECISIONS.md, 19).
        await this.#fences.renew(
          uncertain,
          (target) => this.#parts.machine.isEndedForEver(target),
        );
        if (uncertain.length > 0) {
          logger.log("warn", "this node may have forgotten what it acknowledged in open segments", {
            segments: uncertain.length,
          });
        }
        break;
      } catch (error) {
        const message = error instanceof DiskFullError
          ? "waiting for room on the disk to write down the fences"
          : "waiting for the cluster to tell which segments are open";
        logger.log("info", message, { reason: (error as Error).message });
        await sleep(world.clock, UNCERTAIN_RETRY_MS);
      }
    }
    // ⛔ No word to anybody before the cluster has taken this start for the latest of its disk, and Raft for a follower
    // that has kept what it had: one whose disk has gone back would vouch for what it has forgotten.
    await this.membership.registered();
    if (this.#isStopped) return;
    this.#parts.events?.emit({ kind: "ready", uncertain: this.#fences.uncertain });
    replicas.start();
    // What this node leads alone had to wait for it.
    this.#segments.metadataChanged();
  }

  /**
   * Open segments that this node should hold: all of them where a fence may have been forgotten, else those
   * whose records are acknowledged before they are synced. (What is seen to be missing, storage tells.)
   */
  #uncertainSegments(): SegmentTarget[] {
    const { config, machine, self } = this.#parts;
    const mayMissFences = !this.#fences.isCertain;
    const uncertain: SegmentTarget[] = [];
    for (const topic of machine.state.topics.values()) {
      const open = openSegmentOf(topic);
      const isSynced = (topic.durability ?? config.durability) === "each";
      const isDoubted = mayMissFences || (this.#fences.hasDoubt && !isSynced);
      if (open.replicas.includes(self.id) && isDoubted) {
        uncertain.push({ topic: topic.name, segment: open.number });
      }
    }
    return uncertain;
  }

  #isSealed(target: SegmentTarget): boolean {
    const topic = this.#parts.machine.state.topics.get(target.topic);
    return (topic && segmentOf(topic, target.segment))?.count !== null;
  }
}
