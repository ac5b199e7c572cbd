/**
 * A document's blocks as one shell script: what a reader does who types everything from top to bottom.
 *
 * @module
 */

import type { DocBlock } from "./doc_blocks.ts";

/** Where the script keeps what it knows, relative to where it is started. */
export const NOTES = ".notes";
/** How long another terminal may take to show what it should, tenths of a second. */
const TERMINAL_WAIT_TENTHS = 400;

const HEAD = `
set -eo pipefail
notes=$PWD/${NOTES}
terminals=()
# block LINE OUTPUT: what runs now, for whoever reads of its failure.
block() {
  printf '%s\\n' "$1" > "$notes/current"
  ln -sfn "$2" "$notes/out"
}
# shows TEXT FILE PID: waits until the terminal shows it.
shows() {
  local i
  for ((i = 0; i < ${TERMINAL_WAIT_TENTHS}; i++)); do
    if grep -qF -- "$1" "$2"; then return 0; fi
    if ! kill -0 "$3"; then break; fi
    sleep 0.1
  done
  echo "The terminal does not show: $1" >&2
  cat "$2" >&2
  return 1
}
close_terminals() {
  local pid
  for pid in "\${terminals[@]}"; do kill -INT -- "-$pid"; done
  for pid in "\${terminals[@]}"; do wait "$pid" || true; done
  terminals=()
}
`;

/** The script. Stops at the first command that fails, or whose output is not what the document says. */
export function scriptOf(blocks: readonly DocBlock[]): string {
  let lastRun = -1;
  const parts = blocks.map((block, i) => {
    if (block.kind === "run" || block.kind === "ctrl-c") lastRun = i;
    return partOf(block, i, lastRun);
  });
  return [HEAD, ...parts, "block 0 none", ""].join("\n");
}

function partOf(block: DocBlock, i: number, lastRun: number): string {
  const head = `block ${block.line} out-${i}`;
  switch (block.kind) {
    case "run":
      return `${head}\n{\n${block.text}} > "$notes/out-${i}"`;
    case "ctrl-c":
      return `${head}\nclose_terminals\n{\n${block.text}} > "$notes/out-${i}"`;
    case "output":
      return `${head}\n${heredoc(`$notes/wish-${i}`, block.text)}\n` +
        `diff "$notes/wish-${i}" "$notes/out-${lastRun}" >&2`;
    case "terminal":
      return [
        head,
        heredoc(`$notes/terminal-${i}.sh`, block.text),
        // With job control: a group of its own, which Ctrl-C ends.
        `set -m`,
        `bash -e "$notes/terminal-${i}.sh" > "$notes/terminal-${i}" 2>&1 < /dev/null &`,
        `terminals+=($!)`,
        `set +m`,
        `shows ${quoted(block.detail)} "$notes/terminal-${i}" $!`,
      ].join("\n");
    case "prompt":
      return `${head}\n${promptPart(block, i)}`;
    case "file":
      return `${head}\n${heredoc(block.detail, block.text)}`;
    default:
      return `# line ${block.line}: ${block.kind}`;
  }
}

const PROMPT = "walrus> ";

function promptPart({ text }: DocBlock, i: number): string {
  const [command, ...rest] = text.trimEnd().split("\n");
  const typed = rest.filter((line) => line.startsWith(PROMPT)).map((line) =>
    line.slice(PROMPT.length)
  );
  const answers = rest.filter((line) => !line.startsWith(PROMPT));
  const lines = (list: readonly string[]) => list.map((line) => `${line}\n`).join("");
  return [
    heredoc(`$notes/typed-${i}`, lines(typed)),
    heredoc(`$notes/wish-${i}`, lines(answers)),
    `${command} < "$notes/typed-${i}" > "$notes/out-${i}"`,
    `diff "$notes/wish-${i}" "$notes/out-${i}" >&2`,
  ].join("\n");
}

function heredoc(path: string, text: string): string {
  return `cat > "${path}" <<'END OF BLOCK'\n${text}END OF BLOCK`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
