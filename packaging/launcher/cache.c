#define _GNU_SOURCE
#include "cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "unpack.h"

#define PLACES_MAX 4
/* A folder is touched so often at most, and goes when a newer version is unpacked and nobody used it so long. */
#define TOUCH_SECONDS (24 * 3600)
#define UNUSED_SECONDS_MAX (30 * 24 * 3600)
#define LEFTOVER_SECONDS_MAX 3600
#define DEPTH_MAX 8

struct place {
  char parent[PATH_BYTES_MAX];
  char name[32];
};

/* A path that can stand in front of our names. The environment may hold anything. */
static int is_usable(const char *path) {
  return path != NULL && path[0] == '/' && strlen(path) < PATH_BYTES_MAX - 256;
}

static int list_places(struct place places[PLACES_MAX]) {
  int count = 0;
  const char *cache_home = getenv("XDG_CACHE_HOME");
  const char *home = getenv("HOME");
  if (is_usable(cache_home)) {
    snprintf(places[count].parent, PATH_BYTES_MAX, "%s", cache_home);
    strcpy(places[count++].name, "walrus");
  }
  if (is_usable(home)) {
    snprintf(places[count].parent, PATH_BYTES_MAX, "%s/.cache", home);
    strcpy(places[count++].name, "walrus");
  }
  static const char *const SHARED[] = {"/var/tmp", "/tmp"};
  for (int i = 0; i < 2; i++) {
    strcpy(places[count].parent, SHARED[i]);
    snprintf(places[count++].name, sizeof(places[0].name), "walrus-%u", (unsigned)geteuid());
  }
  return count;
}

static int is_trusted_owner(const struct stat *stat) {
  return stat->st_uid == geteuid() || stat->st_uid == 0;
}

