/**
 * The client protocol: its codec (`wire.ts`, for both sides) and the client class. Runs on Deno and on
 * Node: the way to the network is `node:net` unless another is handed in. Uses `world/` only; the
 * server uses the codec, the command line the client.
 *
 * @module
 */

export * from "./answers.ts";
export * from "./client.ts";
export * from "./client_options.ts";
export * from "./errors.ts";
export * from "./node_network.ts";
export type { Fetched, TopicOffsets } from "./offset_answers.ts";
export type { TailedEntry, TailOptions } from "./tail.ts";
export * from "./wire.ts";
export type { Clock, Timer } from "../world/clock.ts";
export type { Address, Connection, Listener, Network } from "../world/network.ts";
