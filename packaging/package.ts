/**
 * `deno task package`: the executable with all that belongs to it, as one archive with its SHA-256 beside.
 *
 * @module
 */

import { completionsFor } from "../cli/completions.ts";
import { VERSION } from "../cli/version.ts";
import { buildExecutable } from "./executable.ts";
import { manPage, programForDocuments } from "./man_page.ts";
import { makeNotice } from "./notice.ts";
import { BuildError, DIST, firstLine, megabytes, ROOT, run, say } from "./tools.ts";

const TAR_TIMEOUT_MS = 120_000;

/** Builds the executable and the archive; the archive's path. @throws {BuildError} what is missing. */
export async function makePackage(): Promise<string> {
  const { path, remarks } = await buildExecutable();
  for (const remark of remarks) say(remark);
  const name = `walrus-${VERSION}-${Deno.build.os}-${Deno.build.arch}`;
  const folder = `${DIST}/${name}`;
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  await Deno.mkdir(`${folder}/completions`, { recursive: true });

  await Deno.copyFile(path, `${folder}/walrus`);
  for (const file of ["LICENSE", "README.md", "CHANGELOG.md"]) {
    await Deno.copyFile(`${ROOT}${file}`, `${folder}/${file}`);
  }
  for (const file of ["OPERATIONS.md", "PROTOCOL.md"]) {
    await Deno.copyFile(`${ROOT}spec/${file}`, `${folder}/${file}`);
  }
  for (const file of ["walrus.service", "Dockerfile", "compose.yaml"]) {
    await Deno.copyFile(`${ROOT}packaging/files/${file}`, `${folder}/${file}`);
  }
  const program = programForDocuments();
  await Deno.writeTextFile(`${folder}/NOTICE`, await makeNotice());
  await Deno.writeTextFile(`${folder}/walrus.1`, manPage(program));
  await Deno.writeTextFile(`${folder}/completions/walrus.bash`, completionsFor("bash", program));
  await Deno.writeTextFile(`${folder}/completions/_walrus`, completionsFor("zsh", program));
  return await archive(name);
}

/** The archive is the same for the same files, whoever makes it. */
async function archive(name: string): Promise<string> {
  const file = `${name}.tar.gz`;
  const made = await run("tar", {
    args: [
      ...["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0"],
      ...["-C", DIST, "--use-compress-program=gzip -n", "-cf", `${DIST}/${file}`, name],
    ],
    timeoutMs: TAR_TIMEOUT_MS,
  });
  if (!made.success) throw new BuildError(`tar failed: ${firstLine(made.stderr)}`);
  const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(`${DIST}/${file}`));
  // As `sha256sum -c` reads it.
  const line = `${new Uint8Array(digest).toHex()}  ${file}\n`;
  await Deno.writeTextFile(`${DIST}/${file}.sha256`, line);
  return `${DIST}/${file}`;
}

async function main(): Promise<number> {
  try {
    const path = await makePackage();
    const { size } = await Deno.stat(path);
    say(`${path}: ${megabytes(size)}, and its .sha256`);
    return 0;
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    say(error.message);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main());
