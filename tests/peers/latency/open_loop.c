/*
 * An open-loop load generator: requests are due at fixed times, whether the earlier ones are answered or
 * not, and each one's latency counts from when it was due. One thread that never sleeps: it should have a
 * processor of its own. What `walrus bench --rate` does, without a runtime's pauses in what is measured.
 *
 * open_loop --port P [--connections N] [--rate R] [--group G] [--size B] [--warm-up S] [--seconds S]
 *
 * Of each connection G requests are due at once. Requests are `PUT open-loop <size bytes>`, frames have a
 * 4-byte little-endian length. Prints one line of JSON. Arguments and answer: tests/peers/README.md.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  INPUT_BYTES = 64 * 1024,
  /* Requests of one connection that may wait in memory for the socket. */
  QUEUED_MAX = 16 * 1024,
  EVENTS_MAX = 256,
  /* Latencies are counted by the microsecond, up to ten seconds. */
  BUCKETS = 10 * 1000 * 1000,
};

static struct {
  long port, connections, rate, group, size, warm_up, seconds;
} options = {.port = 8080, .connections = 64, .rate = 1000, .group = 1, .size = 726, .warm_up = 3,
             .seconds = 5};

struct connection {
  int fd;
  int input_bytes;
  /* Requests that are to be sent, and bytes of the first of them that have been. */
  long queued;
  size_t sent_bytes;
  uint64_t answered;
  uint8_t input[INPUT_BYTES];
};

static struct connection *connections;
/* `group` requests, or as many as one write takes, one behind the other. */
static uint8_t *requests;
static size_t request_bytes;
static long requests_in_a_row;
static uint32_t buckets[BUCKETS];

