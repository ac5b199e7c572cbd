/*
 * The native part of Walrus: io_uring in whole commits, and CRC-32C in hardware.
 *
 * One nonblocking call from Deno does one commit: it fills the submission queue with every write,
 * submits, waits, does the same with the syncs, and returns one answer (measured: no other way of
 * learning of completions is faster from JavaScript). Nothing here keeps a pointer beyond the call that
 * brought it: a function returns only when the kernel has let go of every buffer.
 *
 * A ring belongs to one call at a time; its owner in TypeScript sees to that (storage/disk/uring_disk.ts).
 *
 * Work comes and goes in one array of doubles. Numbers up to 2^53 are exact in it, which covers offsets
 * and user-space addresses, and JavaScript fills it without a BigInt:
 *
 * | doubles | field                                                                        |
 * | ------- | ---------------------------------------------------------------------------- |
 * | 0       | answer: 0 done, 1 a write failed, 2 a sync failed, 3 a read failed           |
 * | 1       | answer: errno                                                                |
 * | 2       | answer: index of the write, read or sync that failed first                   |
 * | 3       | reserved                                                                     |
 * | 4 + 4i  | transfer i: fd, file offset, address, length; used as scratch while it runs; |
 * |         | afterwards its length is what was not transferred (reads: beyond the end)    |
 * | then    | syncs: one fd each                                                           |
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* Changes with every change that ffi/shim.ts must know of. */
#define WALRUS_SHIM_ABI 2
/*
 * The kernel moves a little less than 2 GiB in one call (MAX_RW_COUNT): we ask for no more than this. Tests
 * build with a tiny value, so that every transfer takes many steps.
 */
#ifndef MAX_TRANSFER_BYTES
#define MAX_TRANSFER_BYTES 0x40000000u
#endif
/* How long to step back when the kernel has no memory for a request right now. */
#define AGAIN_PAUSE_US 200
/* A single request that is refused with EAGAIN this often in a row has failed. */
#define AGAIN_LIMIT 5000

enum { HEADER_DOUBLES = 4, TRANSFER_DOUBLES = 4 };
enum { FD, OFFSET, ADDRESS, LENGTH };
enum { DONE, WRITE_FAILED, SYNC_FAILED, READ_FAILED };
enum kind { READ, WRITE, SYNC };

struct ring {
  struct io_uring uring;
  unsigned entries;
  unsigned resume[]; /* of `entries`: short or refused transfers that are to be continued */
};

/* For what only a program error can bring about, or a kernel that may still write to our buffers. */
static void die(const char *what, int error) {
  fprintf(stderr, "walrus shim: %s: %s\n", what, strerror(error));
  abort();
}

EXPORT uint32_t walrus_abi(void) { return WALRUS_SHIM_ABI; }

/* A ring of `entries`, or NULL with the errno in *error (EPERM and ENOSYS: forbidden or missing). */
EXPORT void *walrus_ring_open(uint32_t entries, int32_t *error) {
  struct ring *ring = calloc(1, sizeof *ring + entries * sizeof ring->resume[0]);
  int result = ring ? io_uring_queue_init(entries, &ring->uring, 0) : -ENOMEM;
  *error = result < 0 ? -result : 0;
  if (result < 0) {
    free(ring);
    return NULL;
  }
  ring->entries = entries; /* the kernel may have rounded up; the bound is ours */
  return ring;
}

EXPORT void walrus_ring_close(struct ring *ring) {
  io_uring_queue_exit(&ring->uring);
  free(ring);
}

static void fail(double *job, int what, int error, unsigned index) {
  if (job[0] != DONE) return; /* the first failure is the one to tell */
  job[0] = what;
  job[1] = error;
  job[2] = index;
}

static void advance(double *item, double by) {
  item[OFFSET] += by;
  item[ADDRESS] += by;
  item[LENGTH] -= by;
}

/*
 * A batch of one needs no ring: a plain system call saves the wake-up (about 9 of 95 microseconds for a
 * small write with its sync).
 */
