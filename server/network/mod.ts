/**
 * Calls between nodes over any {@link Network}: handshake, frames, one connection per peer with
 * reconnects, deadlines and bounds everywhere, and who is alive. It knows nothing of what the messages
 * mean: a method is a number, a body is bytes (messages.ts makes and reads them). Uses `world/` only.
 *
 * @module
 */

export * from "./errors.ts";
export { MAX_BODY_BYTES } from "./frame.ts";
export {
  type Admission,
  type Admit,
  HandshakeRefusedError,
  type Hello,
  NO_CLUSTER,
  type NodeIdentity,
  PROTOCOL_VERSION,
  type Refusal,
  RefusalCode,
} from "./handshake.ts";
export { Peers, type PeersOptions } from "./peers.ts";
export { DEAD_AFTER_MS, type DispatchResult, IDLE_PING_MS } from "./rpc_connection.ts";
export { type Caller, type RpcHandler, RpcServer, type RpcServerOptions } from "./rpc_server.ts";
