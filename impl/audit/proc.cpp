// SPDX-License-Identifier: MIT
#include "impl/audit/proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace spawncheck::audit {

namespace {

constexpr std::size_t arguments_max = 32, environment_bytes_max = 1 << 18;

std::string path_of(pid_t pid, const char* file) { return "/proc/" + std::to_string(pid) + "/" + file; }

std::string read_file(pid_t pid, const char* file, std::size_t size_max) {
  std::string out;
  const int fd = open(path_of(pid, file).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return out;
  out.resize(size_max);
  std::size_t size = 0;
  while (size < size_max) {
    const ssize_t got = read(fd, out.data() + size, size_max - size);
    if (got <= 0) break;
    size += static_cast<std::size_t>(got);
  }
  close(fd);
  out.resize(size);
  return out;
}

std::string read_link(const std::string& path) {
  char target[512];
  const ssize_t got = readlink(path.c_str(), target, sizeof target);
  return got < 0 ? std::string() : std::string(target, static_cast<std::size_t>(got));
}

std::uint64_t hex_field(const std::string& text, const char* name) {
  const std::size_t at = text.find(name);
  return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + std::strlen(name), nullptr, 16);
}

std::vector<std::string> parts(const std::string& text, std::size_t count_max) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size() && out.size() < count_max;) {
    const std::size_t end = std::min(text.find('\0', at), text.size());
    out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

// Numbers that follow each occurrence of a prefix: /dev/fd/63, --jobserver-auth=3,4.
void numbers_after(const std::string& text, const char* prefix, std::vector<std::int32_t>& to) {
  for (std::size_t at = text.find(prefix); at != std::string::npos; at = text.find(prefix, at + 1)) {
    const char* p = text.c_str() + at + std::strlen(prefix);
    for (char* end = nullptr; *p >= '0' && *p <= '9'; p = end + 1) {
      to.push_back(static_cast<std::int32_t>(std::strtol(p, &end, 10)));
      if (*end != ',') break;
    }
  }
}

std::vector<std::int32_t> named_numbers(pid_t pid, const std::string& arguments) {
  std::vector<std::int32_t> out;
  const std::string environment = read_file(pid, "environ", environment_bytes_max);
  long listen_pid = -1, listen_fds = 0;
  for (const std::string& variable : parts(environment, 1 << 14)) {
    if (variable.rfind("LISTEN_PID=", 0) == 0) listen_pid = std::atol(variable.c_str() + 11);
    if (variable.rfind("LISTEN_FDS=", 0) == 0) listen_fds = std::atol(variable.c_str() + 11);
    if (variable.rfind("NODE_CHANNEL_FD=", 0) == 0) out.push_back(std::atoi(variable.c_str() + 16));
  }
  if (listen_pid == pid)  // sd_listen_fds(3)
    for (long i = 0; i < std::min(listen_fds, 1024L); ++i) out.push_back(static_cast<std::int32_t>(3 + i));
  for (const std::string* text : {&arguments, &environment})
    for (const char* prefix : {"/dev/fd/", "/proc/self/fd/", "--jobserver-auth=", "--jobserver-fds="})
      numbers_after(*text, prefix, out);
  return out;
}

}  // namespace

SignalSets read_signals(pid_t pid) {
  const std::string status = read_file(pid, "status", 4096);
  return {hex_field(status, "\nSigBlk:\t"), hex_field(status, "\nSigIgn:\t"), hex_field(status, "\nSigCgt:\t")};
}

std::string read_name(pid_t pid) {
  std::string name = read_file(pid, "comm", 64);
  if (!name.empty() && name.back() == '\n') name.pop_back();
  return name;
}

std::vector<OpenNumber> read_descriptors(pid_t pid) {
  std::vector<OpenNumber> out;
  const std::string directory = path_of(pid, "fd");
  DIR* dir = opendir(directory.c_str());
  if (dir == nullptr) return out;
  while (const dirent* entry = readdir(dir))
    if (entry->d_name[0] != '.') out.push_back({std::atoi(entry->d_name), {}});
  closedir(dir);
  std::sort(out.begin(), out.end(), [](const OpenNumber& a, const OpenNumber& b) { return a.number < b.number; });
  for (OpenNumber& open : out)
    if (open.number > 2) open.link = read_link(directory + "/" + std::to_string(open.number));
  return out;
}

