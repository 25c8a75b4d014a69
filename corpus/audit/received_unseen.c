// SPDX-License-Identifier: MIT
// audit: note not_followed
// confirm: nothing
//
// A descriptor comes by recvmmsg(2), which no recording follows: the program has it, and nobody can say since when.
#include "audit.h"

union control {
  struct cmsghdr head;
  char room[CMSG_SPACE(sizeof(int))];
};

int main(void) {
  int pair[2];
  must(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) == 0);
  const int given = open("/dev/null", O_RDONLY | O_CLOEXEC);
  must(given >= 0);
  char byte = 0;
  struct iovec text = {&byte, 1};
  union control control = {
      .head = {.cmsg_len = CMSG_LEN(sizeof given), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
  memcpy(CMSG_DATA(&control.head), &given, sizeof given);
  struct mmsghdr message = {
      .msg_hdr = {.msg_iov = &text, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control}};
  must(sendmsg(pair[0], &message.msg_hdr, 0) == 1);
  must(recvmmsg(pair[1], &message, 1, 0, NULL) == 1);
  spawn_true();
  return 0;
}
