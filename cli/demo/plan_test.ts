import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { chooseSegmentEntries, dealFiles, DEMO_TOPICS } from "./plan.ts";

function file(path: string, lines: number) {
  const encoder = new TextEncoder();
  return { path, lines: Array.from({ length: lines }, (_, i) => encoder.encode(`${path}:${i}`)) };
}

Deno.test("dealFiles() puts every line in one topic, files whole and in order", () => {
  const files = [file("a", 5), file("b", 2), file("c", 4)];
  const topics = dealFiles(files);
  strictEqual(topics.length, DEMO_TOPICS);
  deepStrictEqual(topics.map((topic) => topic.paths), [["a"], ["b", "c"]]);
  deepStrictEqual(topics[1]!.messages, [...files[1]!.lines, ...files[2]!.lines]);
  strictEqual(dealFiles([file("one", 3)]).length, 1);
});

Deno.test("chooseSegmentEntries() makes at least 20 sealed segments where there are lines enough", () => {
  for (const counts of [[20_000], [10_000, 10_000], [3000, 17_000], [500, 501], [240, 10]]) {
    const topics = counts.map((count, i) => ({
      name: `${i}`,
      paths: [],
      messages: file("x", count).lines,
    }));
    const entries = chooseSegmentEntries(topics);
    const sealed = counts.reduce((sum, count) => sum + Math.floor(count / entries), 0);
    ok(sealed >= 20, `${counts} in segments of ${entries} make ${sealed}`);
  }
  strictEqual(chooseSegmentEntries([{ name: "t", paths: [], messages: file("x", 3).lines }]), 10);
});
