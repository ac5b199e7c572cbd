/**
 * `deno task bench:storage [ROW…] [--seconds N] [--gigabytes N] [--dir D] [--file] [--json]`: the gigabytes
 * are those of a sustained load, and of the larger store that is opened anew.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { type Measured, ROWS } from "./mod.ts";

const { values, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "3" },
    gigabytes: { type: "string", default: "4" },
    dir: { type: "string", default: ".cache/bench" },
    file: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

const unknown = positionals.find((name) => !(name in ROWS));
if (unknown !== undefined) {
  print(`There is no row ${unknown}. Rows: ${Object.keys(ROWS).join(", ")}.`);
  Deno.exit(2);
}

const all: Measured[] = [];
for (const [name, run] of Object.entries(ROWS)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  const measured = await run({
    directory: values.dir,
    seconds: Number(values.seconds),
    gigabytes: Number(values.gigabytes),
    disableUring: values.file,
  });
  all.push(...measured);
  if (!values.json) { for (const row of measured) print(describe(row)); }
}
if (values.json) print(JSON.stringify(all, null, 2));

function describe(measured: Measured): string {
  const { row, entries, payloadBytes, seconds, p50Ms, p99Ms, p999Ms, diskPerByte, note } = measured;
  const rate = entries === 0
    ? `${(seconds * 1000).toFixed(0)} ms`
    : `${Math.round(entries / seconds).toLocaleString("en")}/s`;
  const parts = [row.padEnd(58), rate.padStart(12)];
  if (payloadBytes > 0) parts.push(`${(payloadBytes / seconds / 1e6).toFixed(0)} MB/s`);
  if (p50Ms > 0) {
    const [p50, p99, p999] = [p50Ms, p99Ms, p999Ms].map((ms) => ms.toFixed(ms < 1 ? 3 : 1));
    parts.push(`p50 ${p50} p99 ${p99} p99.9 ${p999} ms`);
  }
  if (measured.worstP999Ms > 0) {
    parts.push(`worst p99.9 of a GB ${measured.worstP999Ms.toFixed(1)} ms`);
  }
  if (diskPerByte > 0) parts.push(`disk ×${diskPerByte.toFixed(2)}`);
  if (note !== "") parts.push(note);
  return parts.join("  ");
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
