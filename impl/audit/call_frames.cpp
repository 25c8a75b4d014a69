// SPDX-License-Identifier: MIT
#include "impl/audit/call_frames.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace spawncheck::audit {

namespace {

constexpr std::size_t functions_max = 4'000'000, description_bytes_max = 8192, remembered_max = 16;

// Encodings of addresses (Linux Standard Base, DW_EH_PE_*).
constexpr std::uint8_t unsigned_4 = 0x03, relative_to_table_signed_4 = 0x3b;

// Reads bytes of any content: past the end it reads zeros and clears is_good.
class Bytes {
 public:
  Bytes(const std::uint8_t* at, std::size_t size) : at_(at), end_(at + size) {}

  bool is_good = true;
  bool is_at_end() const { return at_ == end_ || !is_good; }
  template <typename T>
  T take() {
    T out{};
    if (static_cast<std::size_t>(end_ - at_) < sizeof out) {
      is_good = false;
      at_ = end_;
      return out;
    }
    std::memcpy(&out, at_, sizeof out);
    at_ += sizeof out;
    return out;
  }
  std::uint64_t take_unsigned() {  // LEB128
    std::uint64_t out = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = take<std::uint8_t>();
      out |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) break;
    }
    return out;
  }
  std::int64_t take_signed() {
    std::uint64_t out = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = take<std::uint8_t>();
      out |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) != 0) continue;
      if ((byte & 0x40) != 0 && shift + 7 < 64) out |= ~0ull << (shift + 7);
      break;
    }
    return static_cast<std::int64_t>(out);
  }
  void skip(std::uint64_t count) {
    if (count > static_cast<std::uint64_t>(end_ - at_)) {
      is_good = false;
      at_ = end_;
    } else {
      at_ += count;
    }
  }
  void skip_address(std::uint8_t encoding) {
    constexpr std::uint8_t omitted = 0xff;
    if (encoding == omitted) return;
    switch (encoding & 0x0f) {
      case 0x00:
      case 0x04:
      case 0x0c:
        return skip(8);
      case 0x01:
      case 0x09:
        take_unsigned();
        return;
      case 0x02:
      case 0x0a:
        return skip(2);
      default:
        return skip(4);
    }
  }
  const std::uint8_t* rest() const { return at_; }
  std::size_t rest_size() const { return static_cast<std::size_t>(end_ - at_); }

 private:
  const std::uint8_t *at_, *end_;
};

// What a common information entry says for the frame descriptions that refer to it.
struct Common {
  std::uint64_t code_factor = 1, return_register = return_address;
  std::int64_t data_factor = 1;
  std::uint8_t address_encoding = 0;
  bool has_augmentation = false;
};

std::optional<Common> parse_common(Bytes& in) {
  Common out;
  if (in.take<std::uint8_t>() > 4) return std::nullopt;
  std::string augmentation;
  for (char c = 0; in.is_good && (c = static_cast<char>(in.take<std::uint8_t>())) != '\0';) augmentation += c;
  out.code_factor = in.take_unsigned();
  out.data_factor = in.take_signed();
  out.return_register = in.take_unsigned();
  if (!augmentation.empty() && augmentation[0] != 'z') return std::nullopt;
  if (augmentation.empty()) return out;
  out.has_augmentation = true;
  Bytes values = in;
  const std::uint64_t size = values.take_unsigned();
  in = values;
  in.skip(size);
  for (const char c : augmentation.substr(1)) {
    if (c == 'R') out.address_encoding = values.take<std::uint8_t>();
    if (c == 'L') values.skip(1);
    if (c == 'P') values.skip_address(values.take<std::uint8_t>());
  }
  return in.is_good && values.is_good ? std::optional(out) : std::nullopt;
}

// Runs the instructions of a common entry, then those of a description, up to an address.
class Machine {
 public:
  Machine(const Common& common, std::uint64_t at) : common_(common), at_(at) {}

  FrameRule rule;

  // Returns false at an instruction that this class does not support.
  bool run(Bytes in, std::uint64_t until) {
    while (!in.is_at_end()) {
      const auto code = in.take<std::uint8_t>();
      const std::uint8_t low = code & 0x3f;
      bool is_known = true;
      switch (code & 0xc0) {
        case 0x40:
          at_ += low * common_.code_factor;
          break;
        case 0x80:
          save(low, FrameRule::Saved::at_frame, factored(in.take_unsigned()));
          break;
        case 0xc0:
          restore(low);
          break;
        default:
          is_known = extended(code, in);
      }
      if (!is_known || !in.is_good) return false;
      if (at_ > until) return true;
    }
    return in.is_good;
  }
  void keep_as_initial() { initial_ = rule; }

