/**
 * Completion scripts, made from the commands and flags themselves.
 *
 * @module
 */

import type { Command, Option } from "commander";

/** The shells that there is a script for. */
export const SHELLS: readonly string[] = ["bash", "zsh"];

/** One command or subcommand, as the scripts need it. */
interface Place {
  /** The words behind `walrus` that lead here, with single spaces; empty for the program itself. */
  path: string;
  /** What may stand next: names of commands, flags, choices of arguments. */
  words: string[];
}

/** The script for one of {@link SHELLS}. */
export function completionsFor(shell: string, program: Command): string {
  const places = placesOf(program, "");
  return shell === "zsh" ? zshScript(places) : bashScript(places);
}

function placesOf(command: Command, path: string): Place[] {
  const flags = command.options.filter((option) => !option.hidden).flatMap(flagsOf);
  const choices = command.registeredArguments.flatMap((argument) => argument.argChoices ?? []);
  const names = command.commands.map((child) => child.name());
  const own = { path, words: [...names, ...choices, ...flags, "--help"] };
  const below = command.commands.flatMap((child) =>
    placesOf(child, path === "" ? child.name() : `${path} ${child.name()}`)
  );
  return [own, ...below];
}

function flagsOf(option: Option): string[] {
  return option.long ? [option.long] : [];
}

/** A shell function body: from the words before the cursor to those that may come now. */
function casesOf(places: readonly Place[]): string {
  return places.map(({ path, words }) => `    "${path}") offers="${words.join(" ")}" ;;`).join(
    "\n",
  );
}

/** Commands are words that name one at this place; flags and their values don't lead anywhere. */
function pathPatterns(places: readonly Place[]): string {
  return places.filter(({ path }) => path !== "").map(({ path }) => `"${path}"`).join("|");
}

function bashScript(places: readonly Place[]): string {
  return `# bash completion for walrus
_walrus() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" next offers="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    next="\${path:+$path }\${COMP_WORDS[i]}"
    case "$next" in
    ${pathPatterns(places)}) path="$next" ;;
    esac
  done
  case "$path" in
${casesOf(places)}
  esac
  case "\${COMP_WORDS[COMP_CWORD-1]}" in
  --data-dir|--log-file) COMPREPLY=($(compgen -f -- "$current")) ;;
  *) COMPREPLY=($(compgen -W "$offers" -- "$current")) ;;
  esac
}
complete -o filenames -F _walrus walrus
`;
}

function zshScript(places: readonly Place[]): string {
  return `#compdef walrus
_walrus() {
  local previous="\${words[CURRENT-1]}" path_="" next i
  local -a typed=("\${words[@]}")
  local offers=""
  for ((i = 2; i < CURRENT; i++)); do
    next="\${path_:+$path_ }\${typed[i]}"
    case "$next" in
    ${pathPatterns(places)}) path_="$next" ;;
    esac
  done
  case "$path_" in
${casesOf(places)}
  esac
  case "$previous" in
  --data-dir|--log-file) _files ;;
  *) compadd -- \${=offers} ;;
  esac
}
if [ "$funcstack[1]" = "_walrus" ]; then _walrus "$@"; else compdef _walrus walrus; fi
`;
}
