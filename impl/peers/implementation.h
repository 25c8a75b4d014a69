/* SPDX-License-Identifier: MIT
 *
 * The interface of an implementation under test, ABI version 1.
 *
 * A shared object in any language that exports spawncheck_implementation_v1() can replace the
 * reference: spawncheck ... --implementation FILE.so. The header has no dependency.
 *
 * spawn() may be called from several threads at once. It returns result->error: 0 on success, else an
 * errno; an error leaves no child, no zombie and no descriptor. Either way the caller's errno is as it was. On
 * success the caller reaps the child (waitpid of result->pid) and owns result->pidfd (-1 unless asked for;
 * close-on-exec). The child inherits each attribute whose bit is not in `set`. The contract says what must hold, which
 * errors are allowed and when an obligation ends: model/contract/contract.md. */
#ifndef SPAWNCHECK_PEERS_IMPLEMENTATION_H
#define SPAWNCHECK_PEERS_IMPLEMENTATION_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SPAWNCHECK_ABI 1

enum {
  SPAWNCHECK_FDS_INHERIT = 0,             /* everything without close-on-exec, replaced by keep entries */
  SPAWNCHECK_FDS_DROP_CLOEXEC_EXCEPT = 1, /* close-on-exec descriptors are dropped; kept ones cross, flag clear */
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
  const char* path;   /* the program; no PATH search */
  char* const* argv;  /* null-terminated */
  char* const* envp;  /* null-terminated */
  const struct spawncheck_keep* keep;
  uint32_t keep_count;
  uint32_t set;                /* SPAWNCHECK_SET_* bits: which fields below apply */
  uint64_t mask, dflt, ignore; /* bit n-1 is signal n */
  int32_t pgroup;              /* as setpgid(0, pgroup): 0 makes a new group */
  const char* cwd;
};

struct spawncheck_result {
  int32_t pid;
  int32_t pidfd;
  int32_t error; /* errno, 0 on success */
};

/* What spawn() returns, and stores in result->error, for a request that it cannot express, before it has done
 * anything: no errno has this value. The request counts as declined; the caller's state must be unchanged. */
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

/* What an implementation is known to do besides the request. A declared habit is no violation. */
enum {
  SPAWNCHECK_REAPS = 1,              /* waits for its own children: the caller cannot */
  SPAWNCHECK_STARTS_THREADS = 2,     /* has its own threads in the caller from its first use on */
  SPAWNCHECK_RESETS_MASK = 4,        /* the child blocks no signal unless a mask was asked for */
  SPAWNCHECK_RESETS_SIGNALS = 8,     /* ignored signals become default in the child unless asked for */
  SPAWNCHECK_TELLS_NO_ERRNO = 16,    /* reports that a spawn failed, but not why */
  SPAWNCHECK_RUNS_SCRIPTS = 32,      /* runs a program that exec refuses with ENOEXEC by sh(1) */
  SPAWNCHECK_HOLDS_DESCRIPTORS = 64, /* keeps its own descriptors open in the caller from its first use on */
  SPAWNCHECK_WRITES_ERRNO = 128      /* the caller's errno may change */
};

/* A guarantee that the implementation does not give, and the document that says so. */
struct spawncheck_documented_limit {
  const char* clause; /* its name in model/contract/contract.md */
  const char* says;   /* covers violations whose observation contains this text; "": all of the clause */
  const char* what;   /* the limit, in one sentence */
  const char* source; /* man page, page of the documentation, or file and function */
};

/* The following symbols are optional; an object without them has no habits, no limits and no window. */

struct spawncheck_description {
  uint32_t size;       /* sizeof this struct; fields beyond it count as 0, so older objects load */
  uint32_t habits;     /* SPAWNCHECK_REAPS and the following */
  const char* version; /* of the library behind it, read at run time */
  const struct spawncheck_documented_limit* limits;
  uint32_t limit_count;
  int (*prepare)(void); /* called once in the forked process that will spawn, before it has a second thread; returns
                           0 or an errno. May be null. A library that starts threads or opens descriptors must do so
                           here */
};
const struct spawncheck_description* spawncheck_description_v1(void);

/* Called before the first spawn if the scenario's world has a `window` line: the
 * numbers first..last, below 64, are close-on-exec descriptors of one memfd, which no other code of the process uses;
 * the implementation may put other files there during a spawn. Returns 0 or an errno. */
int spawncheck_adopt_window_v1(int first, int last);

#ifdef __cplusplus
}
#endif

#endif
