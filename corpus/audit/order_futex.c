// SPDX-License-Identifier: MIT
// audit: nothing
// confirm: nothing
//
// A condition variable: the other thread sleeps until the flag is set.
#include "audit.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int is_marked, sleeps;

static void* spawns(void* unused) {
  pthread_mutex_lock(&lock);
  sleeps = 1;
  pthread_cond_signal(&changed);
  while (!is_marked) pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);
  spawn_true();
  return unused;
}

int main(void) {
  const pthread_t thread = start(spawns, NULL);
  pthread_mutex_lock(&lock);
  while (!sleeps) pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);
  mark(open_late());
  pthread_mutex_lock(&lock);
  is_marked = 1;
  pthread_cond_signal(&changed);
  pthread_mutex_unlock(&lock);
  pthread_join(thread, NULL);
  return 0;
}
