/**
 * Stand-ins for a node, for tests and examples: in memory, behind the real codec, well-behaved or not.
 *
 * @module
 */

export { type FakeBehaviour, FakeNode } from "./fake_node.ts";
export { startStandIn } from "./stand_in.ts";
