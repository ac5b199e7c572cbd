/**
 * A topic's own settings, as `REGISTER <topic> rf=3 fsync=each retention_ms=86400000` gives them.
 *
 * | word | value |
 * | ---- | ----- |
 * | `rf=N` | replicas of each segment, 1 to {@link REPLICATION_FACTOR_MAX} |
 * | `fsync=each`, `fsync=none`, `fsync=Nms` | when an append is durable on a replica |
 * | `retention_bytes=N`, `retention_ms=N`, `retention_entries=N` | so much is kept at least; 0: no such promise |
 *
 * @module
 */

import type { Durability } from "../storage/mod.ts";
import { InvalidSettingError } from "./errors.ts";
import type { Retention, TopicInfo } from "./metadata/mod.ts";
import { durabilityText } from "./reports/mod.ts";

/** Largest replication factor. */
export const REPLICATION_FACTOR_MAX = 7;
/** Longest time between two syncs, milliseconds. */
export const FSYNC_MS_MAX = 60_000;

const RETENTION_WORDS: Record<string, keyof Retention> = {
  retention_bytes: "bytes",
  retention_ms: "ms",
  retention_entries: "entries",
};

/** What was given; `null`: nothing was said of it. */
export interface TopicSettings {
  replicationFactor: number | null;
  durability: Durability | null;
  /** Only the promises that were spoken of. */
  retention: Partial<Retention>;
}

/** Reads settings, words apart by spaces; "" for none. @throws {InvalidSettingError} */
export function parseTopicSettings(text: string): TopicSettings {
  const settings: TopicSettings = { replicationFactor: null, durability: null, retention: {} };
  for (const word of text.split(" ").filter((word) => word !== "")) {
    const [, key, value] = /^([a-z_]+)=(.*)$/.exec(word) ?? [];
    const promise = RETENTION_WORDS[key ?? ""];
    if (key === "rf") settings.replicationFactor = parseFactor(value!);
    else if (key === "fsync") settings.durability = parseDurability(value!);
    else if (promise !== undefined) settings.retention[promise] = parsePromise(key!, value!);
    else {throw new InvalidSettingError(
        `unknown setting "${word}": send rf=N, fsync=each|none|Nms, retention_bytes=N, ` +
          `retention_ms=N or retention_entries=N`,
      );}
  }
  return settings;
}

/** Whether two topics keep the same. */
export function isSameRetention(a: Retention, b: Retention): boolean {
  return a.bytes === b.bytes && a.ms === b.ms && a.entries === b.entries;
}

/** @throws {InvalidSettingError} where the topic was made with other settings than are wished now. */
export function mustAgree(topic: TopicInfo, wished: TopicSettings): void {
  const { replicationFactor, durability } = wished;
  if (replicationFactor !== null && replicationFactor !== topic.replicationFactor) {
    throw new InvalidSettingError(
      `topic ${topic.name} is there with rf=${topic.replicationFactor}, not rf=${replicationFactor}`,
    );
  }
  const has = topic.durability === null ? null : durabilityText(topic.durability);
  if (durability !== null && durabilityText(durability) !== has) {
    throw new InvalidSettingError(
      `topic ${topic.name} is there with fsync as ${has ?? "the nodes are told"}, ` +
        `not fsync=${durabilityText(durability)}`,
    );
  }
}

function parsePromise(key: string, value: string): number | null {
  const promise = /^\d{1,16}$/.test(value) ? Number(value) : NaN;
  if (Number.isSafeInteger(promise)) return promise || null;
  throw new InvalidSettingError(
    `${key}=${value} is not a number from 0 to ${Number.MAX_SAFE_INTEGER}`,
  );
}

function parseFactor(value: string): number {
  const factor = /^\d{1,3}$/.test(value) ? Number(value) : NaN;
  if (factor >= 1 && factor <= REPLICATION_FACTOR_MAX) return factor;
  throw new InvalidSettingError(`rf=${value} is not a number from 1 to ${REPLICATION_FACTOR_MAX}`);
}

function parseDurability(value: string): Durability {
  if (value === "each" || value === "none") return value;
  const ms = /^(\d{1,6})ms$/.exec(value)?.[1];
  if (ms !== undefined && Number(ms) >= 1 && Number(ms) <= FSYNC_MS_MAX) return { ms: Number(ms) };
  throw new InvalidSettingError(`fsync=${value} is none of each, none, 1ms to ${FSYNC_MS_MAX}ms`);
}
