/**
 * Ctrl-C for commands that go on until it comes.
 *
 * @module
 */

const SIGNALS: readonly Deno.Signal[] = ["SIGINT", "SIGTERM"];

/** Runs `action`; SIGINT and SIGTERM end it instead of the process. The second one ends the process. */
export async function interruptibleBySignals<T>(
  action: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const signals = Deno.build.os === "windows" ? SIGNALS.slice(0, 1) : SIGNALS;
  const forget = () => signals.forEach((signal) => Deno.removeSignalListener(signal, stop));
  const stop = () => {
    controller.abort();
    forget();
  };
  for (const signal of signals) Deno.addSignalListener(signal, stop);
  try {
    return await action(controller.signal);
  } finally {
    if (!controller.signal.aborted) forget();
  }
}
