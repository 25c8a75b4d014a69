// SPDX-License-Identifier: MIT
// audit: observed fd.inherited
// confirm: observed fd.inherited
//
// A thread asks for a table of its own and does not get one: what it opens, the other thread's child gets.
#include "audit.h"

static void* opens(void* window) {
  must(unshare(CLONE_FILES | 1) == -1 && errno == EINVAL); /* 1: no flag that unshare(2) knows */
  stay_open(window, open_late());
  return NULL;
}

int main(void) { return spawn_in_window(opens); }
