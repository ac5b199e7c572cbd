/**
 * The manual page, made from the commands' own help.
 *
 * @module
 */

import type { Command } from "commander";
import { pathOf, withSubcommands } from "../cli/parser.ts";
import { makeProgram } from "../cli/program.ts";
import { painterFor } from "../cli/terminal.ts";
import { VERSION } from "../cli/version.ts";

const DESCRIPTION = `
Walrus is a distributed log: producers append messages to topics, consumers read them back in order,
from any node. A message is acknowledged when it is on the disks of a majority of its replicas.`;

const EXIT_STATUS: readonly (readonly [string, string])[] = [
  ["0", "Done."],
  ["1", "The node, the connection or the disk said no, with one line on standard error."],
  ["2", "The command line is wrong; nothing was tried."],
  ["3", "walrus cli get: there is nothing to read now."],
  ["4", "The answer was lost: it may have been done or not."],
];

const FILES: readonly (readonly [string, string])[] = [
  ["./data", "A node's data, unless --data-dir says otherwise."],
  [
    "$XDG_CACHE_HOME/walrus, ~/.cache/walrus, /var/tmp/walrus-UID, /tmp/walrus-UID",
    "The first that can be used: what the executable unpacks at its first start. It may be removed.",
  ],
];

const HELP_COLUMNS = 80;

/** Every command of the program, for the shell completions and the manual. */
export function programForDocuments(): Command {
  const nothing = () => {};
  const paint = painterFor(false);
  return makeProgram({
    output: {
      isTerminal: false,
      out: nothing,
      outBytes: nothing,
      error: nothing,
      paint,
      paintError: paint,
    },
    build: null,
    onExitCode: nothing,
  });
}

/** `walrus.1`. */
export function manPage(program: Command): string {
  const parts = [
    `.TH WALRUS 1 "" "Walrus ${VERSION}" "User Commands"`,
    ".SH NAME\nwalrus \\- a distributed log",
    ".SH SYNOPSIS\n.B walrus\n.I command\n[options]",
    `.SH DESCRIPTION\n${escape(DESCRIPTION.trim())}`,
    ".SH COMMANDS",
  ];
  for (const command of program.commands.flatMap(withSubcommands)) {
    if (command.name() === "help") continue;
    parts.push(`.SS ${escape(pathOf(command))}\n.nf\n${escape(helpOf(command))}\n.fi`);
  }
  parts.push(".SH EXIT STATUS", list(EXIT_STATUS), ".SH FILES", list(FILES));
  return parts.join("\n") + "\n";
}

function list(items: readonly (readonly [string, string])[]): string {
  return items.map(([term, text]) => `.TP\n${escape(term)}\n${escape(text)}`).join("\n");
}

/** With what stands behind the flags: environment and examples. */
function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({
    writeOut: (part) => void (text += part),
    getOutHelpWidth: () => HELP_COLUMNS, // not those of who builds it
  });
  command.outputHelp();
  return text.trim();
}

/** No line of ours is to be taken for a request, no hyphen for a dash; beyond ASCII by number. */
function escape(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^(?=[.'])/gm, "\\&")
    .replace(/[^\p{ASCII}]/gu, (letter) => {
      const code = letter.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0");
      return `\\[u${code}]`;
    });
}
