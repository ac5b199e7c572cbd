/**
 * Fenced blocks of a document, and what their info strings ask for.
 *
 * | info string | what happens |
 * | ----------- | ------------ |
 * | `sh` | runs, after the ones above, in the same shell; every command must succeed |
 * | `sh not-run: REASON` | does not run |
 * | `sh run-by: PATH` | does not run here: the file runs what stands behind `deno` |
 * | `sh terminal: TEXT` | runs in another terminal, which must show TEXT |
 * | `sh ctrl-c` | as `sh`, after Ctrl-C in all other terminals |
 * | `sh prompt` | its first line runs; the others are what is typed behind `walrus> `, and the answers |
 * | `text output` | what the block above printed to stdout |
 * | `LANGUAGE file: NAME` | is written to a file; `ignore` in front is for `deno test --doc` |
 * | any other | is looked at by nobody |
 *
 * @module
 */

/** What a block is for. */
export type BlockKind =
  | "run"
  | "not-run"
  | "run-by"
  | "terminal"
  | "ctrl-c"
  | "prompt"
  | "output"
  | "file"
  | "other";

/** One fenced block. */
export interface DocBlock {
  kind: BlockKind;
  language: string;
  /** What stands behind the colon of its kind; empty where there is none. */
  detail: string;
  text: string;
  /** Of its first line in the document, from 1. */
  line: number;
}

const FENCE = /^( *)```([^\n`]*)\n([\s\S]*?)^\1```$/gm;
const NEEDS_DETAIL: ReadonlySet<BlockKind> = new Set(["not-run", "run-by", "terminal", "file"]);

/** All blocks, in order. @throws {Error} where an info string means nothing: it would be passed over. */
export function blocksOf(markdown: string): DocBlock[] {
  return [...markdown.matchAll(FENCE)].map((match) => {
    const [, indent, info, body] = match as unknown as [string, string, string, string];
    const line = markdown.slice(0, match.index).split("\n").length + 1;
    const text = body.replaceAll(new RegExp(`^${indent}`, "gm"), "");
    return { ...kindOf(info.trim(), line), text, line };
  });
}

function kindOf(info: string, line: number): Pick<DocBlock, "kind" | "language" | "detail"> {
  const [language = "", ...words] = info.split(/ +/);
  const rest = words.join(" ").replace(/^ignore\b ?/, "");
  const [, name = "", detail = ""] = /^([a-z-]+)(?:: (.+))?$/.exec(rest) ?? [];
  const kind = kindNamed(language, rest === "" ? "" : name);
  if (kind === null || (rest !== "" && NEEDS_DETAIL.has(kind) !== (detail !== ""))) {
    throw new Error(`Line ${line - 1}: the info string "${info}" is none that is known.`);
  }
  return { kind, language, detail };
}

function kindNamed(language: string, name: string): BlockKind | null {
  if (language === "sh") {
    if (name === "") return "run";
    const kinds: readonly string[] = ["not-run", "run-by", "terminal", "ctrl-c", "prompt"];
    return kinds.includes(name) ? name as BlockKind : null;
  }
  if (name === "") return "other";
  if (name === "output") return language === "text" ? "output" : null;
  return name === "file" ? "file" : null;
}
