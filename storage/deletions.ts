/**
 * Logs that are gone and may come back: a full disk refused to note it.
 *
 * Their names are free at once, so who deletes such a log again would be told that there is nothing to do; but
 * a crash before the next cycle that finds room brings it back.
 *
 * @module
 */

/** Of one store. */
export class Deletions {
  /** By the log's name: who sees to it that it is noted, or `null` where that was refused. */
  readonly #works = new Map<string, Promise<void> | null>();

  /**
   * Resolves when the log of that name is gone for good. `begun`: its deletion, of which nothing was known yet;
   * `sync`: what was refused is noted by the next cycle, and this resolves with that.
   */
  async finish(
    name: string,
    { begun, sync }: { begun: Promise<void> | null; sync: () => Promise<void> },
  ): Promise<void> {
    const works = this.#works;
    let work = begun ?? works.get(name);
    if (work === undefined) return;
    work ??= sync();
    works.set(name, work);
    try {
      await work;
    } catch (error) {
      if (works.get(name) === work) works.set(name, null);
      throw error;
    }
    if (works.get(name) === work) works.delete(name);
  }
}
