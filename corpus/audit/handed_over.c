// SPDX-License-Identifier: MIT
// audit: nothing
// confirm: nothing
//
// One thread opens, on purpose without close-on-exec, and hands the number to the one that spawns.
#include "audit.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int number = -1, sleeps;

static void* spawns(void* unused) {
  pthread_mutex_lock(&lock);
  sleeps = 1;
  pthread_cond_signal(&changed);
  while (number < 0) pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);
  spawn_true();
  return unused;
}

int main(void) {
  const pthread_t thread = start(spawns, NULL);
  pthread_mutex_lock(&lock);
  while (!sleeps) pthread_cond_wait(&changed, &lock);
  number = open_late();
  pthread_cond_signal(&changed);
  pthread_mutex_unlock(&lock);
  pthread_join(thread, NULL);
  close(number);
  return 0;
}
