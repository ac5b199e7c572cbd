#define _GNU_SOURCE
#include "unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BOOT_FILE "boot"
#define BOOT_ID_BYTES_MAX 64

/* Where a walk through the payload is: a member, open, and how much of it has been handled. */
struct cursor {
  const struct payload *payload;
  int folder;
  uint32_t member;
  uint64_t at;
  int fd;
  const uint8_t *mapped; /* when comparing */
};

static int write_all(int fd, const uint8_t *bytes, size_t length) {
  while (length > 0) {
    ssize_t written = write(fd, bytes, length);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    bytes += written;
    length -= (size_t)written;
  }
  return 0;
}

static int open_to_write(struct cursor *cursor, const struct member *member) {
  int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  cursor->fd = openat(cursor->folder, member->name, flags, member->mode & 0700);
  if (cursor->fd < 0) return errno;
  /* In one piece, and a full disk is seen at once; not every file system can. */
  int error = posix_fallocate(cursor->fd, 0, (off_t)member->length);
  return error == ENOSPC ? error : 0;
}

static int open_to_compare(struct cursor *cursor, const struct member *member) {
  cursor->fd = openat(cursor->folder, member->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (cursor->fd < 0) return errno;
  void *mapped = mmap(NULL, member->length, PROT_READ, MAP_PRIVATE | MAP_POPULATE, cursor->fd, 0);
  if (mapped == MAP_FAILED) return errno;
  cursor->mapped = mapped;
  return 0;
}

static int close_member(struct cursor *cursor, const struct member *member) {
  if (cursor->mapped != NULL) munmap((void *)cursor->mapped, member->length);
  cursor->mapped = NULL;
  int error = cursor->fd >= 0 && close(cursor->fd) != 0 ? errno : 0;
  cursor->fd = -1;
  return error;
}

static int handle(struct cursor *cursor, const uint8_t *bytes, size_t length, int is_comparing) {
  while (length > 0) {
    if (cursor->member == cursor->payload->member_count) return EBADMSG;
    const struct member *member = &cursor->payload->members[cursor->member];
    int error = 0;
    if (cursor->fd < 0) {
      error = is_comparing ? open_to_compare(cursor, member) : open_to_write(cursor, member);
    }
    if (error != 0) return error;
    uint64_t rest = member->length - cursor->at;
    size_t part = length < rest ? length : rest;
    if (is_comparing) {
      error = memcmp(cursor->mapped + cursor->at, bytes, part) == 0 ? 0 : EILSEQ;
    } else {
      error = write_all(cursor->fd, bytes, part);
    }
    if (error != 0) return error;
    bytes += part;
    length -= part;
    cursor->at += part;
    if (cursor->at == member->length) {
      error = close_member(cursor, member);
      if (error != 0) return error;
      cursor->member++;
      cursor->at = 0;
    }
  }
  return 0;
}

static int sink_write(void *context, const uint8_t *bytes, size_t length) {
  return handle(context, bytes, length, 0);
}

static int sink_compare(void *context, const uint8_t *bytes, size_t length) {
  return handle(context, bytes, length, 1);
}

static int walk(int folder, const struct payload *payload, payload_sink sink) {
  struct cursor cursor = {.payload = payload, .folder = folder, .fd = -1};
  int error = payload_walk(payload, sink, &cursor);
  if (cursor.member < payload->member_count) {
    close_member(&cursor, &payload->members[cursor.member]);
    if (error == 0) error = EBADMSG;
  }
  return error;
}

int unpack_write(int folder, const struct payload *payload) {
  return walk(folder, payload, sink_write);
}

int unpack_compare(int folder, const struct payload *payload) {
  return walk(folder, payload, sink_compare);
}

/* Its length; 0 where the kernel does not say. */
static size_t read_text(int folder, const char *path, char text[BOOT_ID_BYTES_MAX]) {
  int fd = openat(folder, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  ssize_t length = fd < 0 ? 0 : read(fd, text, BOOT_ID_BYTES_MAX);
  if (fd >= 0) close(fd);
  return length < 0 ? 0 : (size_t)length;
}

int unpack_is_of_this_boot(int folder) {
  char now[BOOT_ID_BYTES_MAX], then[BOOT_ID_BYTES_MAX];
  size_t length = read_text(AT_FDCWD, "/proc/sys/kernel/random/boot_id", now);
  return length > 0 && read_text(folder, BOOT_FILE, then) == length && memcmp(now, then, length) == 0;
}

void unpack_mark_boot(int folder) {
  char now[BOOT_ID_BYTES_MAX], temporary[32];
  size_t length = read_text(AT_FDCWD, "/proc/sys/kernel/random/boot_id", now);
  snprintf(temporary, sizeof(temporary), BOOT_FILE "-%ld", (long)getpid());
  int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return;
  int error = write_all(fd, (const uint8_t *)now, length);
  if (close(fd) != 0 || error != 0 || renameat(folder, temporary, folder, BOOT_FILE) != 0) {
    unlinkat(folder, temporary, 0);
  }
}
