/**
 * A node: its parts made and wired from a configuration and a world, and taken down again.
 *
 * @module
 */

import { RAFT_LOG_NAME, RaftNode, RaftWentBackError } from "../raft/mod.ts";
import { ForeignDirectoryError, type LogStore } from "../storage/mod.ts";
import { type Address, formatAddress, type Logger, type World } from "../world/mod.ts";
import { ClientListener } from "./clients/mod.ts";
import { type ClientService, UnavailableService } from "./controller.ts";
import {
  checkConfig,
  DRAIN_TIMEOUT_MS,
  HANDOVER_TIMEOUT_MS,
  LAST_HANDOVER_TIMEOUT_MS,
  type NodeConfig,
  TRANSFER_TIMEOUT_MS,
} from "./config.ts";
import { DirectoryRuns } from "./directory_runs.ts";
import { type Identity, type IdentityFile, openIdentity, peersOf } from "./identity.ts";
import { ExpelledError } from "./errors.ts";
import { admit, askToJoin, LeavingNodes, Refusals } from "./membership/mod.ts";
import { METHOD } from "./messages.ts";
import {
  type Change,
  MetadataMachine,
  type MetadataState,
  type NodeInfo,
  removedText,
} from "./metadata/mod.ts";
import {
  NO_CLUSTER,
  type NodeIdentity,
  Peers,
  type Refusal,
  RpcCode,
  RpcRefusal,
  RpcServer,
} from "./network/mod.ts";
import { openNodeStore } from "./open_node_store.ts";
import { handleRpc } from "./rpc_handlers.ts";
import { goneBackText, replaceText } from "./runs.ts";
import { parseSegmentLogName, restoreEvent, type SegmentEvents } from "./segments/mod.ts";
import { Services } from "./services.ts";
import { withLimit } from "./time_limit.ts";

/** How long a start waits for the cluster to know this node, before it serves clients anyway, milliseconds. */
const ANNOUNCE_TIMEOUT_MS = 10_000;

/** A running node. */
export interface Node {
  readonly nodeId: number;
  /** Where clients reach it; the port is the real one. */
  readonly clientAddress: Address;
  /** Where other nodes reach it. */
  readonly raftAddress: Address;
  /** Resolves when the node has stopped: `null` when it was asked to, else why. */
  readonly stopped: Promise<Error | null>;
  /** Hands over what the node leads, syncs, marks the directory clean. Again: the same promise. */
  stop(): Promise<void>;
  /** What the node knows and holds right now, for checkers that compare nodes. Not to be changed. */
  inspect(): NodeInspection;
}

/** A node's world, and who listens to what its segments do (segments/segment_events.ts). */
export interface NodeWorld extends World {
  segmentEvents?: SegmentEvents;
}

/** See {@link Node.inspect}. */
export interface NodeInspection {
  metadata: MetadataState;
  store: LogStore;
  /** Whose majority decides in Raft, by id; both configurations' while one replaces the other. */
  voters: readonly number[];
}

/**
 * Starts a node on the world's disk: makes a cluster of itself on an empty one, joins where
 * `config.join` says so, or carries on where it stopped. Resolves when it serves clients.
 *
 * @throws {NetworkError} when an address can't be listened on.
 * @throws {ForeignDirectoryError | DiskError} when the data is not this node's, or can't be read.
 * @throws {RefusedError} when the cluster doesn't let it in.
 * @throws {ExpelledError} when the data directory's node was removed, or its cluster is another one now.
 */
export async function startNode(config: NodeConfig, world: NodeWorld): Promise<Node> {
  checkConfig(config);
  const node = new RunningNode(config, world);
  try {
    await node.start();
  } catch (error) {
    await node.abandon();
    throw error;
  }
  return node;
}

class RunningNode implements Node {
  readonly nodeId: number;
  readonly stopped: Promise<Error | null>;
  readonly #config: NodeConfig;
  readonly #world: NodeWorld;
  readonly #logger: Logger;
  readonly #machine: MetadataMachine;
  readonly #leaving = new LeavingNodes();
  readonly #refusals = new Refusals();
  #resolveStopped!: (reason: Error | null) => void;
  #stopping: Promise<void> | null = null;
  /** The cluster may hear of this run, or has. */
  #isTold = false;
  /** Set when the cluster does not want this node any more. */
  #expelled: ExpelledError | null = null;
  /** Ends the wait of a start. */
  #onExpelled: (() => void) | null = null;
  #isServing = false;

