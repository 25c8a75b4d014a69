/* SPDX-License-Identifier: MIT
 *
 * The interface of an implementation under test, ABI version 1.
 *
 * A shared object in any language that exports spawncheck_implementation_v1() can be put in the
 * reference's place: spawncheck ... --implementation FILE.so. The header has no dependency.
 *
 * spawn() may be called from several threads at once. It returns result->error: 0 on success, else an
 * errno, and then there is no child, no zombie, no descriptor left. Either way the caller's errno is as it was. On
 * success the caller reaps the child (waitpid of result->pid) and owns result->pidfd (-1 unless asked for;
 * close-on-exec). A field whose bit is not in `set` means: as the caller's. What must hold, which errors are allowed
 * and when an obligation ends is the contract: model/contract/contract.md. */
#ifndef SPAWNCHECK_PEERS_IMPLEMENTATION_H
#define SPAWNCHECK_PEERS_IMPLEMENTATION_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SPAWNCHECK_ABI 1

enum {
  SPAWNCHECK_FDS_INHERIT = 0,             /* everything without close-on-exec, then the keep entries on top */
  SPAWNCHECK_FDS_DROP_CLOEXEC_EXCEPT = 1, /* close-on-exec descriptors go, but the kept ones arrive, flag clear */
  SPAWNCHECK_FDS_ONLY = 2                 /* exactly the keep entries; 0, 1 and 2 are not special */
};

enum {
  SPAWNCHECK_SET_MASK = 1,
  SPAWNCHECK_SET_DEFAULT = 2,
  SPAWNCHECK_SET_IGNORE = 4,
  SPAWNCHECK_SET_PGROUP = 8,
  SPAWNCHECK_NEW_SESSION = 16,
  SPAWNCHECK_SET_CWD = 32,
  SPAWNCHECK_WANT_PIDFD = 64
};

struct spawncheck_keep {
  int source; /* number in the caller's table */
  int target; /* number in the child's table; all sources are read before any target is written */
};

struct spawncheck_request {
  uint32_t size;      /* sizeof this struct */
  uint32_t fd_policy; /* SPAWNCHECK_FDS_* */
  const char* path;   /* of the program; no PATH search */
  char* const* argv;  /* null-terminated */
  char* const* envp;  /* null-terminated */
  const struct spawncheck_keep* keep;
  uint32_t keep_count;
  uint32_t set;                /* SPAWNCHECK_SET_* bits: which fields below count */
  uint64_t mask, dflt, ignore; /* bit n-1 is signal n */
  int32_t pgroup;              /* as setpgid(0, pgroup): 0 makes a new group */
  const char* cwd;
};

struct spawncheck_result {
  int32_t pid;
  int32_t pidfd;
  int32_t error; /* errno, 0 on success */
};

struct spawncheck_implementation {
  uint32_t abi; /* SPAWNCHECK_ABI */
  const char* name;
  uint32_t policies;    /* bit (1 << SPAWNCHECK_FDS_*) for each policy it can honour */
  uint32_t sets;        /* SPAWNCHECK_SET_* it can honour */
  const char* promises; /* clause names beyond the basic ones, space separated */
  int (*spawn)(const struct spawncheck_request*, struct spawncheck_result*);
};

/* The one symbol that must be exported. The object it returns lives as long as the process. */
const struct spawncheck_implementation* spawncheck_implementation_v1(void);

/* A second symbol, which may be. Called before the first spawn where the scenario's world has a `window` line: the
 * numbers first..last, below 64, are close-on-exec descriptors of one memfd, which no other code of the process uses,
 * and the implementation may have other files there while a spawn is under way. 0 or an errno. An object without it is
 * told nothing. */
int spawncheck_adopt_window_v1(int first, int last);

#ifdef __cplusplus
}
#endif

#endif