/* Opens the place's folder, made if it is missing; -1 with `why` where it won't do. */
static int open_place(const struct place *place, const char **why) {
  mkdir(place->parent, 0700);
  int parent = open(place->parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
  struct stat stat;
  if (parent < 0 || fstat(parent, &stat) != 0) {
    *why = strerror(errno);
    if (parent >= 0) close(parent);
    return -1;
  }
  /* Whoever can rename in the parent can put a folder of his own under our name. */
  if (!is_trusted_owner(&stat) || ((stat.st_mode & 022) != 0 && (stat.st_mode & S_ISVTX) == 0)) {
    *why = "others could change it";
    close(parent);
    return -1;
  }
  int made = mkdirat(parent, place->name, 0700);
  int made_errno = errno;
  int folder = openat(parent, place->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  int open_errno = errno;
  close(parent);
  struct statvfs volume;
  if (folder < 0) {
    *why = strerror(made != 0 && made_errno != EEXIST ? made_errno : open_errno);
    return -1;
  }
  if (fstat(folder, &stat) != 0 || fstatvfs(folder, &volume) != 0) {
    *why = strerror(errno);
  } else if (!is_trusted_owner(&stat) || (stat.st_mode & 022) != 0) {
    *why = "it belongs to somebody else, or others can write to it";
  } else if ((volume.f_flag & ST_NOEXEC) != 0) {
    *why = "programs can't be run from there (noexec)";
  } else {
    return folder;
  }
  close(folder);
  return -1;
}

static void touch_now_and_then(int folder, const struct stat *stat) {
  if (time(NULL) - stat->st_mtime > TOUCH_SECONDS) futimens(folder, NULL);
}

/*
 * Whether the folder under the payload's name holds all members. Lengths are looked at each time. Bytes
 * are compared once for each boot: a power cut may take what was written but not yet on the disk, and
 * syncing 95 MB would make the first start three times as slow. What another user (root) has put
 * there for us is as good as any installed program.
 */
static int is_complete(int place, const struct payload *payload) {
  int folder = openat(place, payload->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (folder < 0) return 0;
  struct stat stat;
  int complete = fstat(folder, &stat) == 0 && is_trusted_owner(&stat) && (stat.st_mode & 022) == 0;
  int is_own = complete && stat.st_uid == geteuid();
  struct stat folder_stat = stat;
  for (uint32_t i = 0; complete && i < payload->member_count; i++) {
    const struct member *member = &payload->members[i];
    complete = fstatat(folder, member->name, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
               S_ISREG(stat.st_mode) && is_trusted_owner(&stat) && (stat.st_mode & 022) == 0 &&
               (uint64_t)stat.st_size == member->length;
  }
  if (complete && is_own && !unpack_is_of_this_boot(folder)) {
    complete = unpack_compare(folder, payload) == 0;
    if (complete) unpack_mark_boot(folder);
  }
  if (complete && is_own) touch_now_and_then(folder, &folder_stat);
  close(folder);
  return complete;
}

/* Removes a folder of ours with all that is in it, as far as that goes. */
static void remove_folder(int parent, const char *name, int depth) {
  int folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *entries = folder < 0 ? NULL : fdopendir(folder);
  if (entries == NULL) {
    if (folder >= 0) close(folder);
    return;
  }
  struct dirent *entry;
  while ((entry = readdir(entries)) != NULL) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (unlinkat(folder, entry->d_name, 0) != 0 && depth < DEPTH_MAX) {
      remove_folder(folder, entry->d_name, depth + 1);
    }
  }
  closedir(entries);
  unlinkat(parent, name, AT_REMOVEDIR);
}

/* Old versions that nobody uses, and what killed processes left. A running one has all it needs in memory. */
static void remove_unused(int place, const char *keep) {
  int copy = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *entries = copy < 0 ? NULL : fdopendir(copy);
  if (entries == NULL) return;
  struct dirent *entry;
  while ((entry = readdir(entries)) != NULL) {
    struct stat stat;
    if (entry->d_name[0] == '.' || strcmp(entry->d_name, keep) == 0) continue;
    if (fstatat(place, entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(stat.st_mode)) {
      continue;
    }
    int is_leftover = strncmp(entry->d_name, "tmp-", 4) == 0;
    time_t seconds_max = is_leftover ? LEFTOVER_SECONDS_MAX : UNUSED_SECONDS_MAX;
    if (time(NULL) - stat.st_mtime > seconds_max) remove_folder(place, entry->d_name, 0);
  }
  closedir(entries);
}

/*
 * Gives the finished folder its name. Where another process was first, its folder is as good as ours. A
 * broken one is exchanged in one step: at no moment is there nothing under the name that somebody
 * who has just found it complete is about to execute.
 */
static int install(int place, const char *temporary, const struct payload *payload) {
  if (renameat(place, temporary, place, payload->folder) == 0) return 0;
  if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR) return errno;
  if (is_complete(place, payload)) return 0;
  if (renameat2(place, temporary, place, payload->folder, RENAME_EXCHANGE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  /* A file system without exchange: a moment without the name is the best that can be had. */
  char aside[64];
  snprintf(aside, sizeof(aside), "tmp-%ld-aside", (long)getpid());
  if (renameat(place, payload->folder, place, aside) != 0 && errno != ENOENT) return errno;
  int error = renameat(place, temporary, place, payload->folder) == 0 ? 0 : errno;
  remove_folder(place, aside, 0);
  unlinkat(place, aside, 0);
  return error != 0 && is_complete(place, payload) ? 0 : error;
}

static int unpack(int place, const struct payload *payload) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  char temporary[64];
  snprintf(temporary, sizeof(temporary), "tmp-%ld-%lld%09ld", (long)getpid(), (long long)now.tv_sec,
           now.tv_nsec);
  if (mkdirat(place, temporary, 0700) != 0) return errno;
  int folder = openat(place, temporary, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  int error = folder < 0 ? errno : unpack_write(folder, payload);
  if (error == 0) unpack_mark_boot(folder);
  if (folder >= 0) close(folder);
  if (error == 0) error = install(place, temporary, payload);
  /* Still there when it could not be finished or was not needed; after an exchange it is the broken one. */
  remove_folder(place, temporary, 0);
  unlinkat(place, temporary, 0);
  if (error == 0) remove_unused(place, payload->folder);
  return error;
}

int cache_prepare(const struct payload *payload, char path[PATH_BYTES_MAX]) {
  static struct place places[PLACES_MAX];
  int count = list_places(places);
  const char *whys[PLACES_MAX];
  for (int i = 0; i < count; i++) {
    int place = open_place(&places[i], &whys[i]);
    if (place < 0) continue;
    int error = is_complete(place, payload) ? 0 : unpack(place, payload);
    close(place);
    if (error == 0) {
      int length = snprintf(path, PATH_BYTES_MAX, "%s/%s/%s", places[i].parent, places[i].name,
                            payload->folder);
      if (length > 0 && length < PATH_BYTES_MAX) return 0;
      error = ENAMETOOLONG;
    }
    if (error == EBADMSG) {
      fprintf(stderr, "walrus: The executable is damaged. Download it again.\n");
      return -1;
    }
    whys[i] = strerror(error);
  }
  fprintf(stderr, "walrus: There is no folder to unpack into:");
  for (int i = 0; i < count; i++) {
    fprintf(stderr, "%s %s/%s (%s)", i == 0 ? "" : ",", places[i].parent, places[i].name, whys[i]);
  }
  fprintf(stderr, ". Set XDG_CACHE_HOME to a directory that this user can write.\n");
  return -1;
}
