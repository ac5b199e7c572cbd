/**
 * Keeps in `node.json` which runs the data directory has had (runs.ts), and that nobody may use it any more.
 *
 * @module
 */

import type { Log } from "../storage/mod.ts";
import { DiskError, type Logger } from "../world/mod.ts";
import { type IdentityFile, UNFIT_FORMAT } from "./identity.ts";
import {
  type FormerRuns,
  hasGoneBack,
  nextRun,
  NO_FORMER_RUNS,
  PENDING_RUNS_MAX,
  runNumber,
  withConfirmed,
  withPending,
} from "./runs.ts";

/** What counts of the node's Raft log here. */
type RaftLog = Pick<Log, "sync" | "durablePosition">;

/** One per process. */
export class DirectoryRuns {
  /** What the directory remembered when the process began. */
  readonly former: FormerRuns;
  readonly #file: IdentityFile;
  readonly #logger: Logger;
  #current: string;

  private constructor(file: IdentityFile, parts: { uuid: string; logger: Logger }) {
    this.#file = file;
    this.#logger = parts.logger;
    this.former = file.identity.runs ?? NO_FORMER_RUNS;
    this.#current = nextRun(this.former, parts.uuid);
  }

  /**
   * Begins a run. ⛔ It is on disk before anybody hears of it: what the cluster knows of the directory's starts, the
   * directory must know too. Where there is no room for that the run has no number, and nothing is found out by it.
   */
  static async begin(
    file: IdentityFile,
    parts: { uuid: string; logger: Logger },
  ): Promise<DirectoryRuns> {
    const runs = new DirectoryRuns(file, parts);
    const withoutNumber = (message: string, reason: string) => {
      runs.#current = parts.uuid;
      parts.logger.log("warn", message, { reason });
    };
    const next = withPending(runs.former, runs.#current);
    if (next === null) {
      const reason = `${PENDING_RUNS_MAX} starts before it were never seen registered`;
      withoutNumber("this start is not written down", reason);
      return runs;
    }
    const { identity } = file;
    const before = identity.runs;
    identity.runs = next;
    try {
      await file.save();
    } catch (error) {
      if (!(error instanceof DiskError) || error.code !== "NoSpace") throw error;
      if (before) identity.runs = before;
      else delete identity.runs;
      withoutNumber("the disk is full: this start is not written down", error.message);
    }
    return runs;
  }

  /** The run of this process. */
  get current(): string {
    return this.#current;
  }

  /** The directory's node has been a member, and has seen it: then it has a Raft log. */
  get wasMember(): boolean {
    return this.former.confirmed !== null;
  }

  /** Nobody heard of this start: those that fail again and again must not push out what the cluster knows. */
  async takeBack(): Promise<void> {
    const { identity } = this.#file;
    if (!identity.runs?.pending.includes(this.#current)) return;
    identity.runs = this.former;
    await this.#file.save().catch(() => {});
  }

  /**
   * Metadata has this run of the node. False where that shows that the directory is an older copy.
   */
  learnRegistered(run: string, raftLog: RaftLog | undefined): boolean {
    if (hasGoneBack(run, { runId: this.#current, formerRuns: this.former })) return false;
    this.#confirm(run, raftLog).catch((error) => {
      this.#logger.log("warn", "can't save that this node is registered", {
        reason: error.message,
      });
    });
    return true;
  }

  /** ⛔ Behind the Raft log: a directory that was confirmed and has none is taken for one that has lost it. */
  async #confirm(run: string, raftLog: RaftLog | undefined): Promise<void> {
    const { identity } = this.#file;
    if (!raftLog || !this.#isNews(run)) return;
    await raftLog.sync();
    if (raftLog.durablePosition === 0 || !this.#isNews(run)) return;
    identity.runs = withConfirmed(identity.runs ?? NO_FORMER_RUNS, run);
    await this.#file.save();
  }

  #isNews(run: string): boolean {
    const { confirmed, pending } = this.#file.identity.runs ?? NO_FORMER_RUNS;
    if (pending.includes(run)) return true;
    return run === this.#current && run !== confirmed &&
      (runNumber(run) !== null || pending.length > 0);
  }

  /** ⛔ No later process may use the directory: after an election nobody might know what it has forgotten. */
  async forbid(why: string): Promise<void> {
    const { identity } = this.#file;
    identity.unfit = why;
    identity.format = UNFIT_FORMAT;
    this.#logger.log("error", "this node must not go on with what is on its disk", { reason: why });
    await this.#file.save().catch((error) => {
      this.#logger.log("error", "that can't be written down: don't start it again", {
        reason: error.message,
      });
    });
  }
}
