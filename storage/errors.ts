/**
 * What the storage engine refuses, as classes that callers can tell apart.
 *
 * @module
 */

/** The log was deleted, or its store closed. */
export class LogClosedError extends Error {
  /** The class's name, also where classes were bundled. */
  override readonly name = "LogClosedError";
}

/** A log of that name is there already. */
export class LogExistsError extends Error {
  /** The class's name, also where classes were bundled. */
  override readonly name = "LogExistsError";
}

/** A sync failed or an invariant broke earlier: the store takes no more appends until a restart. */
export class StoreFailedError extends Error {
  /** The class's name, also where classes were bundled. */
  override readonly name = "StoreFailedError";
}

/**
 * No room for this append. Nothing acknowledged is lost; later appends work once there is room. What was refused
 * last may be there after all when the process is killed before that.
 */
export class DiskFullError extends Error {
  /** The class's name, also where classes were bundled. */
  override readonly name = "DiskFullError";
}

/** A record or batch over the store's limit. */
export class TooLargeError extends Error {
  /** The class's name, also where classes were bundled. */
  override readonly name = "TooLargeError";
}

/** Text that UTF-8 can't hold: half of a surrogate pair is in it. It would be another text when it is read back. */
export class IllFormedTextError extends Error {
  /** The class's name, also where classes were bundled. */
  override readonly name = "IllFormedTextError";
}

/** A position or offset outside of what the log holds. */
export class OutOfRangeError extends Error {
  /** The class's name, also where classes were bundled. */
  override readonly name = "OutOfRangeError";
}

/** A frame on disk that should be valid is not. Says where. */
export class CorruptionError extends Error {
  /** The class's name, also where classes were bundled. */
  override readonly name = "CorruptionError";
  /** Names the log, the first position that can't be read, and the bad frame's file and place in it. */
  constructor(
    readonly log: string,
    readonly position: number,
    readonly file: string,
    readonly fileOffset: number,
  ) {
    super(
      `Log ${log} can't be read at position ${position}: the frame in ${file} at byte ${fileOffset} is corrupt. ` +
        `Restore it from a replica or a backup; entries before it are still readable.`,
    );
  }
}

/**
 * The journal is damaged, and what stands behind builds on what is lost: which space is whose would be a guess.
 * The store does not open, and nothing is changed.
 */
export class RottenJournalError extends CorruptionError {
  /** Names the bad frame's file and place in it, and the two ways out. */
  constructor(position: number, file: string, fileOffset: number) {
    super("catalog", position, file, fileOffset);
    this.message =
      `The data directory can't be opened: its journal is corrupt in ${file} at byte ${fileOffset}. ` +
      `Nothing was changed. A node of a cluster: remove it (walrus cli remove-node) and start it with an ` +
      `empty directory, the others give it what it had. Else: restore a backup; walrus verify lists what ` +
      `was readable up to the damage.`;
  }
}

/** What was read of the data directory is something else a moment later: the disk can't be trusted. */
export class UnsteadyDiskError extends Error {
  /** The class's name, also where classes were bundled. */
  override readonly name = "UnsteadyDiskError";
  /** Says how often it was tried. */
  constructor(readonly rounds: number) {
    super(
      `The data directory was read ${rounds} times and its files gave other bytes each time. ` +
        `Look at the disk; start again from a replica or a backup if it is failing.`,
    );
  }
}

/** The data directory belongs to something else: another process, a newer format, other content. */
export class ForeignDirectoryError extends Error {
  /** The class's name, also where classes were bundled. */
  override readonly name = "ForeignDirectoryError";
}
