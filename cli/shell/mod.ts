/**
 * `walrus cli`: one-shot commands, and a prompt (`repl.ts`, loaded when it is wanted).
 *
 * @module
 */

export { makeShellCommand } from "./shell_command.ts";
