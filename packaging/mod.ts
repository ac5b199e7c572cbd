/**
 * How Walrus becomes one file to download: `compile.ts` makes `dist/walrus`, `package.ts` the tarball around
 * it. Where `deno compile` can be used it is; elsewhere the file is a small C launcher (`launcher/`) that
 * carries the runtime, the bundled program and the shim, and unpacks them once. Files for those who run it
 * lie beside: a systemd unit, a Dockerfile, three nodes for Docker Compose. Nothing imports this part
 * but its tasks and tests.
 *
 * @module
 */

export { buildExecutable, type BuiltExecutable } from "./executable.ts";
export { makePackage } from "./package.ts";
