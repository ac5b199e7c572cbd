/**
 * `check`: whether every node is there and every segment has its replicas, for people and scripts that are
 * about to take a node down.
 *
 * @module
 */

import type { NodeList, TopicState, WalrusClient } from "../../client/mod.ts";
import { EXIT } from "../exit.ts";
import type { ShellParts } from "./parts.ts";

/** What is not as it should be, and what is only to be known. */
export interface CheckResult {
  nodes: number;
  topics: number;
  segments: number;
  problems: string[];
  /** Things that no waiting changes. */
  notes: string[];
}

/** Voters that a cluster has at most; further nodes are learners for good. */
const VOTERS_MAX = 7;
/** Topics that are asked about at once. */
const TOPICS_AT_ONCE = 256;
const POLL_MS = 500;

/** Looks until all is well or `waitSeconds` are over; the exit code. @throws {ClientError} */
export async function checkCluster(
  client: WalrusClient,
  { waitSeconds, parts }: { waitSeconds: number; parts: Pick<ShellParts, "output"> },
): Promise<number> {
  const { output } = parts;
  const endMs = performance.now() + waitSeconds * 1000;
  let result = await lookFor(client);
  while (result.problems.length > 0 && performance.now() < endMs) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    result = await lookFor(client);
  }
  for (const note of result.notes) output.out(`${output.paint("yellow", "NOTE")} ${note}\n`);
  for (const problem of result.problems) output.out(`${output.paint("red", "BAD")}  ${problem}\n`);
  const isGood = result.problems.length === 0;
  const counts = `${result.nodes} nodes, ${result.topics} topics, ${result.segments} segments`;
  if (isGood) {
    output.out(`${output.paint("green", "OK")}   ${counts}: all live, all with their replicas\n`);
  }
  return isGood ? EXIT.ok : EXIT.failure;
}

async function lookFor(client: WalrusClient): Promise<CheckResult> {
  const [{ nodes }, { topics }] = await Promise.all([client.nodes(), client.topics()]);
  const result: CheckResult = {
    nodes: nodes.length,
    topics: topics.length,
    segments: topics.reduce((sum, topic) => sum + topic.segments, 0),
    problems: nodeProblems(nodes),
    notes: [],
  };
  for (let i = 0; i < topics.length; i += TOPICS_AT_ONCE) {
    const some = topics.slice(i, i + TOPICS_AT_ONCE);
    const states = await Promise.all(some.map(({ topic }) => client.state(topic)));
    for (const [j, state] of states.entries()) noteTopic(some[j]!.topic, state, result);
  }
  return result;
}

/** What is wrong with the nodes. */
export function nodeProblems(nodes: NodeList["nodes"]): string[] {
  const problems: string[] = [];
  if (!nodes.some((node) => node.role === "leader")) {
    problems.push(
      "no leader of the metadata is known: fewer than a majority of the nodes are here",
    );
  }
  for (const { id, live, draining, given_up: isGivenUp, role, leads, holds } of nodes) {
    if (!live) problems.push(`node ${id} is not heard`);
    if (draining) {
      const how = isGivenUp ? "leaving, and was given up" : "leaving";
      problems.push(`node ${id} is ${how}: it still leads ${leads} and holds ${holds} segments`);
    }
    const isCandidate = role === "learner" && nodes.length <= VOTERS_MAX;
    if (live && isCandidate) problems.push(`node ${id} is still catching up with the metadata`);
  }
  return problems;
}

/** Adds what is wrong with a topic's segments. */
export function noteTopic(topic: string, state: TopicState, result: CheckResult): void {
  const segments = Object.entries(
    (state["segments"] ?? {}) as Record<
      string,
      { state: string; under_replicated: boolean; may_have_lost: boolean }
    >,
  );
  const named = (wanted: typeof segments) => wanted.map(([number]) => number).join(", ");
  const short = segments.filter(([, segment]) => segment.under_replicated);
  if (short.length > 0) {
    result.problems.push(`${topic}: too few replicas of segment ${named(short)}`);
  }
  const sealing = segments.filter(([, segment]) => segment.state === "sealing");
  if (sealing.length > 0) {
    result.problems.push(`${topic}: segment ${named(sealing)} is being recovered`);
  }
  const lossy = segments.filter(([, segment]) => segment.may_have_lost);
  if (lossy.length > 0) {
    result.notes.push(`${topic}: segment ${named(lossy)} may have lost acknowledged messages`);
  }
}
