/**
 * The command line: everything that a person types and reads. It puts real worlds together and may use
 * every other part; nothing uses it but `main.ts`. Two scripts beside it are run by tasks: `cluster.ts`
 * (three nodes in one terminal) and `demo.ts` (the whole story on real files).
 *
 * @module
 */

export { runProgram } from "./program.ts";
