// SPDX-License-Identifier: MIT
// audit: observed fd.inherited
// confirm: observed fd.inherited
//
// A thread opens without O_CLOEXEC, another spawns before it sets the flag, each time: memory orders them.
#include "audit.h"

static void* opens(void* window) {
  stay_open(window, open_late());
  return NULL;
}

int main(void) { return spawn_in_window(opens); }
