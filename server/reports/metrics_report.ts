/**
 * The answer to `METRICS`: this node's view of Raft, and what it does.
 *
 * | key | value |
 * | --- | ----- |
 * | `id` | this node |
 * | `state` | `Leader`, `Follower`, `Candidate` or `Learner`, of Raft |
 * | `current_term`, `current_leader` | number; number or null |
 * | `last_log_index`, `last_applied` | numbers |
 * | `membership_config` | `membership.configs`: [[voters]], two lists within a change; `membership.nodes`: {id: {addr, client_addr}} |
 * | `replication` | {id: {index}} on the leader, itself included; null elsewhere |
 * | `version`, `cluster_id`, `incarnation` | which program, cluster and disk |
 * | `backend`, `durability`, `replication_factor` | what an acknowledgement means here |
 * | `leases` | open segments that this node may append to now |
 * | `segments_led`, `topics` | numbers |
 * | `segments_held` | replicas on this node's disk, those included that are to be deleted |
 * | `appends` | entries, bytes, batches since the start, commit latency percentiles (segments/append_meter.ts) |
 * | `replication_lag` | {node: records that it lacks of a segment led here, the most of any} |
 * | `repair` | running, copied, dropped, failed; what the Raft leader does for all |
 * | `scrub` | passes, segments, bytes, segments_left, rotten, rotten_own: the search for rot (repair/scrub.ts) |
 * | `storage` | counters of the store (storage/types.ts, `StoreStats`) |
 *
 * @module
 */

import type { RaftNode } from "../../raft/mod.ts";
import type { LogStore } from "../../storage/mod.ts";
import { formatAddress, unreachable } from "../../world/mod.ts";
import type { NodeConfig } from "../config.ts";
import type { Identity } from "../identity.ts";
import type { MetadataState, NodeInfo } from "../metadata/mod.ts";
import type { RepairProgress, ScrubProgress } from "../repair/mod.ts";
import { durabilityText } from "./durability_text.ts";
import type { AppendMeter, Segments } from "../segments/mod.ts";

/** What the report looks at. */
export interface MetricsParts {
  config: NodeConfig;
  identity: Identity;
  backend: string;
  raft: RaftNode;
  metadata: () => MetadataState;
  segments: Segments;
  store: LogStore;
  meter: AppendMeter;
  hasLease: () => boolean;
  repair: () => RepairProgress;
  scrub: () => ScrubProgress;
  isLost: (node: number) => boolean;
  isLive: (node: number) => boolean;
}

/** One line of JSON. */
export function metricsReport(parts: MetricsParts): string {
  const { config, identity, raft, store } = parts;
  const status = raft.status;
  const state = parts.metadata();
  return JSON.stringify({
    id: status.id,
    state: roleText(status),
    current_term: status.term,
    current_leader: status.leader,
    last_log_index: status.lastIndex,
    last_applied: status.applied,
    membership_config: {
      log_id: null,
      membership: { configs: configsOf(status.config), nodes: nodesOf(state) },
    },
    replication: status.role === "leader" ? replicationOf(status) : null,
    version: config.version,
    cluster_id: identity.clusterId,
    incarnation: identity.incarnation,
    backend: parts.backend,
    durability: durabilityText(config.durability),
    replication_factor: config.replicationFactor,
    leases: parts.hasLease() ? parts.segments.ledCount : 0,
    segments_led: parts.segments.ledCount,
    topics: state.topics.size,
    segments_held: parts.segments.replicas.heldCount,
    appends: parts.meter.report,
    replication_lag: parts.segments.replicationLag,
    repair: parts.repair(),
    scrub: parts.scrub(),
    storage: store.stats,
  });
}

function configsOf(config: RaftNode["status"]["config"]): number[][] {
  return config.votersOutgoing.length > 0
    ? [config.voters, config.votersOutgoing].map((ids) => [...ids])
    : [[...config.voters]];
}

function nodesOf(state: MetadataState): Record<string, { addr: string; client_addr: string }> {
  const nodes: Record<string, { addr: string; client_addr: string }> = {};
  for (const node of state.nodes.values()) nodes[node.id] = addressesOf(node);
  return nodes;
}

function addressesOf(node: NodeInfo): { addr: string; client_addr: string } {
  return {
    addr: formatAddress({ host: node.raftHost, port: node.raftPort }),
    client_addr: formatAddress({ host: node.clientHost, port: node.clientPort }),
  };
}

function replicationOf(status: RaftNode["status"]): Record<string, { index: number }> {
  const indexes: Record<string, { index: number }> = { [status.id]: { index: status.lastIndex } };
  for (const [id, progress] of status.progress) indexes[id] = { index: progress.match };
  return indexes;
}

function roleText(status: RaftNode["status"]): string {
  switch (status.role) {
    case "leader":
      return "Leader";
    case "follower":
      return status.voter ? "Follower" : "Learner";
    case "candidate":
    case "preCandidate":
      return "Candidate";
    default:
      return unreachable(status.role);
  }
}