ExecFacts read_exec(pid_t pid) {
  ExecFacts facts;
  facts.program = read_link(path_of(pid, "exe"));
  const std::string arguments = read_file(pid, "cmdline", 4096);
  facts.arguments = parts(arguments, arguments_max);
  facts.open = read_descriptors(pid);
  if (!facts.open.empty() && facts.open.back().number > 2) facts.named = named_numbers(pid, arguments);
  const SignalSets signals = read_signals(pid);
  facts.blocked = signals.blocked;
  facts.ignored = signals.ignored;
  struct stat status {};
  facts.is_set_id = stat(path_of(pid, "exe").c_str(), &status) == 0 &&
                    ((status.st_mode & S_ISUID) != 0 || (status.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP));
  return facts;
}

bool is_zombie_of(pid_t pid, pid_t parent) {
  const std::string stat = read_file(pid, "stat", 512);
  const std::size_t at = stat.rfind(')');
  return at != std::string::npos && at + 4 < stat.size() && stat[at + 2] == 'Z' &&
         std::atoi(stat.c_str() + at + 4) == parent;
}

pid_t group_of(pid_t tid) {
  const std::string status = read_file(tid, "status", 1024);
  const std::size_t at = status.find("\nTgid:\t");
  return at == std::string::npos ? 0 : std::atoi(status.c_str() + at + 7);
}

std::uint64_t fifo_inode(pid_t pid, int number) {
  struct stat status {};
  if (stat((path_of(pid, "fd/") + std::to_string(number)).c_str(), &status) != 0 || !S_ISFIFO(status.st_mode)) return 0;
  return status.st_ino;
}

Waiting read_waiting(pid_t tid) {
  Waiting out;
  const std::string call = read_file(tid, "syscall", 256);  // "running", or the number, six arguments, sp, pc
  if (call.empty() || call[0] == 'r') return out;
  const std::string stat = read_file(tid, "stat", 512);
  const std::size_t at = stat.rfind(')');
  if (at == std::string::npos || at + 2 >= stat.size() || stat[at + 2] != 'S') return out;
  unsigned long a[6] = {};
  if (std::sscanf(call.c_str(), "%ld %lx %lx %lx %lx %lx %lx", &out.call, &a[0], &a[1], &a[2], &a[3], &a[4], &a[5]) <
      7) {
    out.call = -1;
    return out;
  }
  out.is_asleep = true;
  switch (out.call) {
    case SYS_futex:
      out.is_for_ever = a[3] == 0;
      break;
    case SYS_read:
    case SYS_readv:
    case SYS_write:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_accept:
    case SYS_accept4:
    case SYS_wait4:
    case SYS_waitid:
    case SYS_flock:
    case SYS_fcntl:
    case SYS_openat:
    case SYS_rt_sigsuspend:
      out.is_for_ever = true;
      break;
    case SYS_rt_sigtimedwait:
      out.is_for_ever = a[2] == 0;
      break;
    case SYS_ppoll:
      out.is_for_ever = a[2] == 0;
      break;
    case SYS_pselect6:
      out.is_for_ever = a[4] == 0;
      break;
    case SYS_epoll_pwait:
      out.is_for_ever = static_cast<int>(a[3]) < 0;
      break;
#ifdef SYS_poll
    case SYS_poll:
      out.is_for_ever = static_cast<int>(a[2]) < 0;
      break;
    case SYS_select:
      out.is_for_ever = a[4] == 0;
      break;
    case SYS_epoll_wait:
      out.is_for_ever = static_cast<int>(a[3]) < 0;
      break;
    case SYS_pause:
      out.is_for_ever = true;
      break;
    case SYS_open:
      out.is_for_ever = true;
      break;
#endif
    default:
      break;
  }
  return out;
}

}  // namespace spawncheck::audit
