/*
 * The native part of Walrus: whole commits and batches of reads, in one call each.
 *
 * One nonblocking call from Deno does one commit: writes, waits, syncs, waits, and returns one answer.
 * Of the ways that leave the event loop free none was measured to be faster; a short commit of a lone
 * writer can be given to a thread of the ring's own instead, and waited for (commit_thread.c). Nothing in
 * this file keeps a pointer beyond the call that brought it: a function returns only when the kernel has
 * let go of every buffer. A ring belongs to one call at a time; its owner in TypeScript sees to that.
 *
 * Work comes and goes in one array of doubles. Numbers up to 2^53 are exact in it, which covers offsets
 * and user-space addresses, and JavaScript fills it without a BigInt:
 *
 * | doubles | field                                                                             |
 * | ------- | --------------------------------------------------------------------------------- |
 * | 0       | answer: 0 done, 1 a write failed, 2 a sync failed, 3 a read failed                |
 * | 1       | answer: errno                                                                     |
 * | 2       | answer: index of the write, read or sync that failed first                        |
 * | 3       | reserved                                                                          |
 * | 4 + 5i  | transfer i: fd, file offset, address, length, fd for direct writes or -1;         |
 * |         | after a read its length is what was not read: it was beyond the end               |
 * | then    | syncs: one fd each                                                                |
 *
 * How a write goes (each way was measured against the others on ext4):
 * - whole blocks in aligned memory: around the page cache, all such writes side by side in the ring,
 *   long ones in pieces: three of 1 MiB are written and synced in half the time of one of 3 MiB;
 * - a long run that begins or ends inside of a block: those ends through the page cache, the blocks
 *   between as above, from a copy where the memory is not aligned;
 * - all else through the page cache, by plain pwrite: io_uring would hand it to a kernel thread first.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* Changes with every change that ffi/shim.ts must know of. */
#ifndef WALRUS_SHIM_ABI
#define WALRUS_SHIM_ABI 5
#endif
/*
 * The kernel moves a little less than 2 GiB in one call (MAX_RW_COUNT): we ask for no more than this. Tests
 * build with a tiny value, so that every transfer takes many steps.
 */
#ifndef MAX_TRANSFER_BYTES
#define MAX_TRANSFER_BYTES 0x40000000u
#endif
/* What direct writes are made of (DIRECT_BLOCK_BYTES in world/disk.ts). */
#define BLOCK_BYTES 4096u
/* From here on it pays to write the blocks inside of a run directly although its ends are not whole. */
#ifndef SPLIT_BYTES_MIN
#define SPLIT_BYTES_MIN (512u << 10)
#endif
/* Aligned memory that blocks are copied to when they lie elsewhere: this much in this many pieces. */
#ifndef SLOT_BYTES
#define SLOT_BYTES (1u << 20)
#endif
#define SLOTS 8u
/* Blocks that are written without a copy go in pieces of so many bytes. */
#ifndef DIRECT_PIECE_BYTES
#define DIRECT_PIECE_BYTES (1u << 20)
#endif
/* How long to step back when the kernel has no memory for a request right now. */
#define AGAIN_PAUSE_US 200
/* What is refused with EAGAIN this often in a row has failed. */
#define AGAIN_LIMIT 5000

enum { HEADER_DOUBLES = 4, TRANSFER_DOUBLES = 5 };
enum { FD, OFFSET, ADDRESS, LENGTH, DIRECT_FD };
enum kind { READ, WRITE, SYNC };
static const int FAILED[] = {[READ] = 3, [WRITE] = 1, [SYNC] = 2};

/* A request to the kernel: a transfer, a part of one, or a sync. */
struct piece {
  uint64_t offset;
  uint8_t *at;
  uint64_t left;
  int fd;
  unsigned index; /* of the transfer or sync that it belongs to */
  int slot;       /* NO_SLOT: straight from `at`; NEEDS_SLOT; else the slot that holds its copy */
};
enum { NO_SLOT = -1, NEEDS_SLOT = -2 };

struct ring {
  struct io_uring uring;
  unsigned entries;
  unsigned *resume; /* room for `entries`: pieces that were short or refused and are to be continued */
  struct piece *pieces;
  size_t capacity;
  uint8_t *slots; /* made when first needed */
  uint32_t free_slots;
};

/* For what only a program error can bring about, or a kernel that may still write to our buffers. */
static void die(const char *what, int error) {
  fprintf(stderr, "walrus shim: %s: %s\n", what, strerror(error));
  abort();
}

