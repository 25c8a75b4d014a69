// SPDX-License-Identifier: MIT
#include "world.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace bench {

namespace {
constexpr int lowest_source = 64, never_set_aside = 3;
constexpr std::size_t page = 4096;

// Opens a new description at the lowest free number above `number`. Returns -1 with the error.
int open_above(int number, std::string* error) {
  int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (fd >= 0 && fd <= number) {
    const int low = fd;
    fd = fcntl(low, F_DUPFD_CLOEXEC, number + 1);
    close(low);
  }
  if (fd < 0) *error = "RLIMIT_NOFILE allows no more descriptors";
  return fd;
}
}  // namespace

World::World(unsigned descriptors, std::size_t bytes, unsigned kept, unsigned at_once)
    : at_once_(at_once), bytes_(bytes) {
  open_all(descriptors, kept);
  if (bytes_ != 0 && error_.empty()) touch();
}

World::~World() {
  if (memory_ != nullptr) munmap(memory_, bytes_);
  for (const int fd : open_) close(fd);
  for (const int fd : source_) close(fd);
}

void World::open_all(unsigned descriptors, unsigned kept) {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  close_range(0, ~0u, CLOSE_RANGE_CLOEXEC);  // the descriptors that this process inherited
  // A slot and its witness for each source, one number for the window itself, and one needed while reserving.
  const int room = std::min(2 * std::max(static_cast<int>(kept * at_once_), 1) + 2, lowest_source - never_set_aside);
  std::vector<int> aside;
  while (open_.size() < descriptors) {
    // Each has its own description: a program's descriptors are rarely duplicates, and a table copy references each.
    const int fd = open_above(-1, &error_);
    if (fd < 0) break;
    (fd < lowest_source && fd >= lowest_source - room ? aside : open_).push_back(fd);
  }
  for (int highest = std::max(lowest_source - 1, open_.empty() ? 0 : open_.back()); source_.size() < kept;
       highest = source_.back()) {
    const int fd = open_above(highest, &error_);
    if (fd < 0) break;
    source_.push_back(fd);
  }
  for (const int fd : aside) close(fd);
}

void World::touch() {
  void* at = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) {
    error_ = std::string("mmap: ") + std::strerror(errno);
    return;
  }
  memory_ = at;
  // fork copies one entry per page; huge pages would hide that cost, and few heaps consist of them.
  madvise(memory_, bytes_, MADV_NOHUGEPAGE);
  for (std::size_t i = 0; i < bytes_; i += page) static_cast<volatile char*>(memory_)[i] = 1;
}

bench_job World::job(const char* program) {
  argv_[0] = const_cast<char*>(program);
  return {program, argv_, envp_, source_.data(), static_cast<unsigned>(source_.size()), at_once_};
}

}  // namespace bench
