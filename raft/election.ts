/**
 * Elections: timeouts, pre-votes (thesis §9.6), votes (§3.4, §3.6.1), and the refusal to disturb a
 * leader that is being heard (§4.2.3, §6.2).
 *
 * @module
 */

import { type CoreState, NOBODY } from "./core_state.ts";
import { isVoter, members } from "./membership.ts";
import type { VoteReply, VoteRequest } from "./messages.ts";
import { voteResult } from "./quorum.ts";

/** How an election is run: `preVote` asks first, `real` for votes, `transfer` at the leader's wish. */
export type Campaign = "preVote" | "real" | "transfer";

/** One tick of a node that does not lead. */
export function tickElection(state: CoreState): void {
  state.electionElapsed++;
  if (state.electionElapsed >= state.electionTimeout) return onTimeout(state);
  // Who was asked may not have heard it, or may only now be free of the old leader (§3.4: requests are
  // repeated until they are answered).
  if (state.role !== "follower" && state.electionElapsed % state.limits.heartbeatTicks === 0) {
    requestVotes(state);
  }
}

function onTimeout(state: CoreState): void {
  if (state.electable) return campaign(state, "preVote");
  state.resetElectionTimer();
  // Without a leader for so long, what is remembered of one is stale.
  state.leader = NOBODY;
}

export function campaign(state: CoreState, kind: Campaign): void {
  if (kind === "preVote") state.becomePreCandidate();
  else state.becomeCandidate();
  state.transferElection = kind === "transfer";
  requestVotes(state);
  if (kind !== "preVote") return;
  // The own pre-vote needs no disk. The own vote counts when it is durable (onOwnVoteDurable).
  state.votes.set(state.id, true);
  maybeWin(state);
}

/** Asks those who have not answered in the election that runs. */
function requestVotes(state: CoreState): void {
  const preVote = state.role === "preCandidate";
  for (const id of members(state.config)) {
    if (id === state.id || !isVoter(state.config, id) || state.votes.has(id)) continue;
    const request = {
      type: "VoteRequest" as const,
      to: id,
      term: preVote ? state.term + 1 : state.term,
      preVote,
      transfer: state.transferElection,
      lastIndex: state.log.lastIndex,
      lastTerm: state.log.lastTerm,
    };
    // A real request waits for the disk. Otherwise: this node asks for votes in term 5 with a log of ten
    // entries, two of them not yet durable; it crashes, comes back in term 4 with eight, campaigns for
    // term 5 again, and the votes that were given to the ten come in for the eight.
    if (preVote) state.send(request);
    else state.sendWhenDurable(request);
  }
}

/** The disk has this node's vote for itself. */
export function onOwnVoteDurable(state: CoreState): void {
  state.votes.set(state.id, true);
  maybeWin(state);
}

/**
 * Whether a vote request must be passed over because a leader is alive and well. Without this a node that
 * was removed, or was cut off, could depose a leader that everybody else hears (thesis §4.2.3).
 */
export function isLeaseHeld(state: CoreState, request: VoteRequest): boolean {
  if (request.transfer || state.leader === NOBODY) return false;
  // A leader that hears no quorum gives up by itself.
  return state.role === "leader" ||
    // One tick less than the shortest timeout: nodes tick out of step, and the first to campaign after a
    // leader's death should not be turned away for that.
    state.electionElapsed < state.limits.electionTicks - 1;
}

/**
 * Whether this node asks for the same, has as good a log and the higher id: then the other one should give
 * way. Two that ask at the same moment would both win their pre-votes, split the votes, and leave the
 * group without a leader for another timeout. Only for a moment: should this node get nowhere, because
 * it is cut off from others, it must not be in the way for long.
 */
function isRival(state: CoreState, request: VoteRequest): boolean {
  return request.preVote && state.role === "preCandidate" && request.from < state.id &&
    state.electionElapsed < state.limits.heartbeatTicks &&
    request.lastIndex === state.log.lastIndex && request.lastTerm === state.log.lastTerm;
}

/** A request of the own term, or a pre-vote for a later one. */
export function handleVoteRequest(state: CoreState, request: VoteRequest): void {
  // Unanswered, it will be repeated.
  if (isRival(state, request)) return;
  const { preVote } = request;
  const free = state.vote === request.from ||
    (state.vote === NOBODY && state.leader === NOBODY) ||
    (preVote && request.term > state.term);
  const granted = free &&
    state.log.isUpToDate({ index: request.lastIndex, term: request.lastTerm });
  const reply = {
    type: "VoteReply" as const,
    to: request.from,
    // A granted pre-vote speaks of the term that was asked for; a refusal of the own one.
    term: granted ? request.term : state.term,
    preVote,
    granted,
  };
  if (granted && !preVote) {
    state.vote = request.from;
    state.electionElapsed = 0;
    state.sendWhenDurable(reply);
  } else {
    state.send(reply);
  }
}

/** An answer to the election that runs; `handleVoteReply` is only called for fitting terms. */
export function handleVoteReply(state: CoreState, reply: VoteReply): void {
  const running = reply.preVote ? "preCandidate" : "candidate";
  if (state.role !== running) return;
  // A grant from an earlier asking says nothing about the term that is asked for now.
  if (reply.preVote && reply.granted && reply.term !== state.term + 1) return;
  if (!state.votes.has(reply.from)) state.votes.set(reply.from, reply.granted);
  maybeWin(state);
}

/** The leader wants this node to take over: no pre-vote, and no lease holds against it (thesis §3.10). */
export function handleTimeoutNow(state: CoreState): void {
  if (state.electable) campaign(state, "transfer");
}

function maybeWin(state: CoreState): void {
  const result = voteResult(state.config, state.votes);
  if (result === "pending") return;
  if (result === "lost") return state.becomeFollower(state.term, NOBODY);
  if (state.role === "preCandidate") campaign(state, "real");
  // Only with its own vote on disk: it must not forget in which term it led.
  else if (state.votes.get(state.id) === true) state.becomeLeader();
}