static void run_one(double *job, double *item, enum kind kind) {
  if (kind == SYNC) {
    if (fdatasync((int)item[0]) < 0) fail(job, SYNC_FAILED, errno, 0);
    return;
  }
  const int failure = kind == WRITE ? WRITE_FAILED : READ_FAILED;
  unsigned again = 0;
  while (item[LENGTH] > 0) {
    size_t length = item[LENGTH] > MAX_TRANSFER_BYTES ? MAX_TRANSFER_BYTES : (size_t)item[LENGTH];
    void *address = (void *)(uintptr_t)item[ADDRESS];
    ssize_t result = kind == WRITE ? pwrite((int)item[FD], address, length, (off_t)item[OFFSET])
                                   : pread((int)item[FD], address, length, (off_t)item[OFFSET]);
    if (result > 0) {
      advance(item, (double)result);
    } else if (result == 0) {
      if (kind == WRITE) fail(job, failure, EIO, 0); /* a write that moves nothing and says so */
      return;                                        /* a read: the file ends here */
    } else if ((errno == EINTR || errno == EAGAIN) && ++again <= AGAIN_LIMIT) {
      if (errno == EAGAIN) usleep(AGAIN_PAUSE_US);
    } else {
      fail(job, failure, errno, 0);
      return;
    }
  }
}

static void prepare(struct io_uring_sqe *sqe, enum kind kind, const double *item, unsigned index) {
  if (kind == SYNC) {
    io_uring_prep_fsync(sqe, (int)item[0], IORING_FSYNC_DATASYNC);
  } else {
    unsigned length = item[LENGTH] > MAX_TRANSFER_BYTES ? MAX_TRANSFER_BYTES : (unsigned)item[LENGTH];
    void *address = (void *)(uintptr_t)item[ADDRESS];
    uint64_t offset = (uint64_t)item[OFFSET];
    if (kind == WRITE) io_uring_prep_write(sqe, (int)item[FD], address, length, offset);
    else io_uring_prep_read(sqe, (int)item[FD], address, length, offset);
  }
  io_uring_sqe_set_data64(sqe, index);
}

/*
 * Runs `count` requests of one kind to their end, a ring full at a time. After a failure nothing new is
 * started, but what is under way is waited for: its buffers are the kernel's until then.
 */
static void run(struct ring *ring, double *job, double *items, unsigned count, enum kind kind) {
  struct io_uring *uring = &ring->uring;
  const unsigned stride = kind == SYNC ? 1 : TRANSFER_DOUBLES;
  const int failure = kind == SYNC ? SYNC_FAILED : kind == WRITE ? WRITE_FAILED : READ_FAILED;
  if (count == 1) {
    run_one(job, items, kind);
    return;
  }
  unsigned next = 0, queued = 0, inflight = 0, resumes = 0, again = 0;

  for (;;) {
    if (job[0] == DONE) {
      while (resumes > 0) { /* always fits: queued + inflight + resumes never exceed the ring */
        unsigned index = ring->resume[--resumes];
        prepare(io_uring_get_sqe(uring), kind, items + (size_t)index * stride, index);
        queued++;
      }
      while (next < count && queued + inflight < ring->entries) {
        double *item = items + (size_t)next * stride;
        if (kind == SYNC || item[LENGTH] > 0) {
          prepare(io_uring_get_sqe(uring), kind, item, next);
          queued++;
        }
        next++;
      }
    }
    if (queued + inflight == 0) return;

    int submitted = io_uring_submit_and_wait(uring, queued + inflight);
    if (submitted >= 0) {
      queued -= (unsigned)submitted;
      inflight += (unsigned)submitted;
    } else if (submitted == -EAGAIN || submitted == -EBUSY || submitted == -ENOMEM) {
      usleep(AGAIN_PAUSE_US); /* no memory for a request, or completions wait to be reaped: below */
      if (inflight == 0 && ++again > AGAIN_LIMIT) die("io_uring takes no requests", -submitted);
    } else if (submitted != -EINTR) {
      die("io_uring_enter", -submitted); /* EBADF, EFAULT, EINVAL …: this program is wrong */
    }

    struct io_uring_cqe *cqe;
    while (inflight > 0 && io_uring_peek_cqe(uring, &cqe) == 0) {
      unsigned index = (unsigned)io_uring_cqe_get_data64(cqe);
      int result = cqe->res;
      io_uring_cqe_seen(uring, cqe);
      inflight--;
      double *item = items + (size_t)index * stride;
      int retry = result == -EINTR || result == -EAGAIN;
      if (retry && kind != SYNC && ++again <= AGAIN_LIMIT) {
        if (result == -EAGAIN) usleep(AGAIN_PAUSE_US);
      } else if (result < 0) {
        /* An interrupted fdatasync is failed, not retried: what it had cleared stays cleared. */
        fail(job, failure, -result, index);
        continue;
      } else if (kind == SYNC) {
        continue;
      } else if (result == 0) {
        if (kind == WRITE) fail(job, failure, EIO, index); /* a write that moves nothing and says so */
        continue;                                          /* a read: the file ends here */
      } else {
        again = 0;
        advance(item, result);
        if (item[LENGTH] <= 0) continue;
      }
      ring->resume[resumes++] = index;
    }
  }
}

