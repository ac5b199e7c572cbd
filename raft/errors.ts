/**
 * What a Raft node refuses or cannot promise, as classes that callers can tell apart. The difference
 * that matters to a caller is whether the command may still be committed: only
 * {@link OutcomeUnknownError} leaves that open.
 *
 * @module
 */

/** This node is not the leader. The command was certainly not appended. */
export class NotRaftLeaderError extends Error {
  override readonly name = "NotRaftLeaderError";
  constructor(
    /** Who leads, as far as this node knows; ask there. `null` while an election runs. */
    readonly leader: number | null,
  ) {
    super(
      leader === null
        ? "This node is not the Raft leader and knows of none; try again after the election."
        : `This node is not the Raft leader; node ${leader} is. Send the request there.`,
    );
  }
}

/** Another leader's entry was committed in this command's place: it will never be applied. */
export class ProposalDroppedError extends Error {
  override readonly name = "ProposalDroppedError";
}

/** The command may or may not be committed, now or later: the wait ended first. */
export class OutcomeUnknownError extends Error {
  override readonly name = "OutcomeUnknownError";
}

/** A bound is reached (uncommitted bytes, waiting reads, a transfer under way). Nothing was appended. */
export class BusyError extends Error {
  override readonly name = "BusyError";
}

/** The command is longer than a Raft entry may be. Nothing was appended. */
export class CommandTooLargeError extends Error {
  override readonly name = "CommandTooLargeError";
}

/** The membership change makes no sense now; the message says why. Nothing was appended. */
export class MembershipChangeError extends Error {
  override readonly name = "MembershipChangeError";
}

/** A wait (read index, applied index, catch-up) did not end within its time. Harmless to repeat. */
export class RaftTimeoutError extends Error {
  override readonly name = "RaftTimeoutError";
}

/** The node was stopped or failed; the message says which. */
export class RaftStoppedError extends Error {
  override readonly name = "RaftStoppedError";
}

/** The Raft log on disk can't be used; the message says why and what to do. */
export class RaftLogCorruptError extends Error {
  override readonly name = "RaftLogCorruptError";
}

/**
 * This node has acknowledged entries that are not in its log any more: its disk lost what it had synced, or an older
 * copy was put back. It must not vote or acknowledge again, now or after a restart.
 */
export class RaftWentBackError extends Error {
  override readonly name = "RaftWentBackError";
  constructor(known: { leader: number; committed: number; lastIndex: number }) {
    super(
      `this node's disk has gone back: node ${known.leader} has its word that entries up to ` +
        `${known.committed} of the Raft log are on it, and they end at ${known.lastIndex}. ` +
        `It may have forgotten votes, fences and messages as well`,
    );
  }
}

/** @internal */
export function busy(why: string): BusyError {
  return new BusyError(`Raft takes no more now: ${why}. Try again later.`);
}

/** Why the core took no proposal, as the error of those who proposed. @internal */
export function refusedProposal(
  reason: "notLeader" | "transferring" | "busy" | "tooLarge",
  core: { readonly leader: number | null; readonly state: { readonly uncommittedBytes: number } },
): Error {
  if (reason === "notLeader") return new NotRaftLeaderError(core.leader);
  if (reason === "transferring") return busy("leadership is being handed over");
  return busy(`${core.state.uncommittedBytes} bytes wait for a majority`);
}
