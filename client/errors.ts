/**
 * What can go wrong for a client, as classes. The question that decides what to do next is whether the
 * node may have done it: only after an {@link OutcomeUnknownError} it may.
 *
 * @module
 */

/** Every error of the client is one of these. */
export class ClientError extends Error {
  override readonly name: string = "ClientError";
}

/**
 * The node answered `ERR`: it was understood and not done. `message` is the node's own. (One exception: `disk full`
 * from a topic's only node, if that is killed before there is room again; `spec/PROTOCOL.md`.)
 */
export class ServerError extends ClientError {
  override readonly name: string = "ServerError";
}

/** The node answered that nobody registered the topic: `register` it, then repeat. */
export class UnknownTopicError extends ServerError {
  override readonly name: string = "UnknownTopicError";
}

/**
 * The node answered that the topic has no entry at that offset, and that waiting won't bring it: the offset is
 * beyond the next one to come, or before the first that is still there. `message` says which there are.
 */
export class OffsetOutOfRangeError extends ServerError {
  override readonly name: string = "OffsetOutOfRangeError";
}

/** No address could be connected to. `message` says what happened at each. */
export class ConnectError extends ClientError {
  override readonly name: string = "ConnectError";
}

/** The time was up, and the request had no effect or one that may be repeated without harm. */
export class RequestTimeoutError extends ClientError {
  override readonly name: string = "RequestTimeoutError";
}

/**
 * A `put`, `appendBatch`, `get`, `deleteTopic`, `trim` or `removeNode` was sent, and the answer is lost, or the
 * node itself lost it on the way to another one (`ERR outcome unknown …`): it may have been done or not. The
 * client never repeats it by itself: a repeated `put` or batch could stand in the topic twice, a repeated `get`
 * could skip a message, and a repeated `deleteTopic`, `trim` or `removeNode` could take away what was made anew
 * under the same name or id.
 */
export class OutcomeUnknownError extends ClientError {
  override readonly name: string = "OutcomeUnknownError";
}

/** The client was closed before the request could be sent. */
export class ClientClosedError extends ClientError {
  override readonly name: string = "ClientClosedError";
}

/** More requests wait than `maxWaiting`: await some of them first. Nothing was sent. */
export class TooManyRequestsError extends ClientError {
  override readonly name: string = "TooManyRequestsError";
}

/** The request can't be sent as it is: a bad topic name, a payload over the limit. */
export class InvalidRequestError extends ClientError {
  override readonly name: string = "InvalidRequestError";
}

/** What answers there does not speak this protocol. */
export class ProtocolError extends ClientError {
  override readonly name: string = "ProtocolError";
}
