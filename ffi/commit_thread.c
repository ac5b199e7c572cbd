/*
 * A thread of its own for the commits of one ring: for those that are over sooner than the system gets a
 * sleeping thread to run.
 *
 * A lone writer's commit takes the device 70 microseconds or so, and the usual way from JavaScript to a
 * thread of the runtime's pool and back 20 and more besides, most of it for waking. Here the thread that
 * works stays awake for a moment after a commit, looking for the next, and the thread that asks waits where
 * it is, for so long as it is told to at most. Both are bounded, and nothing depends on either: who does not
 * see the end in time asks for it with walrus_commit_thread_wait, from another thread.
 *
 * | state | of the one job that there is at a time               | changed by          |
 * | ----- | ---------------------------------------------------- | ------------------- |
 * | given | counts jobs given; STOP: the thread is to end        | who asks            |
 * | done  | counts jobs done: all that they wrote is seen by who | the thread          |
 * |       | sees it                                              |                     |
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define STOP UINT32_MAX
/* How long the thread looks for the next job before it sleeps. */
#ifndef LOOK_OUT_US
#define LOOK_OUT_US 50
#endif
/* Where the counts begin; tests let them begin near their end. */
#ifndef FIRST_JOB
#define FIRST_JOB 0u
#endif
/* Looks between two glances at the clock. */
#define LOOKS 64

struct ring;
void walrus_commit(struct ring *ring, double *job, uint32_t writes, uint32_t syncs);

struct commit_thread {
  pthread_t thread;
  struct ring *ring;
  double *job;
  uint32_t writes, syncs;
  _Atomic uint32_t given, done;
  _Atomic uint32_t sleeps;  /* the thread does, or is about to */
  _Atomic uint32_t waiters; /* of those who asked, asleep or about to be */
};

static void pause_a_little(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* True as soon as *word is not `old` any more; false when it still is after so long. */
static int look_out(_Atomic uint32_t *word, uint32_t old, uint32_t microseconds) {
  uint64_t end = now_ns() + (uint64_t)microseconds * 1000u;
  do {
    for (int i = 0; i < LOOKS; i++) {
      if (atomic_load(word) != old) return 1;
      pause_a_little();
    }
  } while (now_ns() < end);
  return 0;
}

/*
 * Sleeps until *word is not `old`. Who changes it looks at *sleepers after that, who sleeps looks at *word after
 * he has said so: one of the two sees the other.
 */
static void sleep_while(_Atomic uint32_t *word, uint32_t old, _Atomic uint32_t *sleepers) {
  atomic_fetch_add(sleepers, 1);
  while (atomic_load(word) == old) syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
  atomic_fetch_sub(sleepers, 1);
}

static void change(_Atomic uint32_t *word, uint32_t value, _Atomic uint32_t *sleepers) {
  atomic_store(word, value);
  if (atomic_load(sleepers) > 0) syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static void *work(void *argument) {
  struct commit_thread *own = argument;
  uint32_t seen = FIRST_JOB;
  for (;;) {
    if (!look_out(&own->given, seen, LOOK_OUT_US)) sleep_while(&own->given, seen, &own->sleeps);
    seen = atomic_load(&own->given);
    if (seen == STOP) return NULL;
    walrus_commit(own->ring, own->job, own->writes, own->syncs);
    change(&own->done, seen, &own->waiters);
  }
}

/* A thread for the ring, or NULL where there is none to be had. The ring is closed after it. */
EXPORT struct commit_thread *walrus_commit_thread_open(struct ring *ring) {
  struct commit_thread *own = calloc(1, sizeof *own);
  if (!own) return NULL;
  own->ring = ring;
  own->given = own->done = FIRST_JOB;
  sigset_t all, before;
  sigfillset(&all);
  /* Signals are the runtime's threads' business. */
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = pthread_create(&own->thread, NULL, work, own);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (error == 0) return own;
  free(own);
  return NULL;
}

/* Called while no job is under way. */
EXPORT void walrus_commit_thread_close(struct commit_thread *own) {
  change(&own->given, STOP, &own->sleeps);
  pthread_join(own->thread, NULL);
  free(own);
}

/* What walrus_commit does, by the thread: 1 when it is done within so many microseconds, 0: it is under way. */
EXPORT uint32_t walrus_commit_thread_give(struct commit_thread *own, double *job, uint32_t writes,
                                          uint32_t syncs, uint32_t microseconds) {
  uint32_t before = atomic_load(&own->given);
  uint32_t number = before + 1 == STOP ? 0 : before + 1;
  own->job = job;
  own->writes = writes;
  own->syncs = syncs;
  change(&own->given, number, &own->sleeps);
  return (uint32_t)look_out(&own->done, before, microseconds);
}

/* Returns when the job that was given last is done. */
EXPORT void walrus_commit_thread_wait(struct commit_thread *own) {
  uint32_t number = atomic_load(&own->given);
  uint32_t before = number == 0 ? STOP - 1 : number - 1;
  if (atomic_load(&own->done) != number) sleep_while(&own->done, before, &own->waiters);
}
