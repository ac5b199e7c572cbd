/*
 * What the executable carries behind its own code, and how it is read.
 *
 *   the file      | launcher (ELF) | stream | table | trailer |
 *
 *   stream        the members' bytes, one after the other, as one zstd frame (codec 1) or as they are (0)
 *   table         for each member, 64 bytes:
 *                   0  48  name, filled up with zeros
 *                  48   8  length in bytes, little-endian
 *                  56   4  mode
 *                  60   4  zero
 *   trailer       the file's last 96 bytes:
 *                   0   8  "WALRUSX1"
 *                   8   8  where the stream begins, in bytes from the file's start
 *                  16   8  length of the stream in bytes
 *                  24   4  codec
 *                  28   4  members
 *                  32  64  name of the cache folder: version and content hash, filled up with zeros
 *
 * packaging/payload.ts writes it.
 */
#ifndef WALRUS_PAYLOAD_H
#define WALRUS_PAYLOAD_H

#include <stddef.h>
#include <stdint.h>

#define MEMBERS_MAX 16
#define MEMBER_NAME_BYTES 48
#define FOLDER_NAME_BYTES 64

struct member {
  char name[MEMBER_NAME_BYTES];
  uint64_t length;
  uint32_t mode;
  uint32_t zero;
};

struct payload {
  const uint8_t *stream;
  uint64_t stream_length;
  uint32_t codec;
  uint32_t member_count;
  struct member members[MEMBERS_MAX];
  char folder[FOLDER_NAME_BYTES];
};

/* Takes some of the stream's bytes, in order; returns 0, or an errno that ends the walk. */
typedef int (*payload_sink)(void *context, const uint8_t *bytes, size_t length);

/* Maps the payload of the running executable. Returns NULL, or a sentence for people. */
const char *payload_open(struct payload *payload);

/* Gives all members' bytes to the sink. Returns 0, the sink's errno, or EBADMSG for a damaged stream. */
int payload_walk(const struct payload *payload, payload_sink sink, void *context);

#endif
