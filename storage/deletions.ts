/**
 * Logs that are gone and may come back: a full disk refused to note it.
 *
 * Their names are free at once, so who deletes such a log again would be told that there is nothing to do; but
 * a crash before the next cycle that finds room brings it back.
 *
 * And a new log may have the name before the deletion of the old one is on its way to disk. ⛔ What says that the
 * old one is gone must not stand behind what says that there is a new one: a crash between the two would leave
 * two logs of one name.
 *
 * @module
 */

/** Of one store. */
export class Deletions {
  /** By the log's name: who sees to it that it is noted, or `null` where that was refused. */
  readonly #works = new Map<string, Promise<void> | null>();
  /** By name: logs of which no record says yet that they are gone. */
  readonly #unnoted = new Map<string, number>();

  /** The log is gone, and nothing says so yet. */
  begin(name: string, logId: number): void {
    this.#unnoted.set(name, logId);
  }

  /** A record says so now. */
  note(name: string, logId: number): void {
    if (this.#unnoted.get(name) === logId) this.#unnoted.delete(name);
  }

  /** The log that had this name and must be noted as gone before another one gets it. */
  unnoted(name: string): number | undefined {
    return this.#unnoted.get(name);
  }

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