static void die(const char *what) {
  perror(what);
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int open_connection(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  if (fd < 0) die("socket");
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) die("connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

static void put_length(uint8_t *at, size_t length) {
  for (int i = 0; i < 4; i++) at[i] = (uint8_t)(length >> (8 * i));
}

static uint32_t get_length(const uint8_t *at) {
  return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void register_topic(void) {
  const char *text = "REGISTER open-loop";
  uint8_t frame[64], answer[4096];
  put_length(frame, strlen(text));
  memcpy(frame + 4, text, strlen(text));
  int fd = open_connection();
  if (write(fd, frame, 4 + strlen(text)) < 0) die("write");
  if (read(fd, answer, sizeof answer) < 6 || memcmp(answer + 4, "OK", 2)) {
    fprintf(stderr, "the topic was not registered\n");
    exit(1);
  }
  close(fd);
}

static void make_requests(void) {
  const char *head = "PUT open-loop ";
  size_t body = strlen(head) + (size_t)options.size;
  request_bytes = 4 + body;
  requests_in_a_row = options.group > 64 ? options.group : 64;
  requests = malloc(request_bytes * (size_t)requests_in_a_row);
  for (long i = 0; i < requests_in_a_row; i++) {
    uint8_t *at = requests + request_bytes * (size_t)i;
    put_length(at, body);
    memcpy(at + 4, head, strlen(head));
    for (long j = 0; j < options.size; j++) at[4 + strlen(head) + (size_t)j] = (uint8_t)('a' + rand() % 26);
  }
}

/* Sends as much of what is queued as the socket takes. */
static void flush(struct connection *connection) {
  while (connection->queued > 0) {
    long count = connection->queued < requests_in_a_row ? connection->queued : requests_in_a_row;
    size_t bytes = request_bytes * (size_t)count - connection->sent_bytes;
    ssize_t written = write(connection->fd, requests + connection->sent_bytes, bytes);
    if (written < 0 && errno == EAGAIN) return;
    if (written < 0) die("write");
    size_t sent = connection->sent_bytes + (size_t)written;
    connection->queued -= (long)(sent / request_bytes);
    connection->sent_bytes = sent % request_bytes;
    if ((size_t)written < bytes) return;
  }
}

/* Takes the answers that are there; each is for the oldest request without one. */
static long take_answers(long number, double start, double count_from) {
  struct connection *connection = &connections[number];
  ssize_t got = read(connection->fd, connection->input + connection->input_bytes,
                     (size_t)(INPUT_BYTES - connection->input_bytes));
  if (got < 0 && errno == EAGAIN) return 0;
  if (got <= 0) {
    fprintf(stderr, "the connection was closed\n");
    exit(1);
  }
  connection->input_bytes += (int)got;
  double at = now();
  long taken = 0;
  int offset = 0;
  while (connection->input_bytes - offset >= 4) {
    uint32_t length = get_length(connection->input + offset);
    if (connection->input_bytes - offset < 4 + (int)length) break;
    if (length < 2 || memcmp(connection->input + offset + 4, "OK", 2)) {
      fprintf(stderr, "the answer was: %.*s\n", (int)length, connection->input + offset + 4);
      exit(1);
    }
    offset += 4 + (int)length;
    uint64_t round = connection->answered++ / (uint64_t)options.group;
    double group = (double)(round * (uint64_t)options.connections + (uint64_t)number);
    double due = start + group * (double)options.group / (double)options.rate;
    taken++;
    if (due < count_from) continue;
    double us = (at - due) * 1e6;
    buckets[us < 0 ? 0 : us >= BUCKETS ? BUCKETS - 1 : (long)us]++;
  }
  connection->input_bytes -= offset;
  memmove(connection->input, connection->input + offset, (size_t)connection->input_bytes);
  return taken;
}

static double quantile(uint64_t total, double share) {
  uint64_t rank = (uint64_t)((double)total * share), seen = 0;
  if (rank >= total) rank = total - 1;
  for (long i = 0; i < BUCKETS; i++) {
    seen += buckets[i];
    if (seen > rank) return (double)i / 1e3;
  }
  return BUCKETS / 1e3;
}

int main(int count, char **values) {
  for (int i = 1; i + 1 < count; i += 2) {
    const char *name = values[i];
    long value = atol(values[i + 1]);
    if (!strcmp(name, "--port")) options.port = value;
    else if (!strcmp(name, "--connections")) options.connections = value;
    else if (!strcmp(name, "--rate")) options.rate = value;
    else if (!strcmp(name, "--group")) options.group = value;
    else if (!strcmp(name, "--size")) options.size = value;
    else if (!strcmp(name, "--warm-up")) options.warm_up = value;
    else if (!strcmp(name, "--seconds")) options.seconds = value;
  }
  register_topic();
  make_requests();
  connections = calloc((size_t)options.connections, sizeof *connections);
  int poll = epoll_create1(0);
  for (long i = 0; i < options.connections; i++) {
    int fd = connections[i].fd = open_connection();
    fcntl(fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
  }
  double start = now() + 0.05;
  double count_from = start + (double)options.warm_up;
  double end = count_from + (double)options.seconds;
  double groups_per_second = (double)options.rate / (double)options.group;
  uint64_t groups = 0;
  long sent = 0, answered = 0, late = 0;
  for (;;) {
    double at = now();
    if (at >= end + 10 || (at >= end && answered == sent)) break;
    uint64_t due = at < start ? 0 : (uint64_t)(((at < end ? at : end) - start) * groups_per_second) + 1;
    for (; groups < due; groups++) {
      struct connection *connection = &connections[groups % (uint64_t)options.connections];
      connection->queued += options.group;
      sent += options.group;
      if (connection->queued > QUEUED_MAX) {
        fprintf(stderr, "the server does not keep up\n");
        return 1;
      }
      if (at - (start + (double)groups / groups_per_second) > 1e-3) late += options.group;
      flush(connection);
    }
    struct epoll_event events[EVENTS_MAX];
    int ready = epoll_wait(poll, events, EVENTS_MAX, 0);
    for (int i = 0; i < ready; i++) {
      long number = (long)events[i].data.u32;
      answered += take_answers(number, start, count_from);
      flush(&connections[number]);
    }
    if (ready == 0) for (long i = 0; i < options.connections; i++) flush(&connections[i]);
  }
  uint64_t total = 0;
  for (long i = 0; i < BUCKETS; i++) total += buckets[i];
  if (total == 0) return 1;
  printf("{\"sent\":%ld,\"answered\":%ld,\"sentLate\":%ld,\"p50Ms\":%.3f,\"p90Ms\":%.3f,\"p99Ms\":%.3f,"
         "\"p999Ms\":%.3f,\"maxMs\":%.3f}\n",
         sent, answered, late, quantile(total, 0.5), quantile(total, 0.9), quantile(total, 0.99),
         quantile(total, 0.999), quantile(total, 1));
  return 0;
}
