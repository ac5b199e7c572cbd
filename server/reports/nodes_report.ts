/**
 * The answer to `NODES`: `{"nodes": […]}`, one object a node.
 *
 * | key | value |
 * | --- | ----- |
 * | `id`, `incarnation` | which node, which disk |
 * | `raft_addr`, `client_addr` | `HOST:PORT` |
 * | `role` | `leader`, `voter`, `learner` or `none`, of Raft |
 * | `live` | whether the asked node hears it |
 * | `draining` | whether it is on its way out |
 * | `given_up` | whether an operator has said that it won't come back (`REMOVE-NODE n accept-loss`) |
 * | `leads`, `holds` | open segments that it leads; segments that it holds a replica of |
 *
 * @module
 */

import type { RaftStatus } from "../../raft/mod.ts";
import { formatAddress } from "../../world/mod.ts";
import { type MetadataState, openSegmentOf } from "../metadata/mod.ts";

/** One line of JSON. */
export function nodesReport(
  state: MetadataState,
  raft: RaftStatus,
  isLive: (node: number) => boolean,
): string {
  const { leads, holds } = countSegments(state);
  return JSON.stringify({
    nodes: [...state.nodes.values()].map((node) => ({
      id: node.id,
      incarnation: node.incarnation,
      raft_addr: formatAddress({ host: node.raftHost, port: node.raftPort }),
      client_addr: formatAddress({ host: node.clientHost, port: node.clientPort }),
      role: roleOf(node.id, raft),
      live: isLive(node.id),
      draining: state.draining.has(node.id),
      given_up: state.givenUp.has(node.id),
      leads: leads.get(node.id) ?? 0,
      holds: holds.get(node.id) ?? 0,
    })),
  });
}

function countSegments(state: MetadataState): Record<"leads" | "holds", Map<number, number>> {
  const leads = new Map<number, number>();
  const holds = new Map<number, number>();
  const count = (map: Map<number, number>, id: number) => map.set(id, (map.get(id) ?? 0) + 1);
  for (const topic of state.topics.values()) {
    count(leads, openSegmentOf(topic).leader);
    for (const segment of topic.segments) for (const id of segment.replicas) count(holds, id);
  }
  return { leads, holds };
}

function roleOf(id: number, raft: RaftStatus): "leader" | "voter" | "learner" | "none" {
  if (raft.leader === id) return "leader";
  if ([...raft.config.voters].includes(id)) return "voter";
  return [...raft.config.learners].includes(id) ? "learner" : "none";
}
