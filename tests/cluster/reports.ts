/**
 * What nodes say about themselves, as far as tests look at it.
 *
 * @module
 */

import { askOnce } from "./raw_client.ts";

/** Of `METRICS`. */
export interface MetricsAnswer {
  current_leader: number | null;
  membership_config: {
    membership: { configs: number[][]; nodes: Record<string, { addr: string }> };
  };
  storage: Record<string, number>;
  segments_held: number;
  scrub: Record<string, number>;
  repair: Record<"running" | "copied" | "dropped" | "failed", number>;
}

/** Of `STATE`. */
export interface StateAnswer {
  current_segment: number;
  leader_node: number;
  last_sealed_entry_offset: number;
  first_offset: number;
  under_replicated_segments: number;
  sealed_segments: Record<string, number>;
  segment_leaders: Record<string, number>;
  segment_replicas: Record<string, number[]>;
  segments: Record<string, { state: string; under_replicated: boolean; may_have_lost: boolean }>;
}

/** Of `NODES`. */
export interface NodeAnswer {
  id: number;
  role: string;
  live: boolean;
  draining: boolean;
  leads: number;
  holds: number;
}

/** `METRICS` of one node. @throws what is no JSON. */
export async function metricsOf(port: number): Promise<MetricsAnswer> {
  return JSON.parse(await askOnce(port, "METRICS"));
}

/** `STATE` of a topic, as one node knows it. @throws what is no JSON. */
export async function stateOf(port: number, topic: string): Promise<StateAnswer> {
  return JSON.parse(await askOnce(port, `STATE ${topic}`));
}

/** `NODES`, as one node knows them. @throws what is no JSON. */
export async function nodesOf(port: number): Promise<NodeAnswer[]> {
  return JSON.parse(await askOnce(port, "NODES")).nodes;
}
