/* SPDX-License-Identifier: MIT */
#include "peers.h"

#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct {
  const char* name;
  const struct spawncheck_implementation* (*get)(void);
  const struct spawncheck_description* (*describe)(void);
} peers[] = {
#define SPAWNCHECK_ROW(name, get, describe, what) {name, get, describe},
    SPAWNCHECK_PEERS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};

static const struct spawncheck_implementation* refuse(char text[PEER_TEXT_MAX], const char* which, const char* why) {
  snprintf(text, PEER_TEXT_MAX, "implementation %.90s: %.130s", which, why);
  return NULL;
}

static int (*adopt_window_of_object)(int first, int last); /* NULL: no object, or it adopts no window */

int peer_adopt_window(int first, int last) {
  const int error = peer_reference_adopt_window(first, last);
  return error != 0 || adopt_window_of_object == NULL ? error : adopt_window_of_object(first, last);
}

const struct spawncheck_description* peer_nothing_described(void) { return NULL; }

/* An object built with an older or newer header has a smaller or larger struct: copies the common part. 0 or -1. */
static int take_description(const struct spawncheck_description* found, struct spawncheck_description* description) {
  memset(description, 0, sizeof *description);
  if (found == NULL) return 0;
  if (found->size < sizeof found->size) return -1;
  memcpy(description, found, found->size < sizeof *description ? found->size : sizeof *description);
  description->size = sizeof *description;
  return description->limit_count != 0 && description->limits == NULL ? -1 : 0;
}

static const struct spawncheck_implementation* load_object(const char* path, struct spawncheck_description* description,
                                                           char text[PEER_TEXT_MAX]) {
  void* object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (object == NULL) return refuse(text, path, dlerror());
  const struct spawncheck_implementation* (*get)(void);
  *(void**)&get = dlsym(object, "spawncheck_implementation_v1");
  if (get == NULL) return refuse(text, path, "exports no spawncheck_implementation_v1");
  const struct spawncheck_implementation* found = get();
  if (found == NULL || found->abi != SPAWNCHECK_ABI) return refuse(text, path, "is not of ABI version 1");
  if (found->spawn == NULL || found->name == NULL) return refuse(text, path, "has no spawn function or no name");
  if ((found->policies & 7) == 0) return refuse(text, path, "offers no policy");
  const struct spawncheck_description* (*describe)(void);
  *(void**)&describe = dlsym(object, "spawncheck_description_v1");
  if (take_description(describe != NULL ? describe() : NULL, description) != 0)
    return refuse(text, path, "its description has no size, or counts limits and has none");
  *(void**)&adopt_window_of_object = dlsym(object, "spawncheck_adopt_window_v1");
  return found;
}

const struct spawncheck_implementation* peer_load(const char* which, const char* strategy,
                                                  struct spawncheck_description* description,
                                                  char text[PEER_TEXT_MAX]) {
  if (strchr(which, '/') != NULL)
    return strategy[0] == 0 ? load_object(which, description, text) : refuse(text, which, "has no strategies");
  for (size_t i = 0; i < sizeof peers / sizeof *peers; ++i) {
    if (strcmp(which, peers[i].name) != 0) continue;
    if (strategy[0] != 0 && strcmp(which, "reference") != 0) return refuse(text, which, "has no strategies");
    if (strategy[0] != 0 && peer_reference_force(strategy) != 0) return refuse(text, which, "no such strategy");
    const struct spawncheck_implementation* found = peers[i].get();
    if (found == NULL) return refuse(text, which, "is not in this arena");
    if (take_description(peers[i].describe(), description) == 0) return found;
    return refuse(text, which, "its description has no size, or counts limits and has none");
  }
  return refuse(text, which, "is none of reference, posix_spawn, fork_exec, canary, nor the path of a shared object");
}
