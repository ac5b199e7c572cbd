/**
 * Work that is waited for only so long.
 *
 * @module
 */

import type { Clock, Timer } from "../world/mod.ts";

/** Whether `work` was done within the limit. Its failure is thrown, unless it is late. */
export async function withLimit(
  clock: Clock,
  limitMs: number,
  work: Promise<unknown>,
): Promise<boolean> {
  let timer: Timer | undefined;
  const limit = new Promise<false>((resolve) => {
    timer = clock.after(limitMs, () => resolve(false));
  });
  try {
    return await Promise.race([work.then(() => true), limit]);
  } finally {
    timer?.cancel();
  }
}
