/* ---- the process that looks ----------------------------------------------------------------------------------------
 */

enum { ENTRIES_MAX = 1024 };
struct entry {
  int number, close_on_exec;
  char file[80];
};
struct table {
  int count, is_read;
  struct entry entry[ENTRIES_MAX];
};
struct child {
  int is_seen, is_zombie, runs_program, group, session;
  struct table table;
  uint64_t mask, ignored;
  char directory[80];
};
static struct child children[SPAWNS + 1];
static struct table final_table;
static int violations, unseen;

static int is_judged(const char* clause) {
  const size_t length = strlen(clause);
  for (const char* at = judged; (at = strstr(at, clause)) != NULL; at += length)
    if (at[length] == ' ' || at[length] == 0) return 1;
  return 0;
}

#define VIOLATED(clause, ...) \
  (is_judged(clause) ? (++violations, printf("violated %s: ", clause), printf(__VA_ARGS__), putchar('\n')) : 0)

static FILE* open_proc(int pid, const char* name) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  return fopen(path, "re");
}

/* A line "NAME: VALUE" of /proc/PID/status, or of fdinfo. */
static int read_field(int pid, const char* file, const char* name, char* value, size_t size) {
  char line[512];
  FILE* in = open_proc(pid, file);
  int is_found = 0;
  while (in != NULL && !is_found && fgets(line, sizeof line, in) != NULL)
    if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':') {
      const char* at = line + strlen(name) + 1;
      at += strspn(at, " \t");
      snprintf(value, size, "%.*s", (int)strcspn(at, "\n"), at);
      is_found = 1;
    }
  if (in != NULL) fclose(in);
  return is_found;
}

static char state_of(int pid) {
  char state[32];
  return read_field(pid, "status", "State", state, sizeof state) ? state[0] : 0;
}

/* What a number refers to, by a name that is the same wherever it is seen. */
static void name_file(int pid, int number, unsigned flags, char* name, size_t size) {
  char path[64], target[256] = "", field[64];
  snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, number);
  const ssize_t length = readlink(path, target, sizeof target - 1);
  target[length < 0 ? 0 : length] = 0;
  snprintf(path, sizeof path, "fdinfo/%d", number);
  const char* base = strrchr(target, '/');
  unsigned long inode = 0;
  if (strncmp(target, "/memfd:", 7) == 0) {
    snprintf(name, size, "memfd %lu", strtoul(target + 7, NULL, 10));
  } else if (sscanf(target, "pipe:[%lu", &inode) == 1 || sscanf(target, "socket:[%lu", &inode) == 1) {
    snprintf(name, size, "%.70s", target);
    for (int i = 0; i < shared->pair_count; ++i)
      if (shared->pair[i].inode == inode)
        snprintf(name, size, "%s%s", shared->pair[i].name,
                 target[0] == 's'                  ? ""
                 : (flags & O_ACCMODE) == O_RDONLY ? ", read end"
                                                   : ", write end");
  } else if (strstr(target, "[eventfd]") != NULL && read_field(pid, path, "eventfd-count", field, sizeof field)) {
    snprintf(name, size, "eventfd %lu", strtoul(field, NULL, 16));
  } else if (strstr(target, "pidfd") != NULL) {
    snprintf(name, size, "pidfd");
  } else if (strncmp(target, scratch, strlen(scratch)) == 0 && base != NULL) {
    snprintf(name, size, "%.40s%s", base + 1,
             strstr(base, "fifo") == NULL      ? ""
             : (flags & O_ACCMODE) == O_RDONLY ? ", read end"
                                               : ", write end");
  } else {
    snprintf(name, size, "%.70s", target);
  }
}

static void read_table(int pid, struct table* table) {
  char path[64], field[64];
  snprintf(path, sizeof path, "/proc/%d/fd", pid);
  DIR* listing = opendir(path);
  table->count = 0;
  table->is_read = listing != NULL;
  for (struct dirent* e; listing != NULL && (e = readdir(listing)) != NULL;) {
    if (e->d_name[0] == '.' || table->count >= ENTRIES_MAX) continue;
    struct entry* entry = &table->entry[table->count++];
    entry->number = atoi(e->d_name);
    snprintf(path, sizeof path, "fdinfo/%d", entry->number);
    const unsigned flags = read_field(pid, path, "flags", field, sizeof field) ? (unsigned)strtoul(field, NULL, 8) : 0;
    entry->close_on_exec = (flags & O_CLOEXEC) != 0;
    name_file(pid, entry->number, flags, entry->file, sizeof entry->file);
  }
  if (listing != NULL) closedir(listing);
}