EXPORT uint32_t walrus_abi(void) { return WALRUS_SHIM_ABI; }

/* A ring of `entries`, or NULL with the errno in *error (EPERM and ENOSYS: forbidden or missing). */
EXPORT void *walrus_ring_open(uint32_t entries, int32_t *error) {
  struct ring *ring = calloc(1, sizeof *ring);
  unsigned *resume = calloc(entries, sizeof *resume);
  int result = ring && resume ? io_uring_queue_init(entries, &ring->uring, 0) : -ENOMEM;
  *error = result < 0 ? -result : 0;
  if (result < 0) {
    free(resume);
    free(ring);
    return NULL;
  }
  ring->resume = resume;
  ring->entries = entries; /* the kernel may have rounded up; the bound is ours */
  ring->free_slots = (1u << SLOTS) - 1;
  return ring;
}

EXPORT void walrus_ring_close(struct ring *ring) {
  io_uring_queue_exit(&ring->uring);
  free(ring->resume);
  free(ring->pieces);
  free(ring->slots);
  free(ring);
}

static int has_failed(const double *job) { return job[0] != 0; }

static void fail(double *job, enum kind kind, int error, unsigned index) {
  if (has_failed(job)) return; /* the first failure is the one to tell */
  job[0] = FAILED[kind];
  job[1] = error;
  job[2] = index;
}

static void advance(struct piece *piece, uint64_t by) {
  piece->offset += by;
  piece->at += by;
  piece->left -= by;
}

static unsigned step_bytes(const struct piece *piece) {
  return piece->left > MAX_TRANSFER_BYTES ? MAX_TRANSFER_BYTES : (unsigned)piece->left;
}

/* Room for `more` pieces behind `count`. */
static int grow_pieces(struct ring *ring, size_t count, size_t more) {
  if (count + more <= ring->capacity) return 1;
  size_t capacity = (count + more) * 2;
  struct piece *grown = realloc(ring->pieces, capacity * sizeof *grown);
  if (!grown) return 0;
  ring->pieces = grown;
  ring->capacity = capacity;
  return 1;
}

/* Copies what is left of a piece to aligned memory; 0 while all of it is in use. */
static int maybe_copy(struct ring *ring, struct piece *piece) {
  if (piece->slot == NEEDS_SLOT) {
    if (ring->free_slots == 0) return 0;
    piece->slot = __builtin_ctz(ring->free_slots);
    ring->free_slots &= ~(1u << piece->slot);
  }
  memcpy(ring->slots + (size_t)piece->slot * SLOT_BYTES, piece->at, piece->left);
  return 1;
}

static void *memory_of(struct ring *ring, const struct piece *piece) {
  return piece->slot < 0 ? piece->at : ring->slots + (size_t)piece->slot * SLOT_BYTES;
}

static void let_go(struct ring *ring, struct piece *piece) {
  if (piece->slot >= 0) ring->free_slots |= 1u << piece->slot;
  piece->slot = NO_SLOT;
}

/* What a step's result means for its piece: true when the piece is over, well or not. */
static int settle(double *job, struct piece *piece, enum kind kind, int64_t result, unsigned *again) {
  if ((result == -EINTR || result == -EAGAIN) && kind != SYNC && ++*again <= AGAIN_LIMIT) {
    if (result == -EAGAIN) usleep(AGAIN_PAUSE_US);
    return 0;
  }
  /* An interrupted fdatasync is failed, not retried: what it had marked clean stays marked. */
  if (result < 0) {
    fail(job, kind, (int)-result, piece->index);
    return 1;
  }
  if (kind == SYNC) return 1;
  if (result == 0) {
    if (kind == WRITE) fail(job, kind, EIO, piece->index); /* moved nothing and says that it is well */
    return 1;                                              /* a read: the file ends here */
  }
  *again = 0;
  advance(piece, (uint64_t)result);
  return piece->left == 0;
}

/* One piece by plain system calls. A ring would only add a wake-up: about 9 of 95 microseconds. */
static void run_one(struct ring *ring, double *job, struct piece *piece, enum kind kind) {
  unsigned again = 0;
  ssize_t result;
  do {
    if (piece->slot != NO_SLOT) maybe_copy(ring, piece); /* it is alone: there is a slot */
    void *memory = kind == SYNC ? NULL : memory_of(ring, piece);
    result = kind == SYNC    ? fdatasync(piece->fd)
             : kind == WRITE ? pwrite(piece->fd, memory, step_bytes(piece), (off_t)piece->offset)
                             : pread(piece->fd, memory, step_bytes(piece), (off_t)piece->offset);
    if (result < 0) result = -errno;
  } while (!settle(job, piece, kind, result, &again));
  let_go(ring, piece);
}

