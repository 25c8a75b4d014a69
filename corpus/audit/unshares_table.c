// SPDX-License-Identifier: MIT
// audit: nothing
// confirm: nothing
//
// A thread has a table of its own: what it opens there, the other thread's child cannot get.
#include "audit.h"

static void* opens(void* window) {
  must(unshare(CLONE_FILES) == 0);
  stay_open(window, open_late());
  return NULL;
}

int main(void) { return spawn_in_window(opens); }