 private:
  // Multiplies as unsigned numbers, which wrap: any file may be read, and one that overflows has no frame there.
  std::int64_t factored(std::uint64_t count) const {
    return static_cast<std::int64_t>(count * static_cast<std::uint64_t>(common_.data_factor));
  }
  void save(std::uint64_t which, FrameRule::Saved::How how, std::int64_t value) {
    if (which < registers_max) rule.saved[which] = {how, value};
  }
  void restore(std::uint64_t which) {
    if (which < registers_max) rule.saved[which] = initial_.saved[which];
  }
  void frame(std::uint64_t which, std::int64_t offset) {
    rule.frame_register = which;
    rule.frame_offset = offset;
  }

  bool extended(std::uint8_t code, Bytes& in) {
    using Saved = FrameRule::Saved;
    switch (code) {
      case 0x00:  // nop
        return true;
      case 0x02:
        at_ += in.take<std::uint8_t>() * common_.code_factor;
        return true;
      case 0x03:
        at_ += in.take<std::uint16_t>() * common_.code_factor;
        return true;
      case 0x04:
        at_ += in.take<std::uint32_t>() * common_.code_factor;
        return true;
      case 0x05: {  // offset_extended
        const std::uint64_t which = in.take_unsigned();
        save(which, Saved::at_frame, factored(in.take_unsigned()));
        return true;
      }
      case 0x06:
        restore(in.take_unsigned());
        return true;
      case 0x07:  // undefined
        save(in.take_unsigned(), Saved::unknown, 0);
        return true;
      case 0x08:  // same_value
        save(in.take_unsigned(), Saved::same, 0);
        return true;
      case 0x09: {  // register
        const std::uint64_t which = in.take_unsigned();
        save(which, Saved::in_register, static_cast<std::int64_t>(in.take_unsigned()));
        return true;
      }
      case 0x0a:
        if (remembered_.size() >= remembered_max) return false;
        remembered_.push_back(rule);
        return true;
      case 0x0b:
        if (remembered_.empty()) return false;
        rule = remembered_.back();
        remembered_.pop_back();
        return true;
      case 0x0c: {  // def_cfa
        const std::uint64_t which = in.take_unsigned();
        frame(which, static_cast<std::int64_t>(in.take_unsigned()));
        return true;
      }
      case 0x0d:
        rule.frame_register = in.take_unsigned();
        return true;
      case 0x0e:
        rule.frame_offset = static_cast<std::int64_t>(in.take_unsigned());
        return true;
      case 0x10:  // expression
      case 0x16:  // val_expression
        save(in.take_unsigned(), Saved::unknown, 0);
        in.skip(in.take_unsigned());
        return true;
      case 0x11: {  // offset_extended_sf
        const std::uint64_t which = in.take_unsigned();
        save(which, Saved::at_frame, factored(static_cast<std::uint64_t>(in.take_signed())));
        return true;
      }
      case 0x12: {  // def_cfa_sf
        const std::uint64_t which = in.take_unsigned();
        frame(which, factored(static_cast<std::uint64_t>(in.take_signed())));
        return true;
      }
      case 0x13:
        rule.frame_offset = factored(static_cast<std::uint64_t>(in.take_signed()));
        return true;
      case 0x2e:  // GNU_args_size
        in.take_unsigned();
        return true;
      default:  // def_cfa_expression, and what no compiler writes on x86-64
        return false;
    }
  }

  const Common& common_;
  std::uint64_t at_;
  FrameRule initial_;
  std::vector<FrameRule> remembered_;
};

}  // namespace

CallFrames::CallFrames(const std::string& path) {
  fd_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat status {};
  Elf64_Ehdr header{};
  if (fd_ < 0 || fstat(fd_, &status) != 0 || !S_ISREG(status.st_mode) || !read(0, &header, sizeof header)) return;
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64) return;
  Segment table;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment{};
    if (!read(header.e_phoff + i * sizeof segment, &segment, sizeof segment)) break;
    const Segment found{segment.p_offset, segment.p_filesz, segment.p_vaddr};
    if (segment.p_type == PT_LOAD) segments_.push_back(found);
    if (segment.p_type == PT_GNU_EH_FRAME) table = found;
  }
  if (table.size != 0) read_table(table);
}