static void prepare(struct ring *ring, const struct piece *piece, enum kind kind) {
  struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
  void *memory = memory_of(ring, piece);
  if (kind == SYNC) io_uring_prep_fsync(sqe, piece->fd, IORING_FSYNC_DATASYNC);
  else if (kind == WRITE) io_uring_prep_write(sqe, piece->fd, memory, step_bytes(piece), piece->offset);
  else io_uring_prep_read(sqe, piece->fd, memory, step_bytes(piece), piece->offset);
  io_uring_sqe_set_data64(sqe, (uint64_t)(piece - ring->pieces));
}

/*
 * Runs the first `count` pieces to their end, a ring full at a time. After a failure nothing new is started,
 * but what is under way is waited for: its buffers are the kernel's until then.
 */
static void run(struct ring *ring, double *job, size_t count, enum kind kind) {
  struct io_uring *uring = &ring->uring;
  if (count == 1) {
    run_one(ring, job, ring->pieces, kind);
    return;
  }
  size_t next = 0;
  unsigned queued = 0, inflight = 0, resumes = 0, again = 0;

  for (;;) {
    if (!has_failed(job)) {
      while (resumes > 0) { /* fits: queued + inflight + resumes never exceed the ring */
        struct piece *piece = &ring->pieces[ring->resume[--resumes]];
        if (piece->slot != NO_SLOT) maybe_copy(ring, piece); /* it has kept its slot */
        prepare(ring, piece, kind);
        queued++;
      }
      for (; next < count && queued + inflight < ring->entries; next++) {
        struct piece *piece = &ring->pieces[next];
        if (kind != SYNC && piece->left == 0) continue;
        if (piece->slot != NO_SLOT) {
          if (!maybe_copy(ring, piece)) break;
          /* The device works on this one while the next is copied. */
          prepare(ring, piece, kind);
          int submitted = io_uring_submit(uring);
          if (submitted > 0) inflight += (unsigned)submitted;
          queued += submitted > 0 ? 1 - (unsigned)submitted : 1;
          continue;
        }
        prepare(ring, piece, kind);
        queued++;
      }
    }
    if (queued + inflight == 0) return;

    /* All at once, unless more is to come as soon as there is room. */
    unsigned wait = next < count && !has_failed(job) ? 1 : queued + inflight;
    int submitted = io_uring_submit_and_wait(uring, wait);
    if (submitted >= 0) {
      queued -= (unsigned)submitted;
      inflight += (unsigned)submitted;
    } else if (submitted == -EAGAIN || submitted == -EBUSY || submitted == -ENOMEM) {
      usleep(AGAIN_PAUSE_US); /* no memory for a request, or completions wait to be reaped: below */
      if (inflight == 0 && ++again > AGAIN_LIMIT) die("io_uring takes no requests", -submitted);
    } else if (submitted != -EINTR) {
      die("io_uring_enter", -submitted); /* EBADF, EFAULT, EINVAL: this program is wrong */
    }

    struct io_uring_cqe *cqe;
    while (inflight > 0 && io_uring_peek_cqe(uring, &cqe) == 0) {
      struct piece *piece = &ring->pieces[io_uring_cqe_get_data64(cqe)];
      int result = cqe->res;
      io_uring_cqe_seen(uring, cqe);
      inflight--;
      if (settle(job, piece, kind, result, &again)) let_go(ring, piece);
      else ring->resume[resumes++] = (unsigned)(piece - ring->pieces);
    }
    if (has_failed(job)) {
      while (resumes > 0) let_go(ring, &ring->pieces[ring->resume[--resumes]]);
    }
  }
}

/* Adds a run of whole blocks to the pieces. */
static size_t add_direct(struct ring *ring, double *job, size_t count, struct piece blocks) {
  int is_aligned = (uintptr_t)blocks.at % BLOCK_BYTES == 0;
  uint64_t piece_bytes = is_aligned ? DIRECT_PIECE_BYTES : SLOT_BYTES;
  size_t more = (size_t)((blocks.left + piece_bytes - 1) / piece_bytes);
  if (!is_aligned && !ring->slots) ring->slots = aligned_alloc(BLOCK_BYTES, (size_t)SLOTS * SLOT_BYTES);
  if (!grow_pieces(ring, count, more) || (!is_aligned && !ring->slots)) {
    fail(job, WRITE, ENOMEM, blocks.index);
    return count;
  }
  for (size_t i = 0; i < more; i++) {
    struct piece *piece = &ring->pieces[count++];
    *piece = blocks;
    piece->left = blocks.left > piece_bytes ? piece_bytes : blocks.left;
    if (!is_aligned) piece->slot = NEEDS_SLOT;
    advance(&blocks, piece->left);
  }
  return count;
}

