// SPDX-License-Identifier: MIT
#include "impl/audit/symbols.h"

#include <cxxabi.h>
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace spawncheck::audit {

namespace {

class Mapped {
 public:
  explicit Mapped(const std::string& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status {};
    if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
      void* at = mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
      if (at != MAP_FAILED) {
        data_ = static_cast<const char*>(at);
        size_ = static_cast<std::size_t>(status.st_size);
      }
    }
    if (fd >= 0) close(fd);
  }
  ~Mapped() {
    if (data_ != nullptr) munmap(const_cast<char*>(data_), size_);
  }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;

  // Returns false if the file ends before. The file may have any content.
  template <typename T>
  bool get(std::uint64_t offset, T& to) const {
    if (offset > size_ || size_ - offset < sizeof to) return false;
    std::memcpy(&to, data_ + offset, sizeof to);
    return true;
  }
  std::string text(std::uint64_t offset) const {
    if (offset >= size_) return {};
    return std::string(data_ + offset, strnlen(data_ + offset, size_ - offset));
  }
  std::size_t size() const { return size_; }

 private:
  const char* data_ = nullptr;
  std::size_t size_ = 0;
};

std::string demangled(const std::string& name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status),
                                                    std::free);
  return status == 0 && text ? text.get() : name;
}

}  // namespace

const Symbols::File& Symbols::file(const std::string& path) {
  const auto [at, is_new] = files_.emplace(path, File{});
  File& out = at->second;
  if (!is_new) return out;
  const Mapped elf(path);
  Elf64_Ehdr header{};
  if (!elf.get(0, header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64)
    return out;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment{};
    if (!elf.get(header.e_phoff + i * sizeof segment, segment)) break;
    if (segment.p_type == PT_LOAD) out.segments.push_back({segment.p_offset, segment.p_filesz, segment.p_vaddr});
  }
  for (unsigned i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr section{}, strings{};
    if (!elf.get(header.e_shoff + i * sizeof section, section)) break;
    if (section.sh_type != SHT_SYMTAB && section.sh_type != SHT_DYNSYM) continue;
    if (!elf.get(header.e_shoff + section.sh_link * sizeof strings, strings)) continue;
    const std::uint64_t count = std::min<std::uint64_t>(section.sh_size, elf.size()) / sizeof(Elf64_Sym);
    for (std::uint64_t s = 0; s < count; ++s) {
      Elf64_Sym symbol{};
      if (!elf.get(section.sh_offset + s * sizeof symbol, symbol)) break;
      if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx == SHN_UNDEF) continue;
      out.symbols.push_back({symbol.st_value, symbol.st_size, elf.text(strings.sh_offset + symbol.st_name)});
    }
  }
  std::stable_sort(out.symbols.begin(), out.symbols.end(), [](const Symbol& a, const Symbol& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.name < b.name;
  });
  return out;
}

std::string Symbols::describe(const std::string& path, std::uint64_t offset) {
  const std::string name = path.substr(path.rfind('/') + 1);
  char number[32];
  const File& of = file(path);
  for (const File::Segment& segment : of.segments) {
    if (offset < segment.offset || offset - segment.offset >= segment.size) continue;
    const std::uint64_t address = offset - segment.offset + segment.address;
    // The call before a return address may be the last instruction of its function: look up the byte before.
    auto at = std::upper_bound(of.symbols.begin(), of.symbols.end(), address - 1,
                               [](std::uint64_t a, const Symbol& s) { return a < s.begin; });
    while (at != of.symbols.begin()) {
      --at;
      if (at->size != 0 && address - 1 >= at->begin + at->size) break;
      while (at != of.symbols.begin() && std::prev(at)->begin == at->begin)
        --at;  // of several names, the same in each report
      std::snprintf(number, sizeof number, "+0x%llx", static_cast<unsigned long long>(address - at->begin));
      return name + "!" + demangled(at->name) + number;
    }
  }
  std::snprintf(number, sizeof number, "+0x%llx", static_cast<unsigned long long>(offset));
  return name + number;
}

}  // namespace spawncheck::audit
