// SPDX-License-Identifier: MIT
//
// A server that runs beside the host: started by posix_spawn(3), reached over a SOCK_SEQPACKET socket and a shared
// mapping. Its descriptors are these two as 3 and 4, /dev/null as 0 and 1, the host's 2, and no other.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <vector>

namespace spawncheck {

// "WHAT: the text of errno".
std::string because(const std::string& what);

class ServerProcess {
 public:
  static constexpr int socket_number = 3, memory_number = 4;

  ServerProcess() = default;
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  ~ServerProcess();

  // Makes the mapping, zeroed, at the first call; starts the program with the arguments after its path. Returns false
  // if there is no server; `error` says why. May be called again after stop(): the mapping stays.
  bool start(const std::string& path, const std::vector<const char*>& arguments, std::size_t shared_bytes,
             std::string& error);
  // Closes the socket, upon which the server exits, and reaps it; kills a server that does not exit within the grace.
  void stop(int grace_ms);

  bool is_running() const { return socket_ >= 0; }
  void* shared() const { return shared_; }  // null before start()

  bool send(const void* message, std::size_t size) const;
  // Returns false with errno: ETIMEDOUT if nothing came in time (timeout_ms -1: no bound), EPIPE if the server is gone,
  // or that of poll(2) or recv(2).
  bool receive(void* message, std::size_t size, int timeout_ms) const;
  // Like receive(), but leaves the message for the next receive(). Returns its size, or -1 with errno.
  ssize_t peek(void* message, std::size_t size, int timeout_ms) const;

 private:
  bool wait(int timeout_ms) const;
  bool share(std::size_t bytes, std::string& error);
  bool launch(const std::string& path, const std::vector<const char*>& arguments, int server_end, std::string& error);

  void* shared_ = nullptr;
  std::size_t bytes_ = 0;
  int memory_ = -1, socket_ = -1;
  pid_t pid_ = -1;
};

}  // namespace spawncheck
