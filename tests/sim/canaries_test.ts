import assert from "node:assert/strict";
import { CANARIES } from "./canaries.ts";
import { type CanaryFinding, findCanary } from "./canary_run.ts";

/** Processes that look for canaries at a time. */
const WORKERS = 2;
const ROOT = new URL("../..", import.meta.url).pathname;

/** What was found of each canary; the search begins with the first one that is asked for. */
class Search {
  readonly #findings = new Map<string, Promise<CanaryFinding>>();

  find(name: string): Promise<CanaryFinding> {
    if (this.#findings.size === 0) this.#begin();
    return this.#findings.get(name)!;
  }

  #begin(): void {
    const lanes: Promise<unknown>[] = Array.from({ length: WORKERS }, () => Promise.resolve());
    for (const [index, name] of Object.keys(CANARIES).entries()) {
      const lane = index % WORKERS;
      const finding = lanes[lane]!.then(() => findCanary(name, ROOT));
      lanes[lane] = finding.catch(() => {}); // whoever asks for it is told
      this.#findings.set(name, finding);
    }
  }
}

const search = new Search();

for (const [name, canary] of Object.entries(CANARIES)) {
  Deno.test({
    name: `Simulated clusters find a planted bug: ${name}`,
    // The search runs on behind the test that began it.
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      const { isFound, report } = await search.find(name);
      const { outside, rule, seedsMax } = canary;
      const wanted = outside && !outside.isRare ? `, and ${outside.seedsMax} from outside` : "";
      assert.ok(isFound, `not within ${seedsMax} seeds${wanted}, without "${rule}"\n${report}`);
    },
  });
}

Deno.test("Every canary stands in the list of rules that README.md gives", async () => {
  const text = await Deno.readTextFile(new URL("README.md", import.meta.url));
  for (const name of Object.keys(CANARIES)) assert.ok(text.includes(`\`${name}\``), name);
});
