/**
 * How a call to another node can end badly, as classes. What a caller must know is whether the call may
 * have had its effect: each class says it.
 *
 * @module
 */

/** No connection to the node: the call was certainly not sent. */
export class PeerUnavailableError extends Error {
  override readonly name = "PeerUnavailableError";
}

/** Too much is waiting for the node already: the call was certainly not sent. */
export class OverloadedError extends Error {
  override readonly name = "OverloadedError";
}

/** No answer in time. The call may have had its effect, or may still have it. */
export class CallTimeoutError extends Error {
  override readonly name = "CallTimeoutError";
}

/** The connection ended before the answer came. The call may have had its effect. */
export class ConnectionLostError extends Error {
  override readonly name = "ConnectionLostError";
}

/** Codes of refusals that this folder itself makes. The messages' own start at {@link FIRST_OWN_CODE}. */
export const RpcCode = {
  /** The handler failed in a way that it did not foresee: the call may have had an effect. */
  internal: 0,
  /** Too many calls of this connection are being handled: it was not handed to the handler. */
  overloaded: 1,
} as const;
/** First code that is free for the node's messages. */
export const FIRST_OWN_CODE = 16;

/** Thrown by a handler to refuse a call; arrives at the caller as {@link RemoteError}. */
export class RpcRefusal extends Error {
  override readonly name = "RpcRefusal";
  constructor(
    /** {@link FIRST_OWN_CODE} or more, for a program. */
    readonly code: number,
    message: string,
    /** What a program needs besides the code. */
    readonly detail: Uint8Array = new Uint8Array(0),
  ) {
    super(message);
  }
}

/** The other node's handler refused the call, or failed. */
export class RemoteError extends Error {
  override readonly name = "RemoteError";
  constructor(readonly code: number, message: string, readonly detail: Uint8Array) {
    super(message);
  }
}
