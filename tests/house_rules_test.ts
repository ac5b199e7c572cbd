import assert from "node:assert/strict";
import { checkTree, FILE_LINES_MAX, readSourceTree, type SourceFile } from "./house_rules/mod.ts";

Deno.test("This repository keeps its house rules", async () => {
  const files = await readSourceTree(new URL("..", import.meta.url).pathname);
  assert.ok(files.length > 50, "the tree was found");
  const violations = checkTree(files);
  const lines = violations.map(({ rule, path, line, message }) =>
    `${path}:${line} [${rule}] ${message}`
  );
  assert.equal(lines.join("\n"), "", `${lines.length} violations`);
});

const DOC = "/** A file that is planted by a test. @module */\n";

/** Files that keep every rule, one of each kind that the rules look at. */
const HEALTHY: readonly SourceFile[] = [
  { path: "deno.json", text: '{"tasks":{"x":"deno run tools/task.ts"}}' },
  { path: "main.ts", text: `${DOC}import "./cli/mod.ts";\nDeno.exit(0);\n` },
  { path: "mod.ts", text: `${DOC}export * from "./storage/mod.ts";\n` },
  { path: "tools/mod.ts", text: `${DOC}import "./task.ts";\n` },
  { path: "tools/task.ts", text: `${DOC}import "./mod.ts";\nconsole.log(Date.now());\n` },
  { path: "world/mod.ts", text: `${DOC}export type Clock = { nowMs(): number };\n` },
  { path: "world/real/mod.ts", text: `${DOC}export const now = () => performance.now();\n` },
  { path: "storage/mod.ts", text: `${DOC}import "../world/mod.ts";\nexport * from "./log.ts";\n` },
  { path: "storage/log.ts", text: `${DOC}export const LIMIT = 5;\n` },
  { path: "storage/child.ts", text: `${DOC}export const LIMIT = 5;\n` },
  { path: "storage/url_test.ts", text: 'new URL("child.ts", import.meta.url);\n' },
  { path: "storage/log_test.ts", text: 'import "./log.ts";\nlet n = 0;\nn += Date.now();\n' },
  { path: "server/mod.ts", text: `${DOC}import "../storage/mod.ts";\n` },
  {
    path: "cli/mod.ts",
    text: `${DOC}import "../server/mod.ts";\nimport "../world/real/mod.ts";\n`,
  },
];

/** The healthy tree with one file replaced or added. */
function plant(path: string, text: string): SourceFile[] {
  return [...HEALTHY.filter((file) => file.path !== path), { path, text }];
}

function rulesBroken(files: readonly SourceFile[]): string[] {
  return checkTree(files).map(({ rule, path }) => `${rule} ${path}`);
}

Deno.test("House rules find nothing in a healthy tree", () => {
  assert.deepEqual(checkTree(HEALTHY), []);
});

const IN_A_CORE = [
  "export const f = () => Date.now();",
  "export const f = () => new Date();",
  "export const f = () => performance.now();",
  "export const f = () => Math.random();",
  "export const f = () => setTimeout(() => {}, 1);",
  "export const f = (later = setInterval) => later;",
  "export const f = () => crypto.randomUUID();",
  "export const f = () => AbortSignal.timeout(1);",
  'export const f = () => Deno.env.get("X");',
  "export const f = () => globalThis;",
  "export const f = () => process.exit();",
  'export const f = () => fetch("x");',
  'import "node:fs";',
  'export * from "node:timers";',
  'export const f = () => import("node:net");',
  "export type File = Deno.FsFile;",
];

for (const code of IN_A_CORE) {
  Deno.test(`House rules find the world in a core: ${code}`, () => {
    assert.deepEqual(rulesBroken(plant("storage/log.ts", `${DOC}${code}\n`)), [
      "world-only-through-twins storage/log.ts",
    ]);
  });
}

Deno.test("House rules let cores name members and dates of their own", () => {
  const code = "export const f = (x: { Deno: number; fetch(): void }, ms: number) => " +
    "[x.Deno, x.fetch(), new Date(ms), { process: 1 }];";
  assert.deepEqual(rulesBroken(plant("storage/log.ts", `${DOC}${code}\n`)), []);
});

Deno.test("House rules find a core that takes the real world itself", () => {
  const text = `${DOC}import "../world/real/mod.ts";\n`;
  assert.deepEqual(rulesBroken(plant("server/mod.ts", text)), [
    "world-only-through-twins server/mod.ts",
  ]);
});

