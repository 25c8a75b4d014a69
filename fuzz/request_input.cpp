// SPDX-License-Identifier: MIT
#include "fuzz/request_input.h"

#include <fcntl.h>
#include <sched.h>

namespace spawncheck::fuzz {

namespace {

constexpr std::size_t list_max = 24;
const std::string too_long(4200, 'x'), long_name(256, 'y');

char word[] = "hold", second[] = "second";
char *one_argument[] = {word, nullptr}, *two_arguments[] = {word, second, nullptr}, *no_argument[] = {nullptr};
const spawn_keep many_kept[SPAWN_KEEP_MAX + 1] = {};
const std::uint32_t many_groups[SPAWN_GROUPS_MAX + 1] = {};
const std::uint64_t cpu_0[1] = {1}, cpus_01[2] = {3, 0}, no_cpu[4] = {},
                    far_cpu[SPAWN_CPU_WORDS_MAX + 1] = {0, 0, 0, 1};

constexpr std::uint32_t ids[] = {0, 1000, 65534, ~0u, 1, 2'000'000'000};
constexpr std::uint64_t amounts[] = {0, 1, 16, 4096, 1 << 20, 1ull << 40, SPAWN_UNLIMITED, 64};
constexpr int open_flags[] = {O_RDONLY,
                              O_WRONLY,
                              O_RDWR,
                              O_RDWR | O_CREAT,
                              O_WRONLY | O_CREAT | O_EXCL,
                              O_WRONLY | O_CREAT | O_TRUNC,
                              O_WRONLY | O_APPEND,
                              O_PATH,
                              O_RDONLY | O_DIRECTORY,
                              O_RDWR | O_TMPFILE,
                              O_RDONLY | O_CLOEXEC,
                              O_ACCMODE,
                              1 << 30,
                              -1,
                              O_RDONLY | O_NOFOLLOW | O_NONBLOCK};
constexpr std::uint32_t modes[] = {0, 0600, 0644, 07777, 010000, ~0u};

}  // namespace

RequestInput::RequestInput(const std::uint8_t* data, std::size_t size, const Places& places)
    : at_(data), end_(data + size), places_(places) {
  texts_.reserve(64);  // pointers into them stay valid
  request_.policy = SPAWN_FDS_ONLY;
  request_.path = places_.program.c_str();
  request_.argv = one_argument;
  const spawn_request before = request_;
  while (at_ != end_) field(static_cast<char>(*at_++));
  if (request_.keep_count == 0 && before.keep == request_.keep) {
    request_.keep = keep_.data();
    request_.keep_count = static_cast<std::uint32_t>(keep_.size());
  }
  if (request_.open_count == 0) {
    request_.open = open_.data();
    request_.open_count = static_cast<std::uint32_t>(open_.size());
  }
  if (request_.limit_count == 0) {
    request_.limit = limit_.data();
    request_.limit_count = static_cast<std::uint32_t>(limit_.size());
  }
  if (request_.group_count == 0) {
    request_.groups = groups_.data();
    request_.group_count = static_cast<std::uint32_t>(groups_.size());
  }
}

int RequestInput::number() { return at_ == end_ ? 0 : static_cast<signed char>(*at_++) - '0'; }

void RequestInput::field(char letter) {
  spawn_request& r = request_;
  switch (letter) {
    case 'P':
      r.policy = static_cast<std::uint32_t>(number());
      break;
    case 'S':
      r.strategy = static_cast<std::uint32_t>(number());
      break;
    case 'B':
      r.set |= 1u << (static_cast<unsigned>(number()) % 32);
      break;
    case 'm':
    case 'd':
    case 'i': {
      const std::uint64_t bit = 1ull << (static_cast<unsigned>(number()) % 64);
      (letter == 'm' ? r.mask : letter == 'd' ? r.dflt : r.ignore) |= bit;
      r.set |= letter == 'm' ? SPAWN_SET_MASK : letter == 'd' ? SPAWN_SET_DEFAULT : SPAWN_SET_IGNORE;
      break;
    }
    case 'g':
      r.set |= SPAWN_SET_PGROUP, r.pgroup = number();
      break;
    case 'n':
      r.set |= SPAWN_NEW_SESSION;
      break;
    case 't':
      r.set |= SPAWN_SET_TERMINAL, r.terminal = number();
      break;
    case 'f':
      r.set |= SPAWN_SET_FOREGROUND, r.foreground = number();
      break;
    case 'u':
      r.set |= SPAWN_SET_UMASK, r.umask = one_of<std::uint32_t>({0, 022, 077, 0777, 01000, ~0u});
      break;
    case 'I':
      r.set |= SPAWN_WANT_PIDFD;
      break;
    case 'w':
      r.set |= SPAWN_NO_NEW_PRIVS;
      break;
    case 'z':
      r.set |= SPAWN_ALLOW_UNDUMPABLE;
      break;
    case 'p':
    case 's':
    case 'a':
    case 'e':
    case 'c':
    case 'C':
    case 'F':
      strings(letter);
      break;
    case 'k':
    case 'o':
    case 'x':
    case 'l':
    case 'r':
    case 'R':
      lists(letter);
      break;
    case 'K':
    case 'O':
    case 'L':
      wrong_list(letter);
      break;
    default:
      attributes(letter);
  }
}

void RequestInput::strings(char letter) {
  spawn_request& r = request_;
  const char* const own = places_.directory.c_str();
  switch (letter) {
    case 'p':
      r.path = one_of<const char*>({places_.program.c_str(), "/no/such", "/etc/passwd", "", "spawncheck-hold", nullptr,
                                    "./spawncheck-hold", long_name.c_str(), "/", too_long.c_str()});
      break;
    case 'c':
      r.set |= SPAWN_SET_CWD, r.cwd = one_of<const char*>({"/", own, places_.programs.c_str(), "/no/such", "", nullptr,
                                                           "/etc/passwd", too_long.c_str()});
      break;
    case 'C':
      r.set |= SPAWN_SET_CWD_FD, r.cwd_fd = number();
      break;
    case 'F':
      r.set |= SPAWN_PROGRAM_FD, r.program_fd = number();
      break;
    case 'a':
      r.argv = one_of<char* const*>({one_argument, two_arguments, no_argument, nullptr});
      break;
    case 's': {
      const std::string& bin = places_.programs;
      if (texts_.size() < 48)
        texts_.push_back(one_of<std::string>(
            {bin, "", "/bin", ":" + bin, "/etc/passwd:" + bin, "/no/such", too_long + ":" + bin, "/etc:/no/such"}));
      r.set |= SPAWN_SEARCH;
      r.search = (number() & 1) != 0 ? nullptr : texts_.empty() ? "" : texts_.back().c_str();
      break;
    }
    default:
      if (texts_.size() < 48) {
        texts_.push_back(one_of<std::string>({"PATH=" + places_.programs, "PATH=", "PATHS=/", "A=b", "=", ""}));
        if (!envp_.empty()) envp_.pop_back();
        envp_.push_back(texts_.back().data());
        envp_.push_back(nullptr);
        r.envp = envp_.data();
      }
  }
}

void RequestInput::lists(char letter) {
  spawn_request& r = request_;
  switch (letter) {
    case 'k': {
      const int source = number(), target = number();
      if (keep_.size() < list_max) keep_.push_back({source, target});
      break;
    }
    case 'o': {
      const int target = number();
      const char* path = one_of<const char*>({"/dev/null", "/dev/zero", places_.directory.c_str(), ".", "/no/such", "",
                                              nullptr, "/dev/tty", too_long.c_str()});
      const int flags = one_of(open_flags);
      if (open_.size() < list_max) open_.push_back({target, path, flags, (flags & O_CREAT) != 0 ? 0600u : 0u});
      break;
    }
    case 'x': {
      const std::uint32_t mode = one_of(modes);
      if (!open_.empty()) open_.back().mode = mode;
      break;
    }
    case 'l': {
      const auto resource = static_cast<std::uint32_t>(number());
      const std::uint64_t soft = one_of(amounts), hard = one_of(amounts);
      if (limit_.size() < list_max) limit_.push_back({soft, hard, resource});
      break;
    }
    case 'r':
      r.set |= SPAWN_SET_GROUPS;
      if (groups_.size() < list_max) groups_.push_back(one_of(ids));
      break;
    default:
      r.set |= SPAWN_SET_GROUPS;
      switch (static_cast<unsigned>(number()) % 3) {
        case 1:
          r.groups = nullptr, r.group_count = 2;
          break;
        case 2:
          r.groups = many_groups, r.group_count = SPAWN_GROUPS_MAX + 1;
          break;
        default:
          break;
      }
  }
}

void RequestInput::wrong_list(char letter) {
  spawn_request& r = request_;
  const bool is_null = (number() & 1) == 0;
  switch (letter) {
    case 'K':
      r.keep = is_null ? nullptr : many_kept, r.keep_count = is_null ? 1 : SPAWN_KEEP_MAX + 1;
      break;
    case 'O':
      r.open = nullptr, r.open_count = is_null ? 1 : SPAWN_OPEN_MAX + 1;
      break;
    default:
      r.limit = nullptr, r.limit_count = is_null ? 1 : 17;
  }
}

void RequestInput::attributes(char letter) {
  spawn_request& r = request_;
  switch (letter) {
    case 'U':
      r.set |= SPAWN_SET_UID, r.uid = one_of(ids);
      break;
    case 'G':
      r.set |= SPAWN_SET_GID, r.gid = one_of(ids);
      break;
    case 'N':
      r.set |= SPAWN_SET_NICE, r.nice = one_of<int>({0, 5, 19, -20, -21, 20});
      break;
    case 'h':
      r.set |= SPAWN_SET_SCHEDULING, r.scheduling = number(), r.priority = one_of<int>({0, 1, 99, 100, -1});
      break;
    case 'A': {
      struct Cpus {
        const std::uint64_t* words;
        std::uint32_t count;
      };
      const Cpus cpus = one_of<Cpus>({{cpu_0, 1},
                                      {cpus_01, 2},
                                      {no_cpu, 4},
                                      {far_cpu, SPAWN_CPU_WORDS_MAX},
                                      {nullptr, 1},
                                      {cpu_0, 0},
                                      {far_cpu, SPAWN_CPU_WORDS_MAX + 1}});
      r.set |= SPAWN_SET_AFFINITY, r.cpus = cpus.words, r.cpu_words = cpus.count;
      break;
    }
    case 'D':
      r.set |= SPAWN_SET_DEATH_SIGNAL, r.death_signal = number();
      break;
    case 'y':
      r.set |= SPAWN_SET_CGROUP, r.cgroup_fd = number();
      break;
    default:
      break;
  }
}

}  // namespace spawncheck::fuzz
