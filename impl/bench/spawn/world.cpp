// SPDX-License-Identifier: MIT
#include "world.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

namespace bench {

namespace {
constexpr int lowest_source = 64;
constexpr std::size_t page = 4096;
}  // namespace

World::World(unsigned descriptors, std::size_t bytes, unsigned kept) : bytes_(bytes) {
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
  close_range(0, ~0u, CLOSE_RANGE_CLOEXEC);  // what this process itself inherited
  int highest = lowest_source - 1;
  for (unsigned i = 0; i < descriptors + kept; ++i) {
    // A description each: a program's descriptors rarely are duplicates of one, and a copy of the table counts each.
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd >= 0 && i >= descriptors && fd <= highest) {
      const int low = fd;
      fd = fcntl(low, F_DUPFD_CLOEXEC, highest + 1);
      close(low);
    }
    if (fd < 0) {
      error_ = "RLIMIT_NOFILE allows no more descriptors";
      return;
    }
    if (fd > highest) highest = fd;
    (i < descriptors ? open_ : source_).push_back(fd);
  }
}

void World::touch() {
  void* at = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) {
    error_ = std::string("mmap: ") + std::strerror(errno);
    return;
  }
  memory_ = at;
  // What fork copies is one entry a page; huge ones would hide that, and few heaps consist of them.
  madvise(memory_, bytes_, MADV_NOHUGEPAGE);
  for (std::size_t i = 0; i < bytes_; i += page) static_cast<volatile char*>(memory_)[i] = 1;
}

bench_job World::job(const char* program, unsigned at_once) {
  argv_[0] = const_cast<char*>(program);
  return {program, argv_, envp_, source_.data(), static_cast<unsigned>(source_.size()), at_once};
}

}  // namespace bench
