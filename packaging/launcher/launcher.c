/*
 * The front of the single executable where `deno compile` can't make one: unpacks the runtime, the program
 * and the shim into a cache folder at the first start and becomes the runtime. The process stays the
 * same, so its number, signals and exit code are the program's own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache.h"

/* The members' names, as packaging/launcher_form.ts gives them. The runtime is called after what it runs. */
#define RUNTIME "walrus"
#define PROGRAM "walrus.js"
#define SHIM "walrus_shim.so"

/* Whatever lies in the user's folders, nothing but the program is looked for or loaded. */
static const char *const FLAGS[] = {
    "run",           "--quiet",       "--allow-all", "--no-config", "--no-lock", "--no-prompt",
    "--cached-only", "--no-remote",   "--no-npm",
};
#define FLAG_COUNT (sizeof(FLAGS) / sizeof(FLAGS[0]))

static char *path_of(const char *folder, const char *name) {
  char *path = NULL;
  if (asprintf(&path, "%s/%s", folder, name) < 0) {
    fprintf(stderr, "walrus: out of memory\n");
    exit(1);
  }
  return path;
}

int main(int argc, char **argv) {
  static struct payload payload;
  const char *wrong = payload_open(&payload);
  if (wrong != NULL) {
    fprintf(stderr, "walrus: %s\n", wrong);
    return 1;
  }
  static char folder[PATH_BYTES_MAX];
  if (cache_prepare(&payload, folder) != 0) return 1;

  char *runtime = path_of(folder, RUNTIME);
  if (setenv("WALRUS_SHIM", path_of(folder, SHIM), 1) != 0 ||
      setenv("DENO_DIR", path_of(folder, "deno"), 1) != 0 ||
      setenv("DENO_NO_UPDATE_CHECK", "1", 1) != 0) {
    fprintf(stderr, "walrus: out of memory\n");
    return 1;
  }
  size_t user_count = argc > 1 ? (size_t)argc - 1 : 0;
  const char **args = calloc(FLAG_COUNT + user_count + 3, sizeof(char *));
  if (args == NULL) {
    fprintf(stderr, "walrus: out of memory\n");
    return 1;
  }
  size_t count = 0;
  args[count++] = "walrus";
  for (size_t i = 0; i < FLAG_COUNT; i++) args[count++] = FLAGS[i];
  args[count++] = path_of(folder, PROGRAM);
  for (size_t i = 0; i < user_count; i++) args[count++] = argv[i + 1];
  execv(runtime, (char *const *)args);
  /* The kernel says "no such file" for a missing loader, too. */
  fprintf(stderr, "walrus: %s can't be started: %s%s\n", runtime, strerror(errno),
          errno == ENOENT ? " (it needs glibc: on Alpine, use a Debian-based image)" : "");
  return 1;
}
