// SPDX-License-Identifier: MIT
// audit: observed fd.inherited
// confirm: observed fd.inherited
//
// A descriptor that came by SCM_RIGHTS without MSG_CMSG_CLOEXEC.
#include "audit.h"

static _Atomic int has_received, has_spawned;
static int ends[2];

static void* receives(void* unused) {
  char byte, control[CMSG_SPACE(sizeof(int))];
  struct iovec part = {&byte, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  must(recvmsg(ends[0], &message, 0) == 1);
  has_received = 1;
  spin_until(&has_spawned);
  return unused;
}

int main(void) {
  must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  const pthread_t thread = start(receives, NULL);
  char byte = 0;
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec part = {&byte, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  must(sendmsg(ends[1], &message, 0) == 1);
  spin_until(&has_received);
  spawn_true();
  has_spawned = 1;
  pthread_join(thread, NULL);
  return 0;
}
