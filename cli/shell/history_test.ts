import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { historyPath, loadHistory, saveHistory } from "./history.ts";

Deno.test("historyPath() follows the XDG rules", () => {
  const at = (values: Record<string, string>) => historyPath((name) => values[name]);
  strictEqual(at({ XDG_STATE_HOME: "/state", HOME: "/home/u" }), "/state/walrus/history");
  strictEqual(at({ HOME: "/home/u" }), "/home/u/.local/state/walrus/history");
  strictEqual(at({ XDG_STATE_HOME: "relative", HOME: "/h" }), "/h/.local/state/walrus/history");
  strictEqual(at({}), null);
});

Deno.test("loadHistory() gives what saveHistory() kept, newest first and bounded", () => {
  const folder = Deno.makeTempDirSync();
  try {
    const path = `${folder}/new/history`;
    deepStrictEqual(loadHistory(path), []);
    saveHistory(path, ["newest", "older"]);
    deepStrictEqual(loadHistory(path), ["newest", "older"]);
    strictEqual(Deno.statSync(path).mode! & 0o777, 0o600);
    saveHistory(path, Array.from({ length: 3000 }, (_, i) => `line ${i}`));
    deepStrictEqual([loadHistory(path).length, loadHistory(path)[0]], [1000, "line 0"]);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
