/**
 * The repository's own rules as checks over its source: what a core may touch, who may import whom, and
 * how files are kept. `house_rules_test.ts` runs them on this tree, and on planted faults.
 *
 * @module
 */

export * from "./check.ts";
export * from "./source_tree.ts";
