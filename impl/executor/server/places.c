/* SPDX-License-Identifier: MIT
 *
 * The files a scenario may name. For root they are in a tmpfs of a mount namespace of the server's own, and queues in
 * an IPC namespace: they end with the server, however it ends. For others they are in a directory below $TMPDIR that is
 * named after the server, which removes it when its host is gone. If SIGKILL ends the server, the next one removes that
 * directory, but not the queues. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "impl/executor/server/server.h"

static int failed(char where[SC_TEXT_MAX], const char* call, const char* what) {
  const int error = errno;
  snprintf(where, SC_TEXT_MAX, "%s %s", call, what);
  return error != 0 ? error : EIO;
}

static void make_private(void) {
  places.scratch_is_private = 0;
  if (unshare(CLONE_NEWNS | CLONE_NEWIPC) != 0) return;
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return;
  if (mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID, "size=64m") != 0) return;
  places.scratch_is_private = 1;
  strcpy(places.scratch, "/dev/shm");
}

/* Removes the directories that servers ended by SIGKILL have left: those named after processes that are gone. */
static void remove_stale(const char* base) {
  DIR* listing = opendir(base);
  if (listing == NULL) return;
  for (struct dirent* e; (e = readdir(listing)) != NULL;) {
    int pid = 0, used = 0;
    if (sscanf(e->d_name, "spawncheck-%d-%n", &pid, &used) != 1 || used == 0 || pid <= 0) continue;
    if (kill(pid, 0) == 0 || errno != ESRCH) continue;
    char path[SC_PATH_MAX];
    snprintf(path, sizeof path, "%.200s/%.200s", base, e->d_name);
    DIR* stale = opendir(path);
    for (struct dirent* f; stale != NULL && (f = readdir(stale)) != NULL;)
      if (f->d_name[0] != '.' && unlinkat(dirfd(stale), f->d_name, 0) != 0)
        unlinkat(dirfd(stale), f->d_name, AT_REMOVEDIR);
    if (stale != NULL) closedir(stale);
    rmdir(path);
  }
  closedir(listing);
}

static int make_scratch(char where[SC_TEXT_MAX]) {
  make_private();
  if (!places.scratch_is_private) {
    const char* base = getenv("TMPDIR");
    if (base == NULL || base[0] != '/' || strlen(base) > 200) base = "/tmp";
    remove_stale(base);
    snprintf(places.scratch, sizeof places.scratch, "%s/spawncheck-%d-XXXXXX", base, (int)getpid());
    if (mkdtemp(places.scratch) == NULL) return failed(where, "mkdtemp", places.scratch);
  }
  return 0;
}

static int copy_executable(const char* from, const char* to, char where[SC_TEXT_MAX]) {
  struct stat status;
  const int in = open(from, O_RDONLY | O_CLOEXEC);
  if (in < 0 || fstat(in, &status) != 0) return failed(where, "open", from);
  const int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
  const int is_copied = out >= 0 && sendfile(out, in, NULL, (size_t)status.st_size) == status.st_size;
  close(in);
  if (out >= 0) close(out);
  return is_copied ? 0 : failed(where, "copy to", to);
}

static int make_file(const char* path, mode_t mode, const char* text, char where[SC_TEXT_MAX]) {
  const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (fd < 0 || write(fd, text, strlen(text)) < 0) return failed(where, "write", path);
  close(fd);
  return 0;
}

/* Finds a port that is free now. No other process is expected to bind it on the loopback address before the run. */
static int find_port(uint16_t* port, char where[SC_TEXT_MAX]) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, (struct sockaddr*)&address, sizeof address) != 0 ||
      getsockname(fd, (struct sockaddr*)&address, &size) != 0)
    return failed(where, "bind", "127.0.0.1");
  close(fd);
  *port = ntohs(address.sin_port);
  return 0;
}

/* A port that was found is free again, so the kernel may give it once more. */
static int port_is_taken(uint16_t port, int names) {
  for (int i = 0; i < names; ++i)
    if (places.port[i] == port) return 1;
  return 0;
}

/* The port of name i, which no name before it has. */
static int find_port_of_name(int i, char where[SC_TEXT_MAX]) {
  for (int tries = 0; tries < 16; ++tries) {
    const int error = find_port(&places.port[i], where);
    if (error != 0 || !port_is_taken(places.port[i], i)) return error;
  }
  errno = EADDRINUSE;
  return failed(where, "bind", "127.0.0.1");
}

