/**
 * The commands that ask about the cluster, and change it: `state`, `topics`, `nodes`, `metrics`, `check`,
 * `watch`, `remove-node`.
 *
 * @module
 */

import type { Command } from "commander";
import type { WalrusClient } from "../../client/mod.ts";
import { EXIT } from "../exit.ts";
import { integerBetween } from "../flag_values.ts";
import { checkCluster } from "./check.ts";
import { nodesTable, topicsTable } from "./cluster_view.ts";
import { printOk, shellCommand, type ShellParts, topicName } from "./parts.ts";
import { showJson } from "./show.ts";
import { watchCluster, type WatchFlags } from "./watch.ts";

const WITHIN_SECONDS_MAX = 86_400;
const INTERVAL_SECONDS_MAX = 3600;

interface JsonFlag {
  json?: boolean;
}

/** In the order of the help. */
export function clusterCommands(parts: ShellParts): Command[] {
  return [
    stateCommand(parts),
    listCommand(parts, {
      name: "topics",
      ask: (client) => client.topics(),
      table: ({ topics }) => topicsTable(topics),
    }),
    listCommand(parts, {
      name: "nodes",
      ask: (client) => client.nodes(),
      table: ({ nodes }) => nodesTable(nodes, parts.output.paint),
    }),
    metricsCommand(parts),
    checkCommand(parts),
    watchCommand(parts),
    removeNodeCommand(parts),
    deleteCommand(parts),
    trimCommand(parts),
  ];
}

function stateCommand(parts: ShellParts): Command {
  return shellCommand(parts, {
    name: "state",
    summary: "the topic's segments, leaders and counts, as JSON",
    examples: ["state logs", "state logs --json"],
  }).argument("<topic>", "", topicName)
    .option("--json", "on one line")
    .action((topic: string, flags: JsonFlag) =>
      printJson(parts, flags, (client) => client.state(topic))
    );
}

function metricsCommand(parts: ShellParts): Command {
  return shellCommand(parts, {
    name: "metrics",
    summary: "what the node counts, and its view of the cluster, as JSON",
    examples: ["metrics", "metrics --json"],
  }).option("--json", "on one line")
    .action((flags: JsonFlag) => printJson(parts, flags, (client) => client.metrics()));
}

async function printJson(
  { output, withClient }: ShellParts,
  { json }: JsonFlag,
  ask: (client: WalrusClient) => Promise<unknown>,
): Promise<void> {
  await withClient(async (client) => {
    const answer = await ask(client);
    output.out(`${json ? JSON.stringify(answer) : showJson(answer, output.paint)}\n`);
    return EXIT.ok;
  });
}

const SUMMARIES = {
  topics: "all topics",
  nodes: "all nodes, and what each leads and holds",
} as const;

function listCommand<T>(
  parts: ShellParts,
  { name, ask, table }: {
    name: keyof typeof SUMMARIES;
    ask: (client: WalrusClient) => Promise<T>;
    table: (answer: T) => string[];
  },
): Command {
  return shellCommand(parts, {
    name,
    summary: SUMMARIES[name],
    examples: [name, `${name} --json`],
  }).option("--json", "as JSON, with more keys")
    .action((flags: JsonFlag) =>
      parts.withClient(async (client) => {
        const answer = await ask(client);
        const lines = flags.json ? [JSON.stringify(answer)] : table(answer);
        parts.output.out(lines.map((line) => `${line}\n`).join(""));
        return EXIT.ok;
      })
    );
}

function checkCommand(parts: ShellParts): Command {
  return shellCommand(parts, {
    name: "check",
    summary: "whether all nodes are there and all segments have their replicas",
    note: "Ends with 0 when all is well, else with 1 and what is wrong, a line each.",
    examples: ["check", "check --within 60"],
  }).option(
    "--within <seconds>",
    "look again until all is well",
    integerBetween(0, WITHIN_SECONDS_MAX),
    0,
  )
    .action(({ within }: { within: number }) =>
      parts.withClient((client) => checkCluster(client, { waitSeconds: within, parts }))
    );
}

function watchCommand(parts: ShellParts): Command {
  return shellCommand(parts, {
    name: "watch",
    summary: "nodes, topics and rates, drawn anew each second until Ctrl-C",
    note: "Where no terminal reads, each look is one line.",
    examples: ["watch", "watch --interval 10 --json"],
  }).option(
    "-i, --interval <seconds>",
    "between two looks",
    integerBetween(1, INTERVAL_SECONDS_MAX),
    1,
  )
    .option(
      "-n, --count <n>",
      "look so often, then end",
      integerBetween(1, Number.MAX_SAFE_INTEGER),
    )
    .option("--json", "an object a line")
    .action((flags: WatchFlags) =>
      parts.withClient((client) =>
        parts.interruptible((signal) =>
          watchCluster(client, { flags, signal, output: parts.output })
        )
      )
    );
}

function deleteCommand(parts: ShellParts): Command {
  return shellCommand(parts, {
    name: "delete",
    summary: "delete a topic and all its messages",
    examples: ["delete logs", "topics"],
  }).argument("<topic>", "", topicName)
    .action((topic: string) =>
      parts.withClient(async (client) => {
        await client.deleteTopic(topic);
        printOk(parts.output);
        return EXIT.ok;
      })
    );
}

function trimCommand(parts: ShellParts): Command {
  return shellCommand(parts, {
    name: "trim",
    summary: "drop the whole sealed segments before an offset",
    examples: ["trim logs 1000000", "state logs"],
  }).argument("<topic>", "", topicName)
    .argument("<offset>", "first one that must stay", integerBetween(0, Number.MAX_SAFE_INTEGER))
    .action((topic: string, offset: number) =>
      parts.withClient(async (client) => {
        await client.trim(topic, offset);
        printOk(parts.output);
        return EXIT.ok;
      })
    );
}

function removeNodeCommand(parts: ShellParts): Command {
  return shellCommand(parts, {
    name: "remove-node",
    summary: "move everything off a node, which then leaves; nodes shows how far it is",
    examples: ["remove-node 3", "nodes"],
  }).argument("<id>", "", integerBetween(1, Number.MAX_SAFE_INTEGER))
    .option("--accept-loss", "its disk is gone for good: give up what only it may have had")
    .action((id: number, flags: { acceptLoss?: boolean }) =>
      parts.withClient(async (client) => {
        await client.removeNode(id, { acceptLoss: flags.acceptLoss === true });
        printOk(parts.output);
        return EXIT.ok;
      })
    );
}
