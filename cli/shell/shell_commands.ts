/**
 * Every command that a cluster can be asked, one-shot and at the prompt.
 *
 * @module
 */

import type { Command } from "commander";
import { clusterCommands } from "./cluster_commands.ts";
import { messageCommands } from "./message_commands.ts";
import type { ShellParts } from "./parts.ts";

/** New ones at each call: a command's parser keeps what it has read. */
export function shellCommands(parts: ShellParts): Command[] {
  return [...messageCommands(parts), ...clusterCommands(parts)];
}