static int make_named(int i, const char* hold, char where[SC_TEXT_MAX]) {
  const char letter = (char)('a' + i);
  char dir[SC_PATH_MAX];
  memcpy(dir, places.scratch, sizeof dir);
  snprintf(places.file[i], SC_PATH_MAX, "%.400s/file-%c", dir, letter);
  snprintf(places.program[i], SC_PATH_MAX, "%.400s/program-%c", dir, letter);
  snprintf(places.fifo[i], SC_PATH_MAX, "%.400s/fifo-%c", dir, letter);
  snprintf(places.directory[i], SC_PATH_MAX, "%.400s/directory-%c", dir, letter);
  snprintf(places.queue[i], sizeof places.queue[i], "spawncheck-%d-%c", (int)getpid(), letter);
  if (mkfifo(places.fifo[i], 0600) != 0) return failed(where, "mkfifo", places.fifo[i]);
  if (mkdir(places.directory[i], 0700) != 0) return failed(where, "mkdir", places.directory[i]);
  const int error = copy_executable(hold, places.program[i], where);
  return error != 0 ? error : find_port_of_name(i, where);
}

static int make_executables(char where[SC_TEXT_MAX]) {
  char plain[SC_PATH_MAX], dir[SC_PATH_MAX];
  memcpy(dir, places.scratch, sizeof dir);
  snprintf(plain, sizeof plain, "%.400s/plain", dir);
  snprintf(places.executable[SC_PROGRAM_MISSING], SC_PATH_MAX, "%.400s/missing", dir);
  snprintf(places.executable[SC_PROGRAM_DIRECTORY], SC_PATH_MAX, "%.400s/directory-a", dir);
  snprintf(places.executable[SC_PROGRAM_NOT_EXECUTABLE], SC_PATH_MAX, "%.400s/plain", dir);
  snprintf(places.executable[SC_PROGRAM_NO_FORMAT], SC_PATH_MAX, "%.400s/garbage", dir);
  snprintf(places.executable[SC_PROGRAM_NOT_DIRECTORY], SC_PATH_MAX, "%.400s/plain/program", dir);
  snprintf(places.executable[SC_PROGRAM_LOOP], SC_PATH_MAX, "%.400s/loop", dir);
  char* too_long = places.executable[SC_PROGRAM_TOO_LONG];
  memset(too_long, 'x', 300); /* one component over NAME_MAX */
  too_long[0] = '/';
  too_long[300] = 0;
  int error = make_file(plain, 0644, "text\n", where);
  if (error == 0) error = make_file(places.executable[SC_PROGRAM_NO_FORMAT], 0755, "neither ELF nor script\n", where);
  if (error == 0 && symlink("loop", places.executable[SC_PROGRAM_LOOP]) != 0) error = failed(where, "symlink", "loop");
  return error;
}

int places_make(const char* bin_directory, char where[SC_TEXT_MAX]) {
  static const struct {
    int program;
    const char* name;
  } children[] = {{SC_PROGRAM_HOLD, "hold-strict"}, {SC_PROGRAM_EXIT, "exit"}};
  int error = make_scratch(where);
  for (size_t i = 0; i < sizeof children / sizeof *children && error == 0; ++i) {
    char from[SC_PATH_MAX], dir[SC_PATH_MAX];
    memcpy(dir, places.scratch, sizeof dir);
    snprintf(from, sizeof from, "%.400s/spawncheck-%s", bin_directory, children[i].name);
    snprintf(places.executable[children[i].program], SC_PATH_MAX, "%.400s/%s", dir, children[i].name);
    error = copy_executable(from, places.executable[children[i].program], where);
  }
  for (int i = 0; i < SC_NAMES_MAX && error == 0; ++i) error = make_named(i, places.executable[SC_PROGRAM_HOLD], where);
  if (error == 0) error = make_executables(where);
  /* Requests point to these names: read-only from here on. A write, even one that undoes a write, ends the caller. */
  if (error == 0 && mprotect(&places, sizeof places / SC_PAGE * SC_PAGE, PROT_READ) != 0)
    return failed(where, "mprotect", "the names of files");
  return error;
}

void places_remove(void) {
  char queue[80];
  for (int i = 0; i < SC_NAMES_MAX; ++i) {
    snprintf(queue, sizeof queue, "/%s", places.queue[i]);
    if (places.queue[i][0] != 0) mq_unlink(queue);
    unlink(places.file[i]);
    unlink(places.program[i]);
    unlink(places.fifo[i]);
    rmdir(places.directory[i]);
  }
  static const int made[] = {SC_PROGRAM_HOLD, SC_PROGRAM_EXIT, SC_PROGRAM_NOT_EXECUTABLE, SC_PROGRAM_NO_FORMAT,
                             SC_PROGRAM_LOOP};
  for (size_t i = 0; i < sizeof made / sizeof *made; ++i) unlink(places.executable[made[i]]);
  if (!places.scratch_is_private && places.scratch[0] != 0) rmdir(places.scratch);
}
