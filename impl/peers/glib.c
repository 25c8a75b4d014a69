/* SPDX-License-Identifier: MIT
 *
 * GLib's g_spawn_async_with_pipes_and_fds. Without LEAVE_DESCRIPTORS_OPEN the child gets 0, 1, 2 and what is mapped, so
 * `only` needs all three kept; with it GLib leaves everything without close-on-exec, and calls posix_spawn(3) if no
 * directory is asked for. 0, 1 and 2 have parameters of their own; the other targets are mapped. CLOEXEC_PIPES is set,
 * as a program with several threads should do. */
#include <errno.h>
#include <glib.h>

#include "adapter.h"

enum { MAPPED_MAX = 1024 };

/* GLib reports a kind of error, not an errno; some kinds stand for one errno. */
static int errno_of(const GError* error) {
  static const struct {
    gint code;
    int error;
  } rows[] = {
      {G_SPAWN_ERROR_FORK, EAGAIN},   {G_SPAWN_ERROR_ACCES, EACCES},    {G_SPAWN_ERROR_PERM, EPERM},
      {G_SPAWN_ERROR_TOO_BIG, E2BIG}, {G_SPAWN_ERROR_NOEXEC, ENOEXEC},  {G_SPAWN_ERROR_NAMETOOLONG, ENAMETOOLONG},
      {G_SPAWN_ERROR_NOENT, ENOENT},  {G_SPAWN_ERROR_NOMEM, ENOMEM},    {G_SPAWN_ERROR_NOTDIR, ENOTDIR},
      {G_SPAWN_ERROR_LOOP, ELOOP},    {G_SPAWN_ERROR_TXTBUSY, ETXTBSY}, {G_SPAWN_ERROR_IO, EIO},
      {G_SPAWN_ERROR_NFILE, ENFILE},  {G_SPAWN_ERROR_MFILE, EMFILE},    {G_SPAWN_ERROR_INVAL, EINVAL},
      {G_SPAWN_ERROR_ISDIR, EISDIR},  {G_SPAWN_ERROR_LIBBAD, ELIBBAD}};
  for (gsize i = 0; error->domain == G_SPAWN_ERROR && i < G_N_ELEMENTS(rows); ++i)
    if (rows[i].code == error->code) return rows[i].error;
  return EAGAIN; /* unknown */
}

static int run(const struct spawncheck_request* r, gchar** argv, struct spawncheck_result* result) {
  gint sources[MAPPED_MAX], targets[MAPPED_MAX];
  gsize mapped = 0;
  unsigned flags = G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_CLOEXEC_PIPES | G_SPAWN_FILE_AND_ARGV_ZERO;
  if (r->fd_policy != SPAWNCHECK_FDS_ONLY) flags |= G_SPAWN_LEAVE_DESCRIPTORS_OPEN;
  if (adapter_source_of(r, 0) < 0) flags |= G_SPAWN_CHILD_INHERITS_STDIN;
  for (uint32_t i = 0; i < r->keep_count; ++i) {
    if (r->keep[i].target < ADAPTER_STDIO) continue;
    sources[mapped] = r->keep[i].source;
    targets[mapped++] = r->keep[i].target;
  }
  GPid pid = -1;
  GError* error = NULL;
  if (g_spawn_async_with_pipes_and_fds(
          r->set & SPAWNCHECK_SET_CWD ? r->cwd : NULL, (const gchar* const*)argv, (const gchar* const*)r->envp,
          (GSpawnFlags)flags, NULL, NULL, adapter_source_of(r, 0), adapter_source_of(r, 1), adapter_source_of(r, 2),
          mapped != 0 ? sources : NULL, mapped != 0 ? targets : NULL, mapped, &pid, NULL, NULL, NULL, &error))
    return adapter_succeed(result, pid);
  adapter_fail(result, error != NULL ? errno_of(error) : EAGAIN);
  g_clear_error(&error);
  return result->error;
}

static int spawn(const struct spawncheck_request* r, struct spawncheck_result* result) {
  const int saved = errno;
  const int is_only = r->fd_policy == SPAWNCHECK_FDS_ONLY;
  const int forks = is_only || (r->set & SPAWNCHECK_SET_CWD) != 0; /* with an error pipe; else posix_spawn(3) */
  if (!adapter_is_plain(r) || (forks && !adapter_sources_are_open(r)) || r->keep_count > MAPPED_MAX ||
      (is_only && !adapter_keeps_stdio(r)))
    return adapter_decline(result);
  const guint count = g_strv_length((gchar**)r->argv);
  gchar** argv = g_new0(gchar*, count + 2); /* the file, then argv */
  argv[0] = (gchar*)r->path;
  for (guint i = 0; i < count; ++i) argv[i + 1] = r->argv[i];
  run(r, argv, result);
  g_free(argv);
  errno = saved;
  return result->error;
}

const struct spawncheck_implementation* spawncheck_implementation_v1(void) {
  static const struct spawncheck_implementation self = {
      .abi = SPAWNCHECK_ABI, .name = "glib", .policies = 7, .sets = SPAWNCHECK_SET_CWD, .promises = "", .spawn = spawn};
  return &self;
}

const struct spawncheck_description* spawncheck_description_v1(void) {
  static const struct spawncheck_documented_limit limits[] = {
      ADAPTER_TAKES_NUMBERS("the error pipe, and duplicates of what is mapped, take numbers of the caller's table",
                            "GLib glib/gspawn.c fork_exec, do_posix_spawn"),
      {"fd.exact", "the child lacks", "a source that becomes 0, 1 or 2 is closed at its own number",
       "GLib glib/gspawn.c do_exec: set_cloexec, do_posix_spawn: child_close"},
      {"sig.disposition", " 32 33", "the child starts with signals 32 and 33 ignored, where posix_spawn(3) is taken",
       "glibc sysdeps/unix/sysv/linux/spawni.c __spawni_child"},
      {"sig.mask", "only 32 to 34 differ", "glibc takes 32 and 33 out of every mask",
       "glibc sysdeps/unix/sysv/linux/internal-signals.h clear_internal_signals"},
      ADAPTER_FORKS_WITH_HANDLERS("GLib glib/gspawn.c fork_exec, which resets CHLD, INT, TERM, HUP and PIPE alone"),
  };
  static char version[32];
  static struct spawncheck_description self = {.size = sizeof self,
                                               .habits = SPAWNCHECK_RESETS_SIGNALS | SPAWNCHECK_TELLS_NO_ERRNO |
                                                         SPAWNCHECK_RUNS_SCRIPTS |
                                                         SPAWNCHECK_HOLDS_DESCRIPTORS, /* during a call */
                                               .version = version,
                                               .limits = limits,
                                               .limit_count = sizeof limits / sizeof *limits};
  g_snprintf(version, sizeof version, "%u.%u.%u", glib_major_version, glib_minor_version, glib_micro_version);
  return &self;
}
