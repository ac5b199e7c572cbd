/**
 * Always-on assertions for what can't be unless the program is wrong; never for input.
 *
 * @module
 */

/** The program contradicts itself. Nobody handles this: the node stops (STYLE.md, "Errors"). */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Throws {@link AssertionError} unless `condition` holds. `message` says which invariant broke. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(`Invariant broken: ${message}`);
}

/** For the end of an exhaustive `switch`: a compile error while a case is missing. */
export function unreachable(value: never): never {
  throw new AssertionError(`Invariant broken: no case for ${JSON.stringify(value)}`);
}
