/* SPDX-License-Identifier: MIT
 *
 * CPython's subprocess.Popen, in an interpreter of this process. stdin, stdout and stderr take numbers; pass_fds passes
 * others as they are, and with close_fds, which it implies, the child gets nothing else. So `only` needs 0, 1 and 2
 * kept, and all other entries kept in place. Each Popen object is remembered: Popen reaps the children of destroyed
 * objects. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>

#include "adapter.h"

static PyObject *popen_class, *remembered; /* subprocess.Popen; a list */

static PyObject* list_of(char* const* strings) {
  PyObject* list = PyList_New(0);
  for (; list != NULL && *strings != NULL; ++strings) {
    PyObject* text = PyUnicode_DecodeFSDefault(*strings);
    if (text == NULL || PyList_Append(list, text) != 0) Py_CLEAR(list);
    Py_XDECREF(text);
  }
  return list;
}

static PyObject* environment_of(char* const* strings) {
  PyObject* environment = PyDict_New();
  for (; environment != NULL && *strings != NULL; ++strings) {
    const char* at = strchr(*strings, '=');
    if (at == NULL || at == *strings) continue; /* not NAME=VALUE */
    PyObject* name = PyUnicode_DecodeFSDefaultAndSize(*strings, at - *strings);
    PyObject* value = PyUnicode_DecodeFSDefault(at + 1);
    if (name == NULL || value == NULL || PyDict_SetItem(environment, name, value) != 0) Py_CLEAR(environment);
    Py_XDECREF(name);
    Py_XDECREF(value);
  }
  return environment;
}

/* Passes a null value on: it means that Python has raised an exception. */
static int set(PyObject* keywords, const char* name, PyObject* value) {
  const int error = value == NULL || PyDict_SetItemString(keywords, name, value) != 0;
  Py_XDECREF(value);
  return error;
}

static PyObject* passed(const struct spawncheck_request* r) {
  PyObject* list = PyList_New(0);
  for (uint32_t i = 0; list != NULL && i < r->keep_count; ++i) {
    if (r->keep[i].target < ADAPTER_STDIO) continue;
    PyObject* number = PyLong_FromLong(r->keep[i].source);
    if (number == NULL || PyList_Append(list, number) != 0) Py_CLEAR(list);
    Py_XDECREF(number);
  }
  return list;
}

static PyObject* keywords_of(const struct spawncheck_request* r) {
  static const char* const names[ADAPTER_STDIO] = {"stdin", "stdout", "stderr"};
  const int is_only = r->fd_policy == SPAWNCHECK_FDS_ONLY;
  PyObject* keywords = PyDict_New();
  if (keywords == NULL) return NULL;
  int error = set(keywords, "executable", PyUnicode_DecodeFSDefault(r->path)) ||
              set(keywords, "env", environment_of(r->envp)) || set(keywords, "close_fds", PyBool_FromLong(is_only));
  for (int n = 0; n < ADAPTER_STDIO && !error; ++n)
    if (adapter_source_of(r, n) >= 0) error = set(keywords, names[n], PyLong_FromLong(adapter_source_of(r, n)));
  if (!error && is_only) error = set(keywords, "pass_fds", passed(r));
  if (!error && r->set & SPAWNCHECK_SET_CWD) error = set(keywords, "cwd", PyUnicode_DecodeFSDefault(r->cwd));
  if (!error && r->set & SPAWNCHECK_NEW_SESSION) error = set(keywords, "start_new_session", PyBool_FromLong(1));
  if (!error && r->set & SPAWNCHECK_SET_PGROUP) error = set(keywords, "process_group", PyLong_FromLong(r->pgroup));
  if (error) Py_CLEAR(keywords);
  return keywords;
}

/* Returns the errno of the raised OSError, EINVAL for another exception, and clears it. */
static int errno_of_exception(void) {
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  PyErr_NormalizeException(&type, &value, &trace);
  PyObject* number = value != NULL ? PyObject_GetAttrString(value, "errno") : NULL;
  const long error = number != NULL && PyLong_Check(number) ? PyLong_AsLong(number) : EINVAL;
  PyErr_Clear();
  Py_XDECREF(number);
  Py_XDECREF(type);
  Py_XDECREF(value);
  Py_XDECREF(trace);
  return error > 0 ? (int)error : EINVAL;
}

static int run(const struct spawncheck_request* r, struct spawncheck_result* result) {
  PyObject* argv = list_of(r->argv);
  PyObject* arguments = argv != NULL ? PyTuple_Pack(1, argv) : NULL;
  PyObject* keywords = arguments != NULL ? keywords_of(r) : NULL;
  PyObject* process = keywords != NULL ? PyObject_Call(popen_class, arguments, keywords) : NULL;
  PyObject* pid = process != NULL ? PyObject_GetAttrString(process, "pid") : NULL;
  if (pid != NULL && PyList_Append(remembered, process) == 0)
    adapter_succeed(result, (int)PyLong_AsLong(pid));
  else
    adapter_fail(result, errno_of_exception());
  Py_XDECREF(pid);
  Py_XDECREF(process);
  Py_XDECREF(keywords);
  Py_XDECREF(arguments);
  Py_XDECREF(argv);
  return result->error;
}