static void begin(double *job) { job[0] = job[1] = job[2] = DONE; }

/* All writes, each whole; then, unless one failed, an fdatasync of each file behind them. */
EXPORT void walrus_commit(struct ring *ring, double *job, uint32_t writes, uint32_t syncs) {
  double *items = job + HEADER_DOUBLES;
  begin(job);
  run(ring, job, items, writes, WRITE);
  if (job[0] == DONE) run(ring, job, items + (size_t)writes * TRANSFER_DOUBLES, syncs, SYNC);
}

/* All reads; what stays in each one's length was beyond the end of its file. */
EXPORT void walrus_read(struct ring *ring, double *job, uint32_t reads) {
  begin(job);
  run(ring, job, job + HEADER_DOUBLES, reads, READ);
}

/*
 * Does those reads that need no waiting, in turn; how many of the first ones are done. The rest are as they
 * were. Called synchronously: memory is copied, no device is asked.
 */
EXPORT uint32_t walrus_read_cached(double *job, uint32_t reads) {
  begin(job);
  for (uint32_t index = 0; index < reads; index++) {
    double *item = job + HEADER_DOUBLES + (size_t)index * TRANSFER_DOUBLES;
    struct iovec into = {(void *)(uintptr_t)item[ADDRESS], (size_t)item[LENGTH]};
    ssize_t result = preadv2((int)item[FD], &into, 1, (off_t)item[OFFSET], RWF_NOWAIT);
    /* Part of it: the file may end there, or the cache. The ring finds out. */
    if (result < 0 || (size_t)result < into.iov_len) return index;
    item[LENGTH] = 0;
  }
  return reads;
}

/* Reserves blocks and grows the file. 0 or an errno (EOPNOTSUPP: this file system can't). */
EXPORT int32_t walrus_fallocate(int32_t fd, double offset, double length) {
  int result;
  do {
    result = fallocate(fd, 0, (off_t)offset, (off_t)length);
  } while (result < 0 && errno == EINTR);
  return result < 0 ? errno : 0;
}

/* ---- CRC-32C (Castagnoli, reflected 0x82f63b78; RFC 3720 B.4) ---- */

#define POLYNOMIAL 0x82f63b78u
/*
 * The crc32 instruction takes 3 cycles and one can start in each, so three lanes run side by side. To
 * join them, a lane's CRC is carried over the bytes behind it by a table for that many zero bytes.
 */
#define LANE_LONG 2048
#define LANE_SHORT 192

static uint32_t slices[8][256];
static uint32_t over_long[4][256], over_short[4][256];
static int has_instruction;

/* Fills a table that carries a CRC over `length` zero bytes. The map is linear: 32 single bits give it. */
static void make_zeros(uint32_t table[4][256], size_t length) {
  uint32_t image[32];
  for (int bit = 0; bit < 32; bit++) {
    uint32_t crc = 1u << bit;
    for (size_t i = 0; i < length; i++) crc = slices[0][crc & 255] ^ (crc >> 8);
    image[bit] = crc;
  }
  for (int byte = 0; byte < 4; byte++) {
    for (int value = 0; value < 256; value++) {
      uint32_t crc = 0;
      for (int bit = 0; bit < 8; bit++) {
        if (value >> bit & 1) crc ^= image[8 * byte + bit];
      }
      table[byte][value] = crc;
    }
  }
}

