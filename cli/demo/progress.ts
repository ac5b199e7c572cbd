/**
 * A bar on a terminal; nothing where nobody watches.
 *
 * @module
 */

import { MultiBar, Presets } from "cli-progress";
import process from "node:process";

/** How far something is. */
export interface ProgressBar {
  /** One more is done. */
  step(): void;
}

/** Bars below each other. */
export interface Progress {
  add(label: string, total: number): ProgressBar;
  stop(): void;
}

const LABEL_WIDTH = 9;

/** Draws on stderr, if that is a terminal. */
export function startProgress(): Progress {
  if (!Deno.stderr.isTerminal()) {
    return { add: () => ({ step: () => {} }), stop: () => {} };
  }
  const bars = new MultiBar({
    format: "  {label} {bar} {value}/{total}",
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: false,
  }, Presets.shades_classic);
  return {
    add(label, total) {
      const bar = bars.create(total, 0, { label: label.padEnd(LABEL_WIDTH) });
      return { step: () => bar.increment() };
    },
    stop: () => bars.stop(),
  };
}