/* subprocess gives negative numbers a meaning of its own, for stdin and so on and for process_group: declined. */
static int can_say(const struct spawncheck_request* r) {
  const int is_only = r->fd_policy == SPAWNCHECK_FDS_ONLY;
  if (popen_class == NULL || !adapter_is_plain(r) || !adapter_sources_are_open(r)) return 0;
  if (r->set & SPAWNCHECK_SET_PGROUP && r->pgroup < 0) return 0; /* -1: none */
  if (!is_only) return adapter_keeps_below(r, ADAPTER_STDIO);
  for (uint32_t i = 0; i < r->keep_count; ++i)
    if (r->keep[i].target >= ADAPTER_STDIO && r->keep[i].source != r->keep[i].target) return 0;
  return adapter_keeps_stdio(r);
}

static int spawn(const struct spawncheck_request* r, struct spawncheck_result* result) {
  const int saved = errno;
  if (!can_say(r)) return adapter_decline(result);
  const PyGILState_STATE state = PyGILState_Ensure();
  run(r, result);
  PyGILState_Release(state);
  errno = saved;
  return result->error;
}

/* Runs in the process that forks the arenas, since a start costs tens of milliseconds. No handlers, no threads. */
static void start_interpreter(void) {
  Py_InitializeEx(0);
  PyObject* module = PyImport_ImportModule("subprocess");
  if (module != NULL) popen_class = PyObject_GetAttrString(module, "Popen");
  Py_XDECREF(module);
  remembered = PyList_New(0);
  PyErr_Clear();
}

static int prepare(void) {
  PyOS_AfterFork_Child();
  (void)PyEval_SaveThread();
  return popen_class == NULL || remembered == NULL ? ENOSYS : 0;
}

const struct spawncheck_implementation* spawncheck_implementation_v1(void) {
  static const struct spawncheck_implementation self = {
      .abi = SPAWNCHECK_ABI,
      .name = "python",
      .policies = 7,
      .sets = SPAWNCHECK_SET_CWD | SPAWNCHECK_NEW_SESSION | SPAWNCHECK_SET_PGROUP,
      .promises = "",
      .spawn = spawn};
  if (!Py_IsInitialized()) start_interpreter();
  return &self;
}

const struct spawncheck_description* spawncheck_description_v1(void) {
  static const struct spawncheck_documented_limit limits[] = {
      ADAPTER_TAKES_NUMBERS("the error pipe takes two of the caller's numbers during the call",
                            "CPython Lib/subprocess.py _execute_child"),
      {"sig.disposition", " 32 33", "the child starts with signals 32 and 33 ignored, where posix_spawn(3) is taken",
       "glibc sysdeps/unix/sysv/linux/spawni.c __spawni_child"},
      {"sig.mask", "only 32 to 34 differ", "likewise, it blocks neither",
       "glibc sysdeps/unix/sysv/linux/internal-signals.h"},
      {"sig.parent_restored", "only 32 to 34 differ", "pthread_sigmask takes 32 and 33 out of the mask that it reports",
       "CPython Modules/_posixsubprocess.c do_fork_exec; glibc pthread_sigmask"},
#define BLOCKS_NO_INTERNAL_SIGNAL(number)                                                                    \
  {"sig.no_handler_in_child", "handler of " number, "sigfillset(3) leaves 32 and 33 out of what is blocked", \
   "CPython Modules/_posixsubprocess.c subprocess_fork_exec; glibc signal/sigfillset.c"}
      BLOCKS_NO_INTERNAL_SIGNAL("32"),
      BLOCKS_NO_INTERNAL_SIGNAL("33"),
      {"err.exact", "failed with EBADF",
       "a number at or above the soft limit is refused, where posix_spawn(3) is taken",
       "posix_spawn_file_actions_adddup2(3): EBADF"},
      {"proc.child", "string of the environment",
       "what is no assignment, and all but the last of a name, is left out: the environment is a mapping",
       "CPython Lib/subprocess.py Popen: env"},
  };
  static char version[16];
  static struct spawncheck_description self = {.size = sizeof self,
                                               .habits = SPAWNCHECK_RESETS_SIGNALS       /* PIPE, XFSZ */
                                                         | SPAWNCHECK_HOLDS_DESCRIPTORS, /* during a call */
                                               .version = version,
                                               .limits = limits,
                                               .limit_count = sizeof limits / sizeof *limits,
                                               .prepare = prepare};
  PyOS_snprintf(version, sizeof version, "%.*s", (int)strcspn(Py_GetVersion(), " "), Py_GetVersion());
  return &self;
}