  // Made by `start`, in this order, and taken down in the other.
  #store: LogStore | null = null;
  #identityFile!: IdentityFile;
  #runs!: DirectoryRuns;
  #rpcServer: RpcServer | null = null;
  #peers: Peers | null = null;
  #raft: RaftNode | null = null;
  #services: Services | null = null;
  #clients: ClientListener | null = null;
  #clientService: ClientService = new UnavailableService(
    "this node is starting, or waits to be let into the cluster: try again later, or another node",
  );
  #self!: NodeInfo;
  #clientAddress!: Address;

  constructor(config: NodeConfig, world: NodeWorld) {
    this.nodeId = config.nodeId;
    this.#config = config;
    this.#world = world;
    this.#logger = world.logger.child({ node: config.nodeId });
    const { segmentEvents: events } = world;
    this.#machine = new MetadataMachine({
      onApplied: (index, command, { ok: isDone }) =>
        events?.emit({ kind: "learn", index, command, isDone }),
      onRestored: (index, state) => events?.emit(restoreEvent(index, state)),
    });
    this.stopped = new Promise((resolve) => this.#resolveStopped = resolve);
  }

  get #identity(): Identity {
    return this.#identityFile.identity;
  }

  get clientAddress(): Address {
    return this.#clientAddress;
  }

  get raftAddress(): Address {
    return { host: this.#self.raftHost, port: this.#self.raftPort };
  }

  async start(): Promise<void> {
    const { disk, random } = this.#world;
    this.#identityFile = await openIdentity(disk, this.nodeId, random);
    const uuid = random.uuid();
    this.#runs = await DirectoryRuns.begin(this.#identityFile, { uuid, logger: this.#logger });
    this.#store = await openNodeStore(this.#config, this.#world, this.#logger);
    this.#emitRestart(this.#store);
    await this.#listen();
    await this.#makeOrJoinCluster();
    await this.#startRaft();
    this.#services = await Services.make({
      config: this.#config,
      world: this.#world,
      logger: this.#logger,
      identity: this.#identity,
      self: this.#self,
      machine: this.#machine,
      raft: this.#raft!,
      peers: this.#peers!,
      store: this.#store,
      events: this.#world.segmentEvents,
    });
    this.#isTold = true;
    this.#services.start();
    await this.#waitUntilAnnounced();
    if (this.#expelled) throw this.#expelled;
    this.#clientService = this.#services.controller;
    this.#isServing = true;
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  inspect(): NodeInspection {
    const config = this.#raft?.status.config;
    const voters = [...new Set([...config?.voters ?? [], ...config?.votersOutgoing ?? []])];
    return { metadata: this.#machine.state, store: this.#store!, voters };
  }

  /** Takes down whatever a start that failed had made. */
  async abandon(): Promise<void> {
    await this.#takeDown();
    if (!this.#isTold) await this.#runs?.takeBack();
    this.#resolveStopped(null);
  }

  #emitRestart(store: LogStore): void {
    this.#world.segmentEvents?.emit({
      kind: "restart",
      run: this.#runs.current,
      incarnation: this.#identity.incarnation,
      durability: this.#config.durability,
      logs: store.list().flatMap((log) => {
        const target = parseSegmentLogName(log.name);
        const { endPosition: length, endOffset: entries, certain: isCertain } = log;
        return target ? [{ ...target, length, entries, isCertain }] : [];
      }),
    });
  }

  /** Binds both ports before anything else is told of them. */
  async #listen(): Promise<void> {
    const { clock, random, network } = this.#world;
    const config = this.#config;
    const clientListener = await network.listen(config.client);
    this.#clientAddress = clientListener.address;
    const shared = {
      clock,
      network,
      logger: this.#logger,
      self: () => this.#networkIdentity(),
      admit: this.#admit,
    };
    const onRefused = (from: number, refusal: Refusal) => this.#refused(from, refusal);
    this.#peers = new Peers({ ...shared, random, onRefused });
    try {
      this.#rpcServer = await RpcServer.listen({
        ...shared,
        address: config.raft,
        handler: (from, method, body) => {
          const handlers = this.#services?.handlers;
          if (handlers) return handleRpc(handlers, from.nodeId, method, body);
          throw new RpcRefusal(RpcCode.overloaded, `node ${this.nodeId} is starting or stopping`);
        },
        onHeard: (nodeId) => this.#peers?.onHeard(nodeId),
      });
    } catch (error) {
      clientListener.close();
      throw error;
    }
    this.#self = {
      id: this.nodeId,
      incarnation: this.#identity.incarnation,
      raftHost: config.raftAdvertiseHost,
      raftPort: this.#rpcServer.address.port,
      clientHost: this.#clientAddress.host,
      clientPort: this.#clientAddress.port,
      run: this.#runs.current,
    };
    this.#clients = new ClientListener(clientListener, {
      service: () => this.#clientService,
      clock,
      logger: this.#logger,
      maxFrameBytes: config.maxFrameBytes,
    });
    this.#clients.start();
  }

  #networkIdentity(): NodeIdentity {
    return {
      nodeId: this.nodeId,
      clusterId: this.#identity.clusterId ?? NO_CLUSTER,
      incarnation: this.#identity.incarnation,
      runId: this.#runs.current,
      raftAddress: { host: this.#self.raftHost, port: this.#self.raftPort },
      clientAddress: this.#clientAddress,
      formerRuns: this.#runs.former,
    };
  }

  readonly #admit: ConstructorParameters<typeof Peers>[0]["admit"] = (hello, side) => {
    const view = {
      nodeId: this.nodeId,
      clusterId: this.#identity.clusterId,
      knownNode: (id: number) => this.#machine.state.nodes.get(id),
      isRemoved: (incarnation: string) => this.#machine.state.removed.has(incarnation),
      isConnected: ({ id, run }: NodeInfo) =>
        this.#rpcServer?.hasStreamOf(id, run) || this.#peers?.isConnectedTo(id, run) || false,
    };
    const admission = admit(view, hello, side);
    // A node that comes to us says where it is now; metadata will say the same a little later.
    if ("ok" in admission && side === "incoming" && hello.purpose === "stream") {
      this.#peers?.setAddress(hello.nodeId, hello.raftAddress);
    }
    return admission;
  };

  async #makeOrJoinCluster(): Promise<void> {
    const { clock, random } = this.#world;
    const identity = this.#identity;
    if (identity.clusterId !== null) {
      this.#logger.log("info", "belongs to a cluster", { cluster: identity.clusterId });
      return;
    }
    if (this.#config.join === null) {
      identity.clusterId = random.uuid();
      identity.isFounder = true;
      this.#logger.log("info", "made a new cluster", { cluster: identity.clusterId });
    } else {
      const parts = { peers: this.#peers!, clock, logger: this.#logger };
      this.#isTold = true;
      const reply = await askToJoin(parts, this.#config.join, this.#self);
      identity.clusterId = reply.clusterId;
      identity.peers = peersOf(reply.nodes, this.nodeId);
      this.#logger.log("info", "joined a cluster", { cluster: reply.clusterId });
    }
    await this.#identityFile.save();
  }

  async #startRaft(): Promise<void> {
    const { clock, random } = this.#world;
    const snapshotEntries = this.#config.bounds?.raftSnapshotEntries;
    // ⛔ An empty log would be taken for that of a node that has never voted, or be begun anew.
    if (this.#runs.wasMember && !this.#store!.get(RAFT_LOG_NAME)?.endPosition) {
      throw new ForeignDirectoryError(
        `the data directory has lost its Raft log. ${replaceText(this.nodeId)}`,
      );
    }
    for (const { id, host, port } of this.#identity.peers) {
      this.#peers!.setAddress(id, { host, port });
    }
    this.#machine.subscribe((change) => {
      if (change === null || change.kind === "node") this.#nodesChanged(change);
    });
    this.#raft = await RaftNode.open({
      id: this.nodeId,
      store: this.#store!,
      clock,
      random,
      logger: this.#logger,
      stateMachine: this.#machine,
      send: (to, message) => void this.#peers!.send(to, METHOD.raft, message),
      // Only the node that made the cluster may call itself its sole voter, and only with an empty log.
      bootstrap: this.#identity.isFounder,
      onStatus: () => this.#raftChanged(),
      ...(snapshotEntries !== undefined && { snapshotEntries }),
    });
  }

  async #waitUntilAnnounced(): Promise<void> {
    const { clock } = this.#world;
    const expelled = this.#expelled
      ? Promise.resolve()
      : new Promise<void>((resolve) => this.#onExpelled = resolve);
    const isAnnounced = await withLimit(
      clock,
      ANNOUNCE_TIMEOUT_MS,
      Promise.race([this.#services!.membership.announced(), expelled]),
    );
    if (!isAnnounced) {
      this.#logger.log(
        "warn",
        "no majority of the cluster answers: serving clients what can be served",
      );
    }
  }

  /** Another node does not want this one: where that is final, this run ends. */
  #refused(from: number, refusal: Refusal): void {
    if (this.#expelled || this.#stopping) return;
    const why = this.#refusals.note(from, refusal, {
      others: this.#identity.peers.map(({ id }) => id),
      hasHeardMajority: (this.#raft?.status.quorumContactMs() ?? Infinity) < Infinity,
      isServing: this.#isServing,
      nowMs: this.#world.clock.nowMs(),
    });
    if (why !== null) this.#expel(why);
  }

  /** Metadata says so. Who serves leaves in order; who has just started again should not have been. */
  #removed(): void {
    if (!this.#isServing) return this.#expel(removedText(this.nodeId));
    this.#logger.log("warn", removedText(this.nodeId));
    this.stop();
  }

  /** There is no place for this data directory any more: a start fails, a node that serves stops. */
  #expel(why: string): void {
    this.#expelled ??= new ExpelledError(why);
    this.#shutUp();
    if (this.#isServing) this.stop();
    else this.#onExpelled?.();
  }

  /** ⛔ Not a word more to other nodes, nor to a client about what they would have to confirm. */
  #shutUp(): void {
    this.#rpcServer?.close();
    this.#peers?.close();
  }

  #raftChanged(): void {
    this.#services?.raftChanged();
    const failure = this.#raft?.status.failure;
    if (failure instanceof RaftWentBackError) {
      this.#shutUp();
      const why = failure.message;
      this.#runs.forbid(why).then(() => this.#expel(`${why}. ${replaceText(this.nodeId)}`));
    }
    if (!this.#raft) return;
    const { voters, votersOutgoing, learners } = this.#raft.status.config;
    const members = [...voters, ...votersOutgoing, ...learners];
    for (const id of this.#leaving.takeGone(members)) this.#peers?.remove(id);
  }

  /** Follows where the other nodes are, here and in `node.json`; stops when this one was removed. */
  #nodesChanged(change: Change | null): void {
    const { nodes, removed } = this.#machine.state;
    if (removed.has(this.#identity.incarnation)) {
      this.#removed();
      return;
    }
    const own = nodes.get(this.nodeId);
    // While it catches up, a node meets those that had its id before.
    const isOwn = own?.incarnation === this.#identity.incarnation;
    if (isOwn && !this.#runs.learnRegistered(own.run, this.#store?.get(RAFT_LOG_NAME))) {
      return this.#expel(goneBackText(this.nodeId));
    }
    // Nodes that are not known yet, while metadata catches up, stay in the book; removed ones don't.
    const book = new Map(this.#identity.peers.map((peer) => [peer.id, peer]));
    for (const peer of peersOf([...nodes.values()], this.nodeId)) book.set(peer.id, peer);
    this.#leaving.keep(nodes.keys());
    if (change?.kind === "node" && !nodes.has(change.id)) {
      book.delete(change.id);
      this.#leaving.note(change.id);
    }
    for (const { id, host, port } of book.values()) this.#peers?.setAddress(id, { host, port });
    const peers = [...book.values()];
    if (JSON.stringify(peers) === JSON.stringify(this.#identity.peers)) return;
    this.#identity.peers = peers;
    this.#identityFile.save().catch((error) => {
      this.#logger.log("warn", "can't save where the other nodes are", { reason: error.message });
    });
  }

  async #stop(): Promise<void> {
    this.#logger.log("info", "stopping");
    let failure: Error | null = this.#expelled;
    try {
      // Who must not count has nothing to hand over.
      if (this.#expelled === null) await this.#handOver();
    } catch (error) {
      this.#logger.log("warn", "could not hand over", { reason: (error as Error).message });
    }
    this.#clientService = new UnavailableService("this node is stopping: connect to another one");
    await this.#clients?.drain(DRAIN_TIMEOUT_MS);
    if (this.#expelled === null) await this.#handOverTheRest();
    await this.#takeDown().catch((error) => failure = error);
    this.#resolveStopped(failure);
  }

  /** Others take over what this node leads, if there are others; clients are served meanwhile. */
  async #handOver(): Promise<void> {
    if (!this.#services || !this.#raft) return;
    const others = this.#services.liveNodes().filter((id) => id !== this.nodeId);
    if (others.length === 0) return;
    await this.#services.tellLeaving();
    const { clock } = this.#world;
    const isDone = await withLimit(clock, HANDOVER_TIMEOUT_MS, this.#services.handOver());
    if (!isDone) this.#logger.log("warn", "stopping before all segments were handed over");
    const voter = this.#raft.status.config.voters.find((id) => others.includes(id));
    if (this.#raft.status.role === "leader" && voter !== undefined) {
      await this.#raft.transferLeadership(voter, { timeoutMs: TRANSFER_TIMEOUT_MS });
    }
  }

  /** What others gave to this node while its clients were answered. */
  async #handOverTheRest(): Promise<void> {
    if (!this.#services || this.#services.liveNodes().every((id) => id === this.nodeId)) return;
    await withLimit(this.#world.clock, LAST_HANDOVER_TIMEOUT_MS, this.#services.handOver())
      .catch(() => {});
    await this.#services.farewell();
  }

  async #takeDown(): Promise<void> {
    this.#clients?.close();
    this.#services?.stop();
    this.#services = null;
    this.#rpcServer?.close();
    await this.#raft?.stop();
    this.#peers?.close();
    await this.#store?.close();
    this.#logger.log("info", "stopped", {
      raft: this.#self ? formatAddress(this.raftAddress) : undefined,
    });
  }
}
