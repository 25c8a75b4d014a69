/* SPDX-License-Identifier: MIT
 *
 * The Apache Portable Runtime's apr_proc_create: child_in, child_out and child_err from files of the caller's, with
 * error_check_set. It supports only 0, 1 and 2, and leaves everything else without close-on-exec open. Each call
 * has its own pool: threads must not share pools. */
#include <apr_general.h>
#include <apr_portable.h>
#include <apr_thread_proc.h>
#include <apr_version.h>
#include <errno.h>

#include "adapter.h"

typedef apr_status_t (*set_file)(apr_procattr_t*, apr_file_t*, apr_file_t*);

static const set_file setters[ADAPTER_STDIO] = {apr_procattr_child_in_set, apr_procattr_child_out_set,
                                                apr_procattr_child_err_set};

/* The caller keeps its file: apr_os_file_put registers no cleanup, and the setter makes a duplicate. */
static apr_status_t redirect(apr_procattr_t* attributes, struct spawncheck_keep keep, apr_pool_t* pool) {
  apr_os_file_t number = keep.source;
  apr_file_t* file = NULL;
  const apr_status_t status = apr_os_file_put(&file, &number, APR_FOPEN_READ | APR_FOPEN_WRITE, pool);
  return status != APR_SUCCESS ? status : setters[keep.target](attributes, file, NULL);
}

static apr_status_t run(const struct spawncheck_request* r, apr_pool_t* pool, apr_proc_t* process) {
  apr_procattr_t* attributes;
  apr_status_t status = apr_procattr_create(&attributes, pool);
  if (status == APR_SUCCESS) status = apr_procattr_cmdtype_set(attributes, APR_PROGRAM);
  if (status == APR_SUCCESS) status = apr_procattr_error_check_set(attributes, 1);
  if (status == APR_SUCCESS && r->set & SPAWNCHECK_SET_CWD) status = apr_procattr_dir_set(attributes, r->cwd);
  for (uint32_t i = 0; i < r->keep_count && status == APR_SUCCESS; ++i) status = redirect(attributes, r->keep[i], pool);
  if (status == APR_SUCCESS)
    status =
        apr_proc_create(process, r->path, (const char* const*)r->argv, (const char* const*)r->envp, attributes, pool);
  return status;
}

static int spawn(const struct spawncheck_request* r, struct spawncheck_result* result) {
  const int saved = errno;
  if (!adapter_is_plain(r) || !adapter_sources_are_open(r) || !adapter_keeps_below(r, ADAPTER_STDIO))
    return adapter_decline(result);
  apr_pool_t* pool;
  if (apr_pool_create_unmanaged_ex(&pool, NULL, NULL) != APR_SUCCESS) return adapter_fail(result, ENOMEM);
  apr_proc_t process = {.pid = -1};
  const apr_status_t status = run(r, pool, &process);
  apr_pool_destroy(pool);
  errno = saved;
  return status == APR_SUCCESS ? adapter_succeed(result, process.pid) : adapter_fail(result, status);
}

static int prepare(void) { return apr_initialize() == APR_SUCCESS ? 0 : EIO; }

const struct spawncheck_implementation* spawncheck_implementation_v1(void) {
  static const struct spawncheck_implementation self = {
      .abi = SPAWNCHECK_ABI,
      .name = "apr",
      .policies = 1u << SPAWNCHECK_FDS_INHERIT | 1u << SPAWNCHECK_FDS_DROP_CLOEXEC_EXCEPT,
      .sets = SPAWNCHECK_SET_CWD,
      .promises = "",
      .spawn = spawn};
  return &self;
}

const struct spawncheck_description* spawncheck_description_v1(void) {
  static const struct spawncheck_documented_limit limits[] = {
      ADAPTER_TAKES_NUMBERS("the files of the child are duplicates in the caller's table",
                            "APR file_io/unix/filedup.c"),
      {"err.exact", " succeeded",
       "what access(2) does not find out before the fork is not told: the child exits with 255",
       "apr_thread_proc.h apr_procattr_error_check_set: \"whatever it can to report failures\""},
      {"proc.child", "had ended", "a child whose exec failed exits with 255 and is reported as started", "likewise"},
      {"proc.child", "does not run the program", "the call returns after fork(2), before the child's exec",
       "APR threadproc/unix/proc.c apr_proc_create"},
      ADAPTER_FORKS_WITH_HANDLERS("APR threadproc/unix/proc.c apr_proc_create"),
  };
  static struct spawncheck_description self = {
      .size = sizeof self,
      .habits = SPAWNCHECK_RESETS_SIGNALS /* SIGCHLD */ | SPAWNCHECK_HOLDS_DESCRIPTORS /* during a call */,
      .limits = limits,
      .limit_count = sizeof limits / sizeof *limits,
      .prepare = prepare};
  self.version = apr_version_string();
  return &self;
}