Deno.test("House rules find imports that go up, of every form", () => {
  const upward = [
    'import "../server/mod.ts";',
    'import type { X } from "../server/mod.ts";',
    'export * from "../server/mod.ts";',
    'export { x } from "../cli/mod.ts";',
    'export const f = () => import("../server/mod.ts");',
    'import "../main.ts";',
  ];
  for (const code of upward) {
    const broken = rulesBroken(plant("storage/log.ts", `${DOC}${code}\n`));
    assert.deepEqual(broken, ["no-import-up storage/log.ts"], code);
  }
});

Deno.test("House rules find state at module level", () => {
  const stateful = [
    "let count = 0;",
    "export let count = 0;",
    "var count = 0;",
    "const cache = new Map<string, number>();",
    "const list: string[] = [];",
    "export const table = {};",
    "const buffer = new Uint8Array(10);",
    "export class Counter { static count = 0; }",
  ];
  for (const code of stateful) {
    const broken = rulesBroken(plant("storage/log.ts", `${DOC}${code}\n`));
    assert.deepEqual(broken, ["no-module-state storage/log.ts"], code);
  }
  const stateless = [
    "const EMPTY = new Uint8Array(0);",
    "const encoder = new TextEncoder();",
    'const NAMES: ReadonlySet<string> = new Set(["a"]);',
    'const LEVELS = ["debug"] as const;',
    "export class Limits { static readonly max = 5; }",
    "export function f() { let n = 0; const m = new Map(); return [n++, m]; }",
  ];
  for (const code of stateless) {
    assert.deepEqual(rulesBroken(plant("storage/log.ts", `${DOC}${code}\n`)), [], code);
  }
});

Deno.test("House rules find files without a module comment", () => {
  for (const head of ["", "// A line.\n", "/** No tag. */\n", "/** @module */\n"]) {
    const text = `${head}export const LIMIT = 5;\n`;
    assert.deepEqual(rulesBroken(plant("storage/log.ts", text)), ["module-doc storage/log.ts"]);
  }
});

Deno.test("House rules find files that are too long", () => {
  const fill = (lines: number) => DOC + "// A line.\n".repeat(lines - 1);
  assert.deepEqual(rulesBroken(plant("storage/log.ts", fill(FILE_LINES_MAX))), []);
  assert.deepEqual(rulesBroken(plant("storage/log.ts", fill(FILE_LINES_MAX + 1))), [
    "file-length storage/log.ts",
  ]);
});

Deno.test("House rules find folders without a face", () => {
  const files = [
    ...plant(
      "storage/mod.ts",
      `${DOC}import "../world/mod.ts";\nimport "./disk/file.ts";\nimport "./log.ts";\n`,
    ),
    { path: "storage/disk/file.ts", text: DOC },
  ];
  assert.deepEqual(rulesBroken(files), ["folder-face storage/disk"]);
});

Deno.test("House rules find files that nothing uses, and files that only such files use", () => {
  const files = [
    ...plant("storage/lonely.ts", `${DOC}import "./lonelier.ts";\n`),
    { path: "storage/lonelier.ts", text: DOC },
  ];
  assert.deepEqual(rulesBroken(files), [
    "no-file-without-reader storage/lonely.ts",
    "no-file-without-reader storage/lonelier.ts",
  ]);
});

Deno.test("House rules find tasks that name a file which is not there", () => {
  const text = '{"tasks":{"x":"deno run -A tools/task.ts","y":"deno run -A tools/gone.ts"}}';
  assert.deepEqual(rulesBroken(plant("deno.json", text)), ["task-file-exists deno.json"]);
});

Deno.test("House rules find tasks that are spoken of and are not there", () => {
  const text = "Type `deno task x` or `npx -y deno@2.9.6 task y`.\n";
  assert.deepEqual(rulesBroken(plant("README.md", text)), ["task-exists README.md"]);
});

Deno.test("House rules find paths of one machine and hosts of registries, in any text file", () => {
  const planted = [
    `See ${"/"}root/notes.`,
    `"${"/"}work/main/x"`,
    `https:/${"/registry"}.${"npmjs"}.org/x`,
  ];
  for (const text of planted) {
    assert.deepEqual(rulesBroken(plant("README.md", text)), ["no-foreign-text README.md"], text);
  }
});
