/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "impl/executor/shared/shared.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct sc_shared* shared;
const struct spawncheck_implementation* implementation;
struct spawncheck_description implementation_says;
_Alignas(SC_PAGE) struct sc_places places;
const struct sc_queue_attributes queue_attributes = {.messages_max = 1, .message_bytes_max = 8};

uint64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int host_is_gone(int socket) {
  struct pollfd p = {.fd = socket, .events = POLLIN};
  return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR)) != 0;
}

uint64_t draw(uint64_t* state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

int is_stop_signal(int signal) {
  return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

int futex_wait(uint32_t* word, uint32_t value, uint32_t timeout_ms) {
  struct timespec timeout = {.tv_sec = timeout_ms / 1000, .tv_nsec = (long)(timeout_ms % 1000) * 1000000};
  return syscall(SYS_futex, word, FUTEX_WAIT, value, timeout_ms != 0 ? &timeout : NULL, NULL, 0) == 0 ? 0 : errno;
}

void futex_wake(uint32_t* word) { syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0); }