static uint64_t read_set(int pid, const char* name) {
  char field[64];
  return read_field(pid, "status", name, field, sizeof field) ? strtoull(field, NULL, 16) : 0;
}

/* Does the child run the program that was asked for, and wait in it? Then nothing of it changes any more. */
static int is_held(int pid) {
  char name[64];
  return read_field(pid, "status", "Name", name, sizeof name) && strcmp(name, "held") == 0 && state_of(pid) == 'S';
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int has_settled(int pid) {
  const char state = state_of(pid);
  return state == 0 || state == 'Z' || state == 'X' || is_held(pid);
}

static void look_at(int spawn, double deadline) {
  const int pid = shared->spawned[spawn].pid;
  struct child* c = &children[spawn];
  char path[64];
  if (pid <= 0 || c->is_seen) return;
  while (!has_settled(pid) && now() < deadline) sched_yield();
  c->is_zombie = state_of(pid) == 'Z';
  c->runs_program = is_held(pid);
  if (!c->runs_program) return;
  read_table(pid, &c->table);
  c->mask = read_set(pid, "SigBlk");
  c->ignored = read_set(pid, "SigIgn");
  c->group = getpgid(pid);
  c->session = getsid(pid);
  snprintf(path, sizeof path, "/proc/%d/cwd", pid);
  const ssize_t length = readlink(path, c->directory, sizeof c->directory - 1);
  c->directory[length < 0 ? 0 : length] = 0;
  c->is_seen = is_held(pid) && c->table.is_read;
}

static const struct owed_entry* owed_at(const struct owed_entry* list, int instant, int number) {
  for (const struct owed_entry* e = list; e->file != NULL; ++e)
    if (e->instant == instant && e->number == number) return e;
  return NULL;
}

static const struct entry* seen_at(const struct table* table, int number) {
  for (int i = 0; i < table->count; ++i)
    if (table->entry[i].number == number) return &table->entry[i];
  return NULL;
}

static int is_as_at(const struct owed_spawn* o, int instant, int number, const struct entry* seen) {
  const struct owed_entry* e = owed_at(o->entry, instant, number);
  return e == NULL ? seen == NULL : seen != NULL && strcmp(e->file, seen->file) == 0;
}

static void judge_number(const struct owed_spawn* o, int number, const struct entry* seen) {
  int is_kept = 0;
  for (int i = 0; i < o->kept_count; ++i) is_kept |= o->kept[i] == number;
  for (int i = 0; i < o->instants; ++i)
    if (is_as_at(o, i, number, seen)) return;
  char allowed[400] = "";
  for (int i = 0; i < o->instants; ++i) {
    const struct owed_entry* e = owed_at(o->entry, i, number);
    const char* text = e == NULL ? "closed" : e->file;
    if (strstr(allowed, text) == NULL && strlen(allowed) + strlen(text) + 8 < sizeof allowed)
      snprintf(allowed + strlen(allowed), sizeof allowed - strlen(allowed), "%s%s", allowed[0] ? " or " : "", text);
  }
  const char* clause = is_kept ? "fd.kept" : "fd.exact";
  VIOLATED(clause, "%s: the child's %d is %s, owed: %s", o->text, number, seen == NULL ? "closed" : seen->file,
           allowed);
}

static void judge_table(const struct owed_spawn* o, const struct table* table) {
  const int before = violations;
  for (int i = 0; i < table->count; ++i) judge_number(o, table->entry[i].number, &table->entry[i]);
  for (const struct owed_entry* e = o->entry; e->file != NULL; ++e) {
    int is_first = seen_at(table, e->number) == NULL;
    for (const struct owed_entry* b = o->entry; b < e; ++b) is_first &= b->number != e->number;
    if (is_first) judge_number(o, e->number, NULL);
  }
  if (!o->is_of_one_instant || violations != before) return;
  for (int i = 0; i < o->instants; ++i) {
    int is_same = 1;
    for (int j = 0; j < table->count; ++j) is_same &= is_as_at(o, i, table->entry[j].number, &table->entry[j]);
    for (const struct owed_entry* e = o->entry; e->file != NULL; ++e)
      is_same &= e->instant != i || seen_at(table, e->number) != NULL;
    if (is_same) return;
  }
  VIOLATED("fd.snapshot", "%s: the child's table is the caller's of no single instant", o->text);
}

static void judge_error(const struct owed_spawn* o, const struct spawned* s) {
  if (s->error == 0) {
    if (!o->may_succeed) VIOLATED("err.exact", "%s: it succeeded, owed: %s", o->text, strerror(o->error[0]));
    return;
  }
  for (int i = 0; i < 6 && o->error[i] != 0; ++i)
    if (o->error[i] == ANY || o->error[i] == s->error) return;
  VIOLATED("err.exact", "%s: %s, owed: %s", o->text, strerror(s->error),
           o->error[0] != 0 ? strerror(o->error[0]) : "success");
}

static void judge_spawn(int spawn) {
  const struct owed_spawn* o = &owed_spawns[spawn];
  const struct spawned* s = &shared->spawned[spawn];
  const struct child* c = &children[spawn];
  const int own_group = getpgid(shared->process), own_session = getsid(shared->process);
  if (!s->has_returned) {
    ++unseen;
    printf("%s: has not returned\n", o->text);
    return;
  }
  judge_error(o, s);
  if (s->mask_before != s->mask_after)
    VIOLATED("sig.parent_restored", "%s: the caller's mask is %#llx, before: %#llx", o->text,
             (unsigned long long)s->mask_after, (unsigned long long)s->mask_before);
  if (s->errno_changed) VIOLATED("mm.unwritten", "%s: the caller's errno has changed", o->text);
  if (s->error != 0) return;
  if (!c->is_seen) {
    if (o->must_run && c->is_zombie) {
      VIOLATED("proc.child", "%s: success, and the child is dead", o->text);
    } else if (o->must_be_seen) {
      ++unseen;
      printf("%s: its child did not come to wait\n", o->text);
    }
    return;
  }
  judge_table(o, &c->table);
  if (c->mask != o->mask)
    VIOLATED("sig.mask", "%s: the child's mask is %#llx, owed: %#llx", o->text, (unsigned long long)c->mask,
             (unsigned long long)o->mask);
  if ((c->ignored & ~o->ignored_maybe) != 0 || (o->ignored_always & ~c->ignored) != 0)
    VIOLATED("sig.disposition", "%s: the child ignores %#llx, owed: %#llx", o->text, (unsigned long long)c->ignored,
             (unsigned long long)o->ignored_always);
  if (c->group != (o->leads_group || o->leads_session ? s->pid : own_group))
    VIOLATED("proc.child", "%s: the child's process group is not as asked", o->text);
  if (c->session != (o->leads_session ? s->pid : own_session))
    VIOLATED("proc.child", "%s: the child's session is not as asked", o->text);
  if (o->directory != NULL && strcmp(c->directory, o->directory) != 0)
    VIOLATED("proc.child", "%s: the child's directory is %s, owed: %s", o->text, c->directory, o->directory);
}

static void judge_parent(void) {
  for (const struct owed_result* r = owed_results; r->text != NULL; ++r) {
    const long got = shared->result[r->operation][r->which];
    if (r->value == ANY || got == NOT_MADE || got == r->value) continue;
    VIOLATED("fd.untouched", "%s gave %ld%s%s, owed: %ld%s%s", r->text, got, got < 0 ? ", " : "",
             got < 0 ? strerror((int)-got) : "", r->value, r->value < 0 ? ", " : "",
             r->value < 0 ? strerror((int)-r->value) : "");
  }
  for (int i = 0; i < final_table.count; ++i) {
    const struct entry* seen = &final_table.entry[i];
    const struct owed_entry* e = owed_at(owed_final, -1, seen->number);
    if (e == NULL)
      VIOLATED("fd.untouched", "the caller's %d is %s, owed: closed", seen->number, seen->file);
    else if (strcmp(e->file, seen->file) != 0)
      VIOLATED("fd.untouched", "the caller's %d is %s, owed: %s", seen->number, seen->file, e->file);
    else if (e->close_on_exec != seen->close_on_exec)
      VIOLATED("fd.untouched", "the caller's %d (%s) has close-on-exec %s", seen->number, seen->file,
               seen->close_on_exec ? "set" : "clear");
  }
  for (const struct owed_entry* e = owed_final; e->file != NULL; ++e)
    if (seen_at(&final_table, e->number) == NULL)
      VIOLATED("fd.untouched", "the caller's %d is closed, owed: %s", e->number, e->file);
  if (shared->handler_ran_in_child)
    VIOLATED("sig.no_handler_in_child", "a handler of the caller ran in another process");
}

/* Children of the process that no successful spawn has named. */
static void judge_strays(void) {
  DIR* listing = opendir("/proc");
  char field[32];
  for (struct dirent* e; listing != NULL && (e = readdir(listing)) != NULL;) {
    const int pid = atoi(e->d_name);
    if (pid <= 0 || !read_field(pid, "status", "PPid", field, sizeof field) || atoi(field) != shared->process) continue;
    int is_known = 0;
    for (int i = 0; i < SPAWNS; ++i) is_known |= shared->spawned[i].pid == pid && shared->spawned[i].error == 0;
    if (is_known) continue;
    VIOLATED("proc.unzombied", "process %d (%s) is a child that no successful spawn has named", pid,
             state_of(pid) == 'Z' ? "a zombie" : "it runs");
    kill(pid, SIGKILL);
  }
  if (listing != NULL) closedir(listing);
}

static void give_turns_on(void) {
  const int task = __atomic_load_n(&shared->sleeper, __ATOMIC_SEQ_CST);
  if (task == 0 || (shared->sleeper_is_exec ? !has_settled(task) : state_of(task) != 'S')) return;
  if (__atomic_exchange_n(&shared->sleeper, 0, __ATOMIC_SEQ_CST) == task) done();
}

/* ---- files, and the end --------------------------------------------------------------------------------------------
 */

static void copy_self(const char* to) {
  char buffer[65536];
  const int in = open(self, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
  if (in < 0 || out < 0) give_up(__LINE__);
  for (ssize_t got; (got = read(in, buffer, sizeof buffer)) > 0;)
    if (write(out, buffer, (size_t)got) != got) give_up(__LINE__);
  close(in);
  close(out);
}

static void make_file(const char* path, const char* text, mode_t mode) {
  const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, mode);
  if (fd < 0 || write(fd, text, strlen(text)) < 0) give_up(__LINE__);
  close(fd);
}

static void make_files(void) {
  const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  if (length <= 0 || mkdtemp(scratch) == NULL) give_up(__LINE__);
  for (int i = 0; i < 4; ++i) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    snprintf(file[i], sizeof file[i], "%s/file-%c", scratch, 'a' + i);
    snprintf(program[i], sizeof program[i], "%s/program-%c", scratch, 'a' + i);
    snprintf(fifo[i], sizeof fifo[i], "%s/fifo-%c", scratch, 'a' + i);
    snprintf(directory[i], sizeof directory[i], "%s/directory-%c", scratch, 'a' + i);
    if (mkfifo(fifo[i], 0600) != 0 || mkdir(directory[i], 0700) != 0) give_up(__LINE__);
    if (NEEDS_PROGRAMS) copy_self(program[i]);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* a port that is free now */
    if (fd >= 0 && bind(fd, (struct sockaddr*)&address, size) == 0 &&
        getsockname(fd, (struct sockaddr*)&address, &size) == 0)
      port[i] = ntohs(address.sin_port);
    close(fd);
  }
  snprintf(plain, sizeof plain, "%s/plain", scratch);
  snprintf(garbage, sizeof garbage, "%s/garbage", scratch);
  snprintf(loop, sizeof loop, "%s/loop", scratch);
  snprintf(missing, sizeof missing, "%s/missing", scratch);
  snprintf(below_a_file, sizeof below_a_file, "%s/plain/program", scratch);
  memset(too_long, 'x', 300);
  too_long[0] = '/';
  make_file(plain, "text\n", 0644);
  make_file(garbage, "neither ELF nor script\n", 0755);
  if (symlink("loop", loop) != 0) give_up(__LINE__);
}

