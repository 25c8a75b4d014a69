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

/* What spawn() returns, and leaves in result->error, for a request that it has no way to express, before it has done
 * anything: no errno has this value. The request is counted as declined; what the caller has must be as it was. */
#define SPAWNCHECK_DECLINED 0x7fffffff

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

/* What an implementation is known to do besides what was asked for. A habit is no violation where it is said. */
enum {
  SPAWNCHECK_REAPS = 1,              /* waits for its children by itself: the caller cannot */
  SPAWNCHECK_STARTS_THREADS = 2,     /* has threads of its own in the caller from its first use on */
  SPAWNCHECK_RESETS_MASK = 4,        /* the child blocks nothing unless a mask was asked for */
  SPAWNCHECK_RESETS_SIGNALS = 8,     /* ignored signals become default in the child unless asked for */
  SPAWNCHECK_TELLS_NO_ERRNO = 16,    /* says that a spawn failed, not why */
  SPAWNCHECK_RUNS_SCRIPTS = 32,      /* gives a program that exec refuses with ENOEXEC to sh(1) */
  SPAWNCHECK_HOLDS_DESCRIPTORS = 64, /* keeps descriptors of its own open in the caller from its first use on */
  SPAWNCHECK_WRITES_ERRNO = 128      /* the caller's errno may change */
};

/* A guarantee that the implementation does not give, and where that is written. */
struct spawncheck_documented_limit {
  const char* clause; /* by its name: model/contract/contract.md */
  const char* says;   /* only violations whose observation contains this text; "": all of the clause */
  const char* what;   /* the limit, in one sentence */
  const char* source; /* man page, page of the documentation, or file and function */
};

/* The following symbols may be exported besides; an object without them is told nothing and has no limits. */

struct spawncheck_description {
  uint32_t size;       /* sizeof this struct; fields beyond it count as 0, so older objects load */
  uint32_t habits;     /* SPAWNCHECK_REAPS and the following */
  const char* version; /* of the library behind it, as that says at run time */
  const struct spawncheck_documented_limit* limits;
  uint32_t limit_count;
  int (*prepare)(
      void); /* called once, after the process that will spawn was forked and before it has a second thread;
                0 or an errno. May be null. A library that starts threads or opens descriptors does it here */
};
const struct spawncheck_description* spawncheck_description_v1(void);

/* Called before the first spawn where the scenario's world has a `window` line: the
 * numbers first..last, below 64, are close-on-exec descriptors of one memfd, which no other code of the process uses,
 * and the implementation may have other files there while a spawn is under way. 0 or an errno. */
int spawncheck_adopt_window_v1(int first, int last);

#ifdef __cplusplus
}
#endif

#endif