CallFrames::~CallFrames() {
  if (fd_ >= 0) close(fd_);
}

bool CallFrames::read(std::uint64_t offset, void* to, std::size_t size) const {
  return pread(fd_, to, size, static_cast<off_t>(offset)) == static_cast<ssize_t>(size);
}

void CallFrames::read_table(const Segment& header) {
  struct {
    std::uint8_t version, frames_encoding, count_encoding, table_encoding;
    std::int32_t frames;
    std::uint32_t count;
  } start{};
  if (!read(header.offset, &start, sizeof start) || start.version != 1 || start.count_encoding != unsigned_4 ||
      start.table_encoding != relative_to_table_signed_4 || start.count > functions_max)
    return;
  table_address_ = header.address;
  rows_.resize(start.count);
  if (!read(header.offset + sizeof start, rows_.data(), rows_.size() * sizeof(Row))) rows_.clear();
}

std::optional<std::uint64_t> CallFrames::offset_of(std::uint64_t address) const {
  for (const Segment& s : segments_)
    if (address >= s.address && address - s.address < s.size) return address - s.address + s.offset;
  return std::nullopt;
}

const FrameRule* CallFrames::find(std::uint64_t file_offset) {
  if (rows_.empty()) return nullptr;
  const auto [at, is_new] = known_.emplace(file_offset, std::nullopt);
  if (is_new)
    for (const Segment& s : segments_)
      if (file_offset >= s.offset && file_offset - s.offset < s.size)
        at->second = make(file_offset - s.offset + s.address);
  return at->second ? &*at->second : nullptr;
}

std::optional<FrameRule> CallFrames::make(std::uint64_t address) const {
  const auto in_table = static_cast<std::int64_t>(address - table_address_);
  auto row = std::upper_bound(rows_.begin(), rows_.end(), in_table,
                              [](std::int64_t a, const Row& r) { return a < r.function; });
  if (row == rows_.begin()) return std::nullopt;
  --row;
  const auto from_table = [&](std::int32_t distance) {
    return table_address_ + static_cast<std::uint64_t>(static_cast<std::int64_t>(distance));
  };
  const std::uint64_t function = from_table(row->function);
  const auto description = offset_of(from_table(row->description));
  std::uint32_t size = 0, back = 0;  // `back`: from this field back to the common entry
  if (!description || !read(*description, &size, sizeof size) || !read(*description + 4, &back, sizeof back) ||
      size < 4 || size > description_bytes_max || back == 0 || back > *description + 4)
    return std::nullopt;
  const std::uint64_t common_at = *description + 4 - back;
  std::uint32_t common_size = 0;
  if (!read(common_at, &common_size, sizeof common_size) || common_size < 4 || common_size > description_bytes_max)
    return std::nullopt;
  std::vector<std::uint8_t> common_bytes(common_size - 4), bytes(size - 4);
  if (!read(common_at + 8, common_bytes.data(), common_bytes.size()) ||
      !read(*description + 8, bytes.data(), bytes.size()))
    return std::nullopt;
  Bytes common_in(common_bytes.data(), common_bytes.size()), in(bytes.data(), bytes.size());
  const auto common = parse_common(common_in);
  if (!common || common->return_register != return_address) return std::nullopt;
  in.skip_address(common->address_encoding);
  const Bytes length_in = in;
  in.skip_address(common->address_encoding);
  const std::size_t width = length_in.rest_size() - in.rest_size();
  std::uint64_t length = 0;
  if (!in.is_good || width > sizeof length) return std::nullopt;
  std::memcpy(&length, length_in.rest(), width);
  if (address - function >= length) return std::nullopt;
  if (common->has_augmentation) in.skip(in.take_unsigned());
  Machine machine(*common, function);
  if (!machine.run(common_in, ~0ull)) return std::nullopt;
  machine.keep_as_initial();
  if (!machine.run(in, address)) return std::nullopt;
  if (machine.rule.frame_register >= registers_max) return std::nullopt;
  return machine.rule;
}

}  // namespace spawncheck::audit