static void remove_files(void) {
  DIR* listing = opendir(scratch);
  for (struct dirent* e; listing != NULL && (e = readdir(listing)) != NULL;)
    if (e->d_name[0] != '.' && unlinkat(dirfd(listing), e->d_name, 0) != 0)
      unlinkat(dirfd(listing), e->d_name, AT_REMOVEDIR);
  if (listing != NULL) closedir(listing);
  rmdir(scratch);
}

static void end_processes(void) {
  for (int i = 0; i < SPAWNS; ++i)
    if (shared->spawned[i].pid > 0 && shared->spawned[i].error == 0 && !shared->spawned[i].is_gone)
      kill(shared->spawned[i].pid, SIGKILL);
  kill(shared->process, SIGKILL);
  while (waitpid(shared->process, NULL, 0) < 0 && errno == EINTR) continue;
}

static int watch(void) {
  const double deadline = now() + SECONDS_MAX;
  while (__atomic_load_n(&shared->finished, __ATOMIC_SEQ_CST) < THREADS) {
    give_turns_on();
    const int look = __atomic_load_n(&shared->look, __ATOMIC_SEQ_CST);
    if (look != 0) {
      look_at(look - 1, deadline);
      __atomic_store_n(&shared->look, 0, __ATOMIC_SEQ_CST);
    }
    const char state = state_of(shared->process);
    if (shared->broken != 0 || state == 'Z' || state == 0 || now() > deadline) return 0;
    sched_yield();
  }
  for (int i = 0; i < SPAWNS; ++i)
    if (shared->spawned[i].error == 0 && !shared->spawned[i].is_gone) look_at(i, deadline);
  read_table(shared->process, &final_table);
  return 1;
}