/* Writes what goes through the page cache at once, and adds what goes around it to the pieces. */
static size_t begin_write(struct ring *ring, double *job, size_t count, struct piece whole, int direct_fd) {
  uint64_t end = whole.offset + whole.left;
  uint64_t from = (whole.offset + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
  uint64_t to = end / BLOCK_BYTES * BLOCK_BYTES;
  int is_whole = from == whole.offset && to == end && (uintptr_t)whole.at % BLOCK_BYTES == 0;
  if (direct_fd < 0 || (!is_whole && to < from + SPLIT_BYTES_MIN)) from = to = end;
  struct piece head = whole, blocks = whole, tail = whole;
  head.left = from - whole.offset;
  advance(&blocks, from - whole.offset);
  blocks.left = to - from;
  blocks.fd = direct_fd;
  advance(&tail, to - whole.offset);
  if (head.left > 0) run_one(ring, job, &head, WRITE);
  if (tail.left > 0 && !has_failed(job)) run_one(ring, job, &tail, WRITE);
  if (blocks.left == 0 || has_failed(job)) return count;
  return add_direct(ring, job, count, blocks);
}

static struct piece piece_of(const double *item, unsigned index) {
  return (struct piece){
    .fd = (int)item[FD],
    .offset = (uint64_t)item[OFFSET],
    .at = (uint8_t *)(uintptr_t)item[ADDRESS],
    .left = (uint64_t)item[LENGTH],
    .index = index,
    .slot = NO_SLOT,
  };
}

static void begin(double *job) { job[0] = job[1] = job[2] = 0; }

/* All writes, each whole; then, unless one failed, an fdatasync of each file behind them. */
EXPORT void walrus_commit(struct ring *ring, double *job, uint32_t writes, uint32_t syncs) {
  const double *item = job + HEADER_DOUBLES;
  size_t count = 0;
  begin(job);
  for (uint32_t index = 0; index < writes && !has_failed(job); index++, item += TRANSFER_DOUBLES) {
    if (item[LENGTH] == 0) continue;
    count = begin_write(ring, job, count, piece_of(item, index), (int)item[DIRECT_FD]);
  }
  if (count > 0 && !has_failed(job)) run(ring, job, count, WRITE);
  if (syncs == 0 || has_failed(job)) return;
  if (!grow_pieces(ring, 0, syncs)) {
    fail(job, SYNC, ENOMEM, 0);
    return;
  }
  for (uint32_t index = 0; index < syncs; index++) {
    ring->pieces[index] = (struct piece){.fd = (int)item[index], .index = index, .slot = NO_SLOT};
  }
  run(ring, job, syncs, SYNC);
}

/* All reads; what stays in each one's length was beyond the end of its file. */
EXPORT void walrus_read(struct ring *ring, double *job, uint32_t reads) {
  double *items = job + HEADER_DOUBLES;
  begin(job);
  if (reads == 0) return;
  if (!grow_pieces(ring, 0, reads)) {
    fail(job, READ, ENOMEM, 0);
    return;
  }
  for (uint32_t index = 0; index < reads; index++) {
    ring->pieces[index] = piece_of(items + (size_t)index * TRANSFER_DOUBLES, index);
  }
  run(ring, job, reads, READ);
  for (uint32_t index = 0; index < reads; index++) {
    items[(size_t)index * TRANSFER_DOUBLES + LENGTH] = (double)ring->pieces[index].left;
  }
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

/* From now on a write that reaches `ulimit -f` fails with EFBIG instead of ending the process. */
EXPORT void walrus_survive_size_limit(void) { signal(SIGXFSZ, SIG_IGN); }

/* Reserves blocks and grows the file. 0 or an errno (EOPNOTSUPP: this file system can't). */
EXPORT int32_t walrus_fallocate(int32_t fd, double offset, double length) {
  int result;
  do {
    result = fallocate(fd, 0, (off_t)offset, (off_t)length);
  } while (result < 0 && errno == EINTR);
  return result < 0 ? errno : 0;
}
