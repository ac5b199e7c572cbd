/**
 * Decimal numbers in requests and answers, read where they stand.
 *
 * @module
 */

const ZERO = 0x30;
const NINE = 0x39;

/** One past the digits that begin at `at`; `at` itself where none does. */
export function digitsEnd(bytes: Uint8Array, at: number, end: number): number {
  while (at < end && bytes[at]! >= ZERO && bytes[at]! <= NINE) at++;
  return at;
}

/**
 * The number whose digits are `bytes[start, end)`; -1 where there are none, or it is above 2^53 − 1.
 */
export function decimalOf(bytes: Uint8Array, start: number, end: number): number {
  if (start === end) return -1;
  let value = 0;
  for (let at = start; at < end; at++) {
    value = value * 10 + (bytes[at]! - ZERO);
    if (value > Number.MAX_SAFE_INTEGER) return -1;
  }
  return value;
}
