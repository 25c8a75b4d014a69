/* SPDX-License-Identifier: MIT
 *
 * Documented limits of the peers: what their own documentation or construction says they do not do. A
 * violation of that clause by that peer is reported as *unsupported*, with the source. */
#ifndef SPAWNCHECK_PEERS_LIMITS_H
#define SPAWNCHECK_PEERS_LIMITS_H

#include <stddef.h>

/* Columns: implementation, clause, what a violation of it must say to be within the limit, why, with the source. */
#define SPAWNCHECK_LIMITS(X)                                                                                         \
  X("reference", "fd.untouched", "; another thread uses the window",                                                 \
    "strategy staged asks what a number of the window is and then writes it, two calls in a row: what other code "   \
    "puts there in between is lost. The reservation asks other code to leave these numbers alone "                   \
    "(impl/spawn/README.md, The window)")                                                                            \
  X("posix_spawn", "mm.unwritten", "errno",                                                                          \
    "errno may change: POSIX lets any function change it (XSH 2.3), and glibc's child shares it")                    \
  X("musl:posix_spawn", "mm.unwritten", "errno",                                                                     \
    "errno may change: POSIX lets any function change it (XSH 2.3), and musl's child shares it")                     \
  X("posix_spawn", "sig.disposition", "",                                                                            \
    "the child starts with signals 32 and 33 ignored: glibc's spawni.c sets its internal signals to SIG_IGN, which " \
    "exec keeps (observed with 2.36)")                                                                               \
  X("posix_spawn", "sig.mask", "only 32 to 34 differ",                                                               \
    "glibc blocks neither of its internal signals for anybody: pthread_sigmask takes 32 and 33 out of the set "      \
    "(observed with 2.36)")                                                                                          \
  X("posix_spawn", "err.exact", "",                                                                                  \
    "a failure in the child is whatever step failed first: dup2 of a temporary may come before what the contract "   \
    "names")                                                                                                         \
  X("musl:posix_spawn", "fd.untouched", "",                                                                          \
    "the error pipe takes two of the caller's numbers during the call (src/process/posix_spawn.c)")                  \
  X("musl:posix_spawn", "sig.parent_restored", "only 32 to 34 differ",                                               \
    "pthread_sigmask takes 32 to 34 out of the mask it reports, and the call restores that "                         \
    "(src/thread/pthread_sigmask.c)")                                                                                \
  X("musl:posix_spawn", "sig.mask", "only 32 to 34 differ", "likewise")                                              \
  X("fork_exec", "fd.untouched", "", "the error pipe takes two of the caller's numbers during the call (fork_exec.c)")

struct spawncheck_limit {
  const char *implementation, *clause, *says, *why;
};

static const struct spawncheck_limit spawncheck_limits[] = {
#define SPAWNCHECK_ROW(implementation, clause, says, why) {implementation, clause, says, why},
    SPAWNCHECK_LIMITS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};
static const size_t spawncheck_limit_count = sizeof spawncheck_limits / sizeof *spawncheck_limits;

#endif
