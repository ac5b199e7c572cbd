/**
 * Who may touch the world directly. Everybody else is a core.
 *
 * @module
 */

import { isTestCode } from "./source_tree.ts";

/** What a core may not use, in groups that a place can be granted. */
export type Capability = "clock" | "random" | "deno" | "node" | "real";

interface Grant {
  /** A file, or a folder with its slash. */
  place: string;
  may: readonly Capability[];
  because: string;
}

const EVERYTHING: readonly Capability[] = ["clock", "random", "deno", "node", "real"];

const GRANTS: readonly Grant[] = [
  { place: "world/real/", may: EVERYTHING, because: "the real twins themselves" },
  {
    place: "world/sim/clock.ts",
    may: ["clock", "node"],
    because: "drains promises by an immediate",
  },
  { place: "storage/disk/", may: ["clock", "deno", "node"], because: "the real disks" },
  { place: "storage/bench/", may: EVERYTHING, because: "programs that measure this machine" },
  { place: "ffi/", may: ["deno", "node", "random"], because: "opens, builds and hashes the shim" },
  { place: "client/node_network.ts", may: ["clock", "node"], because: "TCP on Deno and Node" },
  { place: "client/client.ts", may: ["real"], because: "gives programs a default clock" },
  { place: "storage/library/real_world.ts", may: EVERYTHING, because: "the library's own world" },
  { place: "cli/", may: EVERYTHING, because: "the process: arguments, terminal, signals, files" },
  { place: "main.ts", may: EVERYTHING, because: "the executable's entry" },
  { place: "mod.ts", may: EVERYTHING, because: "the library's entry" },
  { place: "raft/bench/", may: EVERYTHING, because: "measures on this machine" },
  { place: "spec/", may: EVERYTHING, because: "runs the model checker" },
  { place: "packaging/", may: EVERYTHING, because: "builds the executable" },
  { place: "tools/", may: EVERYTHING, because: "scripts of the repository" },
];

/** Whether a file may use something that cores may not. */
export function isGranted(path: string, capability: Capability): boolean {
  if (isTestCode(path)) return true;
  return GRANTS.some(({ place, may }) =>
    may.includes(capability) && (place.endsWith("/") ? path.startsWith(place) : path === place)
  );
}

/** Globals that are the world, and what using them takes. */
export const WORLD_GLOBALS: ReadonlyMap<string, Capability> = new Map<string, Capability>([
  ["setTimeout", "clock"],
  ["setInterval", "clock"],
  ["setImmediate", "clock"],
  ["performance", "clock"],
  ["Temporal", "clock"],
  ["crypto", "random"],
  ["Deno", "deno"],
  ["process", "node"],
  ["fetch", "deno"],
  ["WebSocket", "deno"],
  ["Worker", "deno"],
  ["BroadcastChannel", "deno"],
  ["localStorage", "deno"],
  ["navigator", "deno"],
  ["globalThis", "deno"],
]);

/** Members of harmless globals that are the world: `object.member`. */
export const WORLD_MEMBERS: ReadonlyMap<string, Capability> = new Map<string, Capability>([
  ["Date.now", "clock"],
  ["Math.random", "random"],
  ["AbortSignal.timeout", "clock"],
]);
