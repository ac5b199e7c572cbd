/* A server that does nothing: it answers each frame (4-byte little-endian length, then so many bytes)
 * with the frame of "OK", at once, all answers of one read in one write. What a load generator reaches
 * against it is the most that it can measure of anybody.
 *
 * echo_server PORT     prints "ready" and runs until it is killed. One thread, epoll, loopback only.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
  READ_BYTES = 256 * 1024,
  ANSWER_BYTES = 6,
  /* No frame is shorter than its header. */
  ANSWERS_MAX = READ_BYTES / 4 + 1,
  EVENTS_MAX = 256,
  CONNECTIONS_MAX = 65536,
};

/* Where a connection stands within its stream of frames. */
struct stream {
  uint32_t body_left;
  uint32_t header;
  int header_bytes;
};

static struct stream streams[CONNECTIONS_MAX];
static uint8_t input[READ_BYTES];
static uint8_t answers[ANSWERS_MAX * ANSWER_BYTES];

static void fail(const char *what) {
  perror(what);
  exit(1);
}

/* The number of frames that end within `input[0, length)`. */
static int count_frames(struct stream *s, size_t length) {
  int frames = 0;
  for (size_t at = 0; at < length;) {
    if (s->header_bytes < 4) {
      s->header |= (uint32_t)input[at++] << (8 * s->header_bytes);
      if (++s->header_bytes < 4) continue;
      s->body_left = s->header;
    } else {
      size_t here = length - at < s->body_left ? length - at : s->body_left;
      s->body_left -= here;
      at += here;
    }
    if (s->header_bytes == 4 && s->body_left == 0) {
      frames++;
      s->header = 0;
      s->header_bytes = 0;
    }
  }
  return frames;
}

static void write_all(int fd, const uint8_t *bytes, size_t length) {
  while (length > 0) {
    ssize_t written = write(fd, bytes, length);
    if (written < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      return; /* The reader sees the end of the connection. */
    }
    bytes += written;
    length -= (size_t)written;
  }
}

static int listen_on(int port) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0) fail("socket");
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("bind");
  if (listen(fd, 4096) < 0) fail("listen");
  return fd;
}

static void watch(int epoll, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll_ctl");
}

static void accept_one(int epoll, int listener) {
  int fd = accept(listener, NULL, NULL), on = 1;
  if (fd < 0) return;
  if (fd >= CONNECTIONS_MAX) {
    close(fd);
    return;
  }
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  memset(&streams[fd], 0, sizeof streams[fd]);
  watch(epoll, fd);
}

static void answer(int fd) {
  ssize_t length = read(fd, input, sizeof input);
  if (length <= 0) {
    close(fd);
    return;
  }
  int frames = count_frames(&streams[fd], (size_t)length);
  if (frames > 0) write_all(fd, answers, (size_t)frames * ANSWER_BYTES);
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: echo_server PORT\n");
    return 2;
  }
  static const uint8_t one[ANSWER_BYTES] = {2, 0, 0, 0, 'O', 'K'};
  for (int i = 0; i < ANSWERS_MAX; i++) memcpy(answers + i * ANSWER_BYTES, one, ANSWER_BYTES);
  int listener = listen_on(atoi(argv[1])), epoll = epoll_create1(0);
  if (epoll < 0) fail("epoll_create1");
  watch(epoll, listener);
  puts("ready");
  fflush(stdout);
  for (;;) {
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(epoll, events, EVENTS_MAX, -1);
    for (int i = 0; i < count; i++) {
      if (events[i].data.fd == listener) accept_one(epoll, listener);
      else answer(events[i].data.fd);
    }
  }
}
