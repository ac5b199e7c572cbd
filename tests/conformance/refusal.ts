/**
 * What is wrong with an event.
 *
 * @module
 */

/** The event is no enabled action of the specification in the present state; nothing was changed. */
export class RefusedEventError extends Error {
  override readonly name = "RefusedEventError";
  /** The rule that forbids it, by the specification's name for it where it has one. */
  readonly rule: string;

  constructor(rule: string, why: string) {
    super(`${rule}: ${why}`);
    this.rule = rule;
  }
}

/** A safety property does not hold in the state that the event leads to. */
export class ViolatedPropertyError extends Error {
  override readonly name = "ViolatedPropertyError";
  /** Its name in `spec/WalrusProperties.tla`. */
  readonly rule: string;

  constructor(property: string, why: string) {
    super(`${property}: ${why}`);
    this.rule = property;
  }
}

/** A guard of an action. @throws {RefusedEventError} */
export function need(condition: boolean, rule: string, why: string | (() => string)): void {
  if (!condition) throw new RefusedEventError(rule, typeof why === "string" ? why : why());
}

/** A property of the state. @throws {ViolatedPropertyError} */
export function hold(condition: boolean, property: string, why: () => string): void {
  if (!condition) throw new ViolatedPropertyError(property, why());
}
