#include "payload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef WALRUS_ZSTD
#include <zstd.h>
#endif

#define CODEC_STORED 0
#define CODEC_ZSTD 1
#define CHUNK_BYTES (1u << 20)
#define CUT_OFF "The executable was cut off or changed. Download it again."

struct trailer {
  char magic[8];
  uint64_t stream_offset;
  uint64_t stream_length;
  uint32_t codec;
  uint32_t member_count;
  char folder[FOLDER_NAME_BYTES];
};

_Static_assert(sizeof(struct member) == 64, "the table's layout");
_Static_assert(sizeof(struct trailer) == 96, "the trailer's layout");

static int is_plain_name(const char *name, size_t size) {
  return name[0] != 0 && name[0] != '.' && memchr(name, 0, size) != NULL && strchr(name, '/') == NULL;
}

const char *payload_open(struct payload *payload) {
  int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return "Can't read the own file through /proc/self/exe: is /proc mounted?";
  struct stat stat;
  if (fstat(fd, &stat) != 0 || stat.st_size < (off_t)sizeof(struct trailer)) return CUT_OFF;
  uint64_t size = (uint64_t)stat.st_size;
  const uint8_t *file = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
  close(fd);
  if (file == MAP_FAILED) return "Can't map the own file: there is not enough memory.";

  struct trailer trailer;
  memcpy(&trailer, file + size - sizeof(trailer), sizeof(trailer));
  if (memcmp(trailer.magic, "WALRUSX1", 8) != 0) return CUT_OFF;
  uint64_t table_length = trailer.member_count * sizeof(struct member);
  if (trailer.member_count == 0 || trailer.member_count > MEMBERS_MAX ||
      trailer.stream_offset > size || trailer.stream_length > size ||
      trailer.stream_offset + trailer.stream_length + table_length + sizeof(trailer) != size ||
      !is_plain_name(trailer.folder, FOLDER_NAME_BYTES)) {
    return CUT_OFF;
  }
  memcpy(payload->members, file + trailer.stream_offset + trailer.stream_length, table_length);
  for (uint32_t i = 0; i < trailer.member_count; i++) {
    if (!is_plain_name(payload->members[i].name, MEMBER_NAME_BYTES)) return CUT_OFF;
  }
  payload->stream = file + trailer.stream_offset;
  payload->stream_length = trailer.stream_length;
  payload->codec = trailer.codec;
  payload->member_count = trailer.member_count;
  memcpy(payload->folder, trailer.folder, FOLDER_NAME_BYTES);
  return NULL;
}

static int walk_stored(const struct payload *payload, payload_sink sink, void *context) {
  uint64_t at = 0;
  while (at < payload->stream_length) {
    uint64_t rest = payload->stream_length - at;
    size_t length = rest < CHUNK_BYTES ? rest : CHUNK_BYTES;
    int error = sink(context, payload->stream + at, length);
    if (error != 0) return error;
    at += length;
  }
  return 0;
}

#ifdef WALRUS_ZSTD
static int walk_zstd(const struct payload *payload, payload_sink sink, void *context) {
  uint8_t *chunk = malloc(CHUNK_BYTES);
  ZSTD_DCtx *decoder = ZSTD_createDCtx();
  int error = chunk == NULL || decoder == NULL ? ENOMEM : 0;
  ZSTD_inBuffer input = {payload->stream, payload->stream_length, 0};
  size_t wanted = 1; /* 0 once the frame is complete */
  while (error == 0 && wanted != 0) {
    ZSTD_outBuffer output = {chunk, CHUNK_BYTES, 0};
    size_t before = input.pos;
    wanted = ZSTD_decompressStream(decoder, &output, &input);
    if (ZSTD_isError(wanted) || (output.pos == 0 && input.pos == before)) {
      error = EBADMSG;
    } else {
      error = sink(context, chunk, output.pos);
    }
  }
  ZSTD_freeDCtx(decoder);
  free(chunk);
  return error;
}
#endif

int payload_walk(const struct payload *payload, payload_sink sink, void *context) {
  if (payload->codec == CODEC_STORED) return walk_stored(payload, sink, context);
#ifdef WALRUS_ZSTD
  if (payload->codec == CODEC_ZSTD) return walk_zstd(payload, sink, context);
#endif
  return EBADMSG;
}