static inline uint32_t carry(uint32_t table[4][256], uint32_t crc) {
  return table[0][crc & 255] ^ table[1][crc >> 8 & 255] ^ table[2][crc >> 16 & 255] ^ table[3][crc >> 24];
}

static inline uint64_t load8(const uint8_t *at) {
  uint64_t word;
  memcpy(&word, at, 8);
  return word;
}

#if defined(__x86_64__)
#define HARDWARE __attribute__((target("sse4.2")))
#define STEP8(crc, word) ((uint32_t)__builtin_ia32_crc32di((crc), (word)))
#define STEP1(crc, byte) __builtin_ia32_crc32qi((crc), (byte))
static int detect(void) { return __builtin_cpu_supports("sse4.2"); }
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#define HARDWARE __attribute__((target("+crc")))
#define STEP8(crc, word) __crc32cd((crc), (word))
#define STEP1(crc, byte) __crc32cb((crc), (byte))
static int detect(void) { return (getauxval(AT_HWCAP) & (1 << 7)) != 0; /* HWCAP_CRC32 */ }
#else
static int detect(void) { return 0; }
#endif

#ifdef HARDWARE
HARDWARE static inline uint32_t lanes(uint32_t a, const uint8_t *at, size_t lane, uint32_t table[4][256]) {
  uint32_t b = 0, c = 0;
  for (size_t i = 0; i < lane; i += 8) {
    a = STEP8(a, load8(at + i));
    b = STEP8(b, load8(at + lane + i));
    c = STEP8(c, load8(at + 2 * lane + i));
  }
  return carry(table, carry(table, a) ^ b) ^ c;
}

HARDWARE static uint32_t crc_hardware(uint32_t crc, const uint8_t *at, size_t length) {
  for (; length >= 3 * LANE_LONG; at += 3 * LANE_LONG, length -= 3 * LANE_LONG) {
    crc = lanes(crc, at, LANE_LONG, over_long);
  }
  for (; length >= 3 * LANE_SHORT; at += 3 * LANE_SHORT, length -= 3 * LANE_SHORT) {
    crc = lanes(crc, at, LANE_SHORT, over_short);
  }
  for (; length >= 8; at += 8, length -= 8) crc = STEP8(crc, load8(at));
  for (; length > 0; at++, length--) crc = STEP1(crc, *at);
  return crc;
}
#endif

static uint32_t crc_software(uint32_t crc, const uint8_t *at, size_t length) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  for (; length >= 8; at += 8, length -= 8) {
    uint64_t word = load8(at) ^ crc;
    crc = 0;
    for (int i = 0; i < 8; i++) crc ^= slices[7 - i][word >> 8 * i & 255];
  }
#endif
  for (; length > 0; at++, length--) crc = slices[0][(crc ^ *at) & 255] ^ (crc >> 8);
  return crc;
}

/* The tables are written once, before any call can be made, and only read from then on. */
__attribute__((constructor)) static void prepare_crc(void) {
  for (uint32_t value = 0; value < 256; value++) {
    uint32_t crc = value;
    for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ POLYNOMIAL : crc >> 1;
    slices[0][value] = crc;
  }
  for (int slice = 1; slice < 8; slice++) {
    for (int value = 0; value < 256; value++) {
      uint32_t before = slices[slice - 1][value];
      slices[slice][value] = slices[0][before & 255] ^ before >> 8;
    }
  }
  has_instruction = detect();
  if (has_instruction) {
    make_zeros(over_long, LANE_LONG);
    make_zeros(over_short, LANE_SHORT);
  }
}

/* The CRC of bytes[start, end), going on from `seed` (0 to begin). */
EXPORT uint32_t walrus_crc32c(const uint8_t *bytes, uint32_t start, uint32_t end, uint32_t seed) {
  const uint8_t *at = bytes + start;
  size_t length = end - start;
#ifdef HARDWARE
  if (has_instruction) return ~crc_hardware(~seed, at, length);
#endif
  return ~crc_software(~seed, at, length);
}

/* The same without the processor's instruction, so that tests can hold the two together. */
EXPORT uint32_t walrus_crc32c_software(const uint8_t *bytes, uint32_t start, uint32_t end, uint32_t seed) {
  return ~crc_software(~seed, bytes + start, end - start);
}
