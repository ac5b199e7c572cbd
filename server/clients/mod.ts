/**
 * The node's side of the client protocol: connections, bounds, and the order of answers. Uses the wire
 * codec of `client/` and the controller.
 *
 * @module
 */

export * from "./client_listener.ts";
export * from "./client_session.ts";
export * from "./append_run.ts";
