/**
 * What `STATE` and `METRICS` answer (DESIGN.md §8). More keys may follow the ones that are named here.
 *
 * @module
 */

/** The answer to `STATE <topic>`. */
export interface TopicState {
  /** Number of the open segment; the first is 1. */
  current_segment: number;
  /** Id of the node that leads the open segment. */
  leader_node: number;
  /** Entries in all sealed segments together. */
  last_sealed_entry_offset: number;
  /** Entry count of each sealed segment, by its number. */
  sealed_segments: Record<string, number>;
  /** Id of the node that leads or led each segment, by its number. */
  segment_leaders: Record<string, number>;
  /** Ids of the nodes that hold each segment, by its number. */
  segment_replicas?: Record<string, number[]>;
  [more: string]: unknown;
}

/** The answer to `METRICS`. */
export interface NodeMetrics {
  /** Id of the node that answers. */
  id: number;
  /** Its role in the metadata's Raft group: `Leader`, `Follower` … */
  state: string;
  current_term: number;
  /** Id of the Raft leader, when one is known. */
  current_leader: number | null;
  last_log_index: number | null;
  last_applied: unknown;
  membership_config: {
    membership: { configs: number[][]; nodes: Record<string, unknown> };
    [more: string]: unknown;
  };
  /** How far each node's copy of the metadata log is, by node id; only the Raft leader knows. */
  replication: Record<string, { index: number | null }> | null;
  /** When appends are acknowledged on that node, in words. */
  durability?: string;
  /** How that node writes to its disk. */
  backend?: string;
  [more: string]: unknown;
}
