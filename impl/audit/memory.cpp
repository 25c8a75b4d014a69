// SPDX-License-Identifier: MIT
#include "impl/audit/memory.h"

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

namespace spawncheck::audit {

namespace {

constexpr std::uint64_t page = 4096;
constexpr std::size_t stack_words_max = 384;

bool is_library_name(const std::string& path) {
  const std::string file = path.substr(path.rfind('/') + 1);
  for (const char* prefix : {"libc.so", "libc-", "libpthread", "ld-linux", "ld-musl", "ld-2", "[vdso]"})
    if (file.rfind(prefix, 0) == 0) return true;
  return false;
}

#if defined(__x86_64__)
// E8 rel32, or FF /2 with its operand's one to six further bytes.
bool is_after_call(const std::array<std::uint8_t, 8>& before) {
  if (before[3] == 0xe8) return true;
  for (std::size_t length = 2; length <= 7; ++length)
    if (before[8 - length] == 0xff && (before[8 - length + 1] & 0x38) == 0x10) return true;
  return false;
}
#else
bool is_after_call(const std::array<std::uint8_t, 8>& before) {  // BL, BLR
  std::uint32_t word = 0;
  std::memcpy(&word, before.data() + 4, 4);
  return (word & 0xfc000000) == 0x94000000 || (word & 0xfffffc1f) == 0xd63f0000;
}
#endif

}  // namespace

// process_vm_readv(2) transfers an element of the remote vector whole or not at all: so each element is in one page.
std::size_t read_memory_some(pid_t pid, std::uint64_t address, void* to, std::size_t size) {
  std::array<iovec, 8> remote{};
  std::size_t count = 0, planned = 0;
  while (planned < size && count < remote.size()) {
    const std::uint64_t at = address + planned;
    const std::size_t part = std::min<std::size_t>(size - planned, page - at % page);
    remote[count++] = {reinterpret_cast<void*>(at), part};
    planned += part;
  }
  const iovec local{to, planned};
  const ssize_t got = process_vm_readv(pid, &local, 1, remote.data(), count, 0);
  return got < 0 ? 0 : static_cast<std::size_t>(got);
}

bool read_memory(pid_t pid, std::uint64_t address, void* to, std::size_t size) {
  return read_memory_some(pid, address, to, size) == size;
}

bool write_memory(pid_t pid, std::uint64_t address, const void* from, std::size_t size) {
  const iovec local{const_cast<void*>(from), size}, remote{reinterpret_cast<void*>(address), size};
  return process_vm_writev(pid, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(size);
}

std::string read_string(pid_t pid, std::uint64_t address, std::size_t size_max) {
  std::string out(size_max, '\0');
  out.resize(read_memory_some(pid, address, out.data(), size_max));
  const std::size_t end = out.find('\0');
  if (end != std::string::npos) out.resize(end);
  return out;
}

const Mapping* Mappings::look_up(std::uint64_t address) const {
  const auto at = std::upper_bound(list_.begin(), list_.end(), address,
                                   [](std::uint64_t a, const Mapping& m) { return a < m.begin; });
  return at != list_.begin() && address < std::prev(at)->end ? &*std::prev(at) : nullptr;
}

void Mappings::read(pid_t pid) {
  ++reads_;
  list_.clear();
  names_.clear();
  std::FILE* file = std::fopen(("/proc/" + std::to_string(pid) + "/maps").c_str(), "re");
  if (file == nullptr) return;
  char line[4352], rights[5], path[4096];
  while (std::fgets(line, sizeof line, file) != nullptr) {
    unsigned long begin = 0, end = 0, offset = 0;
    path[0] = '\0';
    if (std::sscanf(line, "%lx-%lx %4s %lx %*s %*s %4095[^\n]", &begin, &end, rights, &offset, path) < 4) continue;
    if (rights[2] != 'x') continue;
    const std::string name = path[0] == '\0' ? "[anonymous]" : path;
    list_.push_back({begin, end, offset, nothing, is_library_name(name)});
    names_.push_back(name);
  }
  std::fclose(file);
}

bool is_return_address(pid_t pid, std::uint64_t word, const Mapping* mapping) {
  std::array<std::uint8_t, 8> before{};
  return mapping != nullptr && word >= mapping->begin + before.size() &&
         read_memory(pid, word - before.size(), before.data(), before.size()) && is_after_call(before);
}

std::uint64_t caller_on_stack(pid_t pid, std::uint64_t stack, const Mappings& mappings) {
  std::array<std::uint64_t, stack_words_max> words{};
  const std::size_t count = read_memory_some(pid, stack, words.data(), sizeof words) / sizeof words[0];
  for (std::size_t i = 0; i < count; ++i) {
    const Mapping* mapping = mappings.look_up(words[i]);
    if (mapping != nullptr && !mapping->is_library && is_return_address(pid, words[i], mapping)) return words[i];
  }
  return 0;
}

}  // namespace spawncheck::audit
