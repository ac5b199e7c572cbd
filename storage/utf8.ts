/**
 * Text that is kept as UTF-8, refused where it would be another text when it is read back (world/well_formed.ts).
 *
 * @module
 */

import { textMisfit } from "../world/mod.ts";
import { IllFormedTextError } from "./errors.ts";

/** The text's bytes. `what`: what it is the text of, for the error. @throws {IllFormedTextError} */
export function utf8Of(text: string, what: string): Uint8Array<ArrayBuffer> {
  const misfit = textMisfit(text, what);
  if (misfit !== null) throw new IllFormedTextError(misfit);
  return new TextEncoder().encode(text);
}
