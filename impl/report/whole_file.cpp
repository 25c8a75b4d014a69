// SPDX-License-Identifier: MIT
#include "impl/report/whole_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace spawncheck {

namespace {

bool failed(const std::string& path, std::string& error) {
  error = path + ": " + std::strerror(errno);
  return false;
}

bool write_all(int fd, const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t got = write(fd, text.data() + at, text.size() - at);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += static_cast<std::size_t>(got);
  }
  return true;
}

bool is_special(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode);
}

bool write_to(const std::string& path, const std::string& text, std::string& error) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return failed(path, error);
  const bool is_written = write_all(fd, text);
  if (!is_written) failed(path, error);
  close(fd);
  return is_written;
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

bool can_write_whole(const std::string& path, std::string& error) {
  struct stat status {};
  if (stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
    errno = EISDIR;
    return failed(path, error);
  }
  const bool is_possible =
      is_special(path) ? access(path.c_str(), W_OK) == 0 : access(directory_of(path).c_str(), W_OK | X_OK) == 0;
  return is_possible || failed(path, error);
}

bool write_whole(const std::string& path, const std::string& text, std::string& error) {
  if (is_special(path)) return write_to(path, text, error);
  std::string beside = path + ".XXXXXX";
  const int fd = mkostemp(beside.data(), O_CLOEXEC);
  if (fd < 0) return failed(path, error);
  const mode_t mask = umask(0);  // mkostemp(3) gives mode 0600, not the one of a new file
  umask(mask);
  const bool is_written = write_all(fd, text) && fchmod(fd, 0666 & ~mask) == 0;
  if (!is_written) failed(path, error);
  if (close(fd) == 0 && is_written && rename(beside.c_str(), path.c_str()) == 0) return true;
  if (is_written) failed(path, error);
  unlink(beside.c_str());
  return false;
}

}  // namespace spawncheck