static void print_tables(void) {
  for (int i = 0; i < SPAWNS; ++i) {
    const struct child* c = &children[i];
    printf("%s: %s%s\n", owed_spawns[i].text,
           !shared->spawned[i].has_returned ? "has not returned"
           : shared->spawned[i].error != 0  ? strerror(shared->spawned[i].error)
                                            : "success",
           c->is_seen ? "; the child has" : "");
    for (int j = 0; c->is_seen && j < c->table.count; ++j)
      printf("  %d %s\n", c->table.entry[j].number, c->table.entry[j].file);
  }
}

/* The process that started this program may have left signals ignored, those that a libc keeps for itself too (32, 33).
 */
static void make_all_default(void) {
  static const unsigned long of_default[4]; /* the kernel's struct sigaction: SIG_DFL, no flags, no restorer, no mask */
  for (int signal = 1; signal <= 64; ++signal) syscall(SYS_rt_sigaction, signal, of_default, NULL, sizeof(uint64_t));
}

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "exit") == 0) return 7;
  if (argc > 1 && strcmp(argv[1], "hold") == 0) {
    prctl(PR_SET_NAME, "held");
    for (;;) pause();
  }
  make_all_default();
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return 3;
  for (int i = 0; i <= OPERATIONS; ++i) shared->result[i][0] = shared->result[i][1] = NOT_MADE;
  make_files();
  setvbuf(stdout, NULL, _IOLBF, 0);
  const int process = fork();
  if (process == 0) run();
  shared->process = process;
  const int has_ended = process > 0 && watch();
  if (has_ended) {
    print_tables();
    for (int i = 0; i < SPAWNS; ++i) judge_spawn(i);
    judge_parent();
    judge_strays();
  }
  if (process > 0) end_processes();
  remove_files();
  if (shared->broken != 0)
    printf("could not tell: line %d: %s\n", shared->broken, strerror(shared->broken_errno));
  else if (!has_ended)
    printf("could not tell: it did not come to its end\n");
  else if (shared->deviates != 0)
    printf(
        "could not tell: the call at line %d gave %ld (%s), and another result when it was recorded: another kernel?\n",
        shared->deviates, shared->deviates_result, strerror(shared->deviates_errno));
  else if (unseen != 0 && violations == 0)
    printf("could not tell: see above\n");
  else if (violations == 0)
    printf("holds: nothing of what is judged here is violated\n");
  if (shared->broken != 0 || !has_ended || shared->deviates != 0) return 3;
  return violations != 0 ? 1 : unseen != 0 ? 3 : 0;
}
