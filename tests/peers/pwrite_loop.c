/*
 * The least that a durable append can cost: threads that each pwrite at the end of a file and call
 * fdatasync, nothing else. The file is written through beforehand, so that no write has to allocate blocks;
 * each thread has a file of its own. Arguments and answer: tests/peers/README.md.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PREPARED_BYTES (256l << 20)
#define BUFFER_BYTES (1l << 20)

static struct {
  const char *dir;
  const char *sync;
  long threads, count, min, max, batch, seconds;
} options = {.dir = ".", .sync = "each", .threads = 1, .count = 100000, .min = 500, .max = 1024,
             .batch = 1, .seconds = 10};

struct worker {
  long number, count, done, bytes;
  int fd;
  uint32_t *latencies_ns;
  long operations;
};

static double deadline;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void prepare(struct worker *worker, char *zeroes) {
  char path[4096];
  snprintf(path, sizeof path, "%s/pwrite_loop_%ld", options.dir, worker->number);
  worker->fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
  if (worker->fd < 0) die(path);
  for (long at = 0; at < PREPARED_BYTES / options.threads; at += BUFFER_BYTES) {
    if (pwrite(worker->fd, zeroes, BUFFER_BYTES, at) != BUFFER_BYTES) die("pwrite");
  }
  if (fsync(worker->fd) < 0) die("fsync");
}

static void *work(void *argument) {
  struct worker *worker = argument;
  int syncs = strcmp(options.sync, "none") != 0;
  long room = PREPARED_BYTES / options.threads, at = 0;
  char *bytes = malloc((size_t)(options.max * options.batch));
  memset(bytes, 'x', (size_t)(options.max * options.batch));
  unsigned seed = (unsigned)worker->number + 1;
  while (worker->done < worker->count && now() < deadline) {
    long length = 0;
    for (long i = 0; i < options.batch; i++) {
      length += options.min + rand_r(&seed) % (options.max - options.min + 1);
    }
    if (at + length > room) at = 0;
    double start = now();
    if (pwrite(worker->fd, bytes, (size_t)length, at) != length) die("pwrite");
    if (syncs && fdatasync(worker->fd) < 0) die("fdatasync");
    worker->latencies_ns[worker->operations++] = (uint32_t)((now() - start) * 1e9);
    at += length;
    worker->done += options.batch;
    worker->bytes += length;
  }
  free(bytes);
  return NULL;
}

static int compare(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

int main(int count, char **values) {
  for (int i = 1; i + 1 < count; i += 2) {
    const char *name = values[i], *value = values[i + 1];
    if (!strcmp(name, "--dir")) options.dir = value;
    else if (!strcmp(name, "--sync")) options.sync = value;
    else if (!strcmp(name, "--threads")) options.threads = atol(value);
    else if (!strcmp(name, "--count")) options.count = atol(value);
    else if (!strcmp(name, "--min")) options.min = atol(value);
    else if (!strcmp(name, "--max")) options.max = atol(value);
    else if (!strcmp(name, "--batch")) options.batch = atol(value);
    else if (!strcmp(name, "--seconds")) options.seconds = atol(value);
  }
  struct worker *workers = calloc((size_t)options.threads, sizeof *workers);
  pthread_t *threads = calloc((size_t)options.threads, sizeof *threads);
  char *zeroes = calloc(1, BUFFER_BYTES);
  for (long i = 0; i < options.threads; i++) {
    workers[i].number = i;
    workers[i].count = options.count / options.threads;
    workers[i].latencies_ns = malloc((size_t)(workers[i].count / options.batch + 1) * sizeof(uint32_t));
    prepare(&workers[i], zeroes);
  }
  double start = now();
  deadline = start + (double)options.seconds;
  for (long i = 0; i < options.threads; i++) pthread_create(&threads[i], NULL, work, &workers[i]);
  long done = 0, bytes = 0, operations = 0;
  for (long i = 0; i < options.threads; i++) {
    pthread_join(threads[i], NULL);
    done += workers[i].done;
    bytes += workers[i].bytes;
    operations += workers[i].operations;
  }
  double seconds = now() - start;
  uint32_t *all = malloc((size_t)(operations + 1) * sizeof *all);
  long at = 0;
  for (long i = 0; i < options.threads; i++) {
    memcpy(all + at, workers[i].latencies_ns, (size_t)workers[i].operations * sizeof *all);
    at += workers[i].operations;
  }
  if (operations == 0) return 1;
  qsort(all, (size_t)operations, sizeof *all, compare);
  printf("{\"peer\":\"pwrite_loop\",\"work\":\"append\",\"entries\":%ld,\"bytes\":%ld,\"seconds\":%.3f,"
         "\"p50Us\":%.1f,\"p99Us\":%.1f,\"p999Us\":%.1f}\n",
         done, bytes, seconds, all[operations / 2] / 1e3, all[operations * 99 / 100] / 1e3,
         all[operations * 999 / 1000] / 1e3);
  return 0;
}
