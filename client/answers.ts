/**
 * What `STATE`, `METRICS`, `TOPICS` and `NODES` answer (DESIGN.md §8). More keys may follow the ones that are
 * named here.
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
  /** Of the first message that was not trimmed. */
  first_offset?: number;
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

/** The answer to `TOPICS`. */
export interface TopicList {
  topics: {
    topic: string;
    /** How many, the open one included. */
    segments: number;
    /** Id of the node that leads the open segment. */
    leader_node: number;
    /** In all sealed segments together. */
    sealed_entries: number;
    sealed_bytes: number;
    /** Wished replicas of each segment. */
    replication_factor: number;
    /** The topic's own durability; `null`: as each node was told. */
    fsync: string | null;
  }[];
}

/** The answer to `NODES`. */
export interface NodeList {
  nodes: {
    id: number;
    incarnation: string;
    raft_addr: string;
    client_addr: string;
    /** In the metadata's Raft group. */
    role: "leader" | "voter" | "learner" | "none";
    /** Whether the asked node hears it. */
    live: boolean;
    /** On its way out. */
    draining: boolean;
    /** An operator has said that it won't come back: what only it may have had is given up. */
    given_up: boolean;
    /** Open segments that it leads. */
    leads: number;
    /** Segments that it holds a replica of. */
    holds: number;
  }[];
}

/** What a topic may have of its own. */
export interface TopicSettings {
  /** Replicas of each segment, 1 to 7. */
  replicationFactor?: number;
  /** When an append is durable on a replica: `each`, `none` or, say, `200ms`. */
  fsync?: string;
  /** Payload bytes that are kept at least, in whole segments; 0 takes the promise back. */
  retentionBytes?: number;
  /** How long messages are kept at least, milliseconds; 0 takes the promise back. */
  retentionMs?: number;
  /** Messages that are kept at least; 0 takes the promise back. */
  retentionEntries?: number;
}

/** As `REGISTER` carries them. */
export function settingsText(settings: TopicSettings): string {
  const words: string[] = [];
  if (settings.replicationFactor !== undefined) words.push(`rf=${settings.replicationFactor}`);
  if (settings.fsync !== undefined) words.push(`fsync=${settings.fsync}`);
  const { retentionBytes, retentionMs, retentionEntries } = settings;
  if (retentionBytes !== undefined) words.push(`retention_bytes=${retentionBytes}`);
  if (retentionMs !== undefined) words.push(`retention_ms=${retentionMs}`);
  if (retentionEntries !== undefined) words.push(`retention_entries=${retentionEntries}`);
  return words.join(" ");
}
