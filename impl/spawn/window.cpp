// SPDX-License-Identifier: MIT
//
// The window: numbers below 64 that this process has set aside, so that a copy of 64 slots has what is kept.
//
// Hazard: these numbers are in the caller's table, where any code may close them by mistake (a daemon's loop over all
// numbers, a double close) and the kernel gives them to the next open. A descriptor that is not ours must never be
// overwritten or closed. So every slot is asked what it is right before it is written: a placeholder is known by its file,
// an empty memfd that is mapped for as long as there is a window, so that its inode number is nobody else's even when
// every descriptor of it is gone. What was staged is known by the file that the source was, and, where the source still is
// that file, by being the same description (F_DUPFD_QUERY, else kcmp(2)). Whatever fails its question is
// left alone, and its slot is out of the window for good.
// What remains: other code that closes a number of the window and gets it again from an open or dup2 of its own between
// the question and the dup3 after it, two calls in a row. The kernel has no call that replaces a descriptor only if it is a
// certain one.
//
// Rejected: closing the placeholder and taking the number by F_DUPFD (the close is the same race, and in between the number
// is free for everybody); telling a placeholder by comparing it with another of ours (a loop that closes everything and a
// dup2 of standard input make two numbers alike); a lock around take and give back (a fork or a handler in between).
// Checked by properties/window_test and by the model, which has the same steps (model/explore/simulated_spawn.cpp).
#include "window.h"

#include "strategy.h"

#include <errno.h>
#include <sys/mman.h>

#ifndef SYS_memfd_create
#error "the window needs memfd_create(2)"
#endif

namespace spawncheck_spawn {

namespace {

constexpr int lowest_number = 3;  // standard input, output and error are never taken
constexpr int tries_max = 64;     // each ends in a slot fewer, or another thread went first
constexpr unsigned noexec_seal = 8;  // MFD_NOEXEC_SEAL: where vm.memfd_noexec wants it
constexpr unsigned dupfd_query = 1027;  // F_DUPFD_QUERY, Linux 6.10
constexpr size_t page = 4096;

enum State : uint32_t { none, changing, ready };

// Of `held`, `free` are nobody's. What else is here is written while the state is `changing`, and read by who has taken a
// slot: as long as a slot is taken there is no other window.
struct Window {
  uint32_t state;
  uint64_t held, free;
  int home;  // a placeholder that is no slot: what the others are restored from
  Identity placeholder;
  void* mapping;
} window;

constexpr uint64_t bit(int slot) { return 1ull << slot; }
int lowest(uint64_t slots) { return __builtin_ctzll(slots); }

uint64_t load(const uint64_t* word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
template <typename Word>
bool exchange(Word* word, Word from, Word to) { return __atomic_compare_exchange_n(word, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE); }

bool is_placeholder(int number) { return identity_of(number) == window.placeholder; }

// Out of the window for good; whoever calls has it taken.
void lose(uint64_t slots) { __atomic_fetch_and(&window.held, ~slots, __ATOMIC_ACQ_REL); }

enum class Same { yes, no, unknown };
Same same_description(int a, int b) {
  const long query = call(SYS_fcntl, a, dupfd_query, b);
  if (query >= 0) return query == 1 ? Same::yes : Same::no;
  if (query == -EBADF) return Same::no;
  const long self = call(SYS_getpid);
  constexpr int kcmp_file = 0;
  const long order = call(SYS_kcmp, self, self, kcmp_file, a, b);
  return order < 0 ? Same::unknown : order == 0 ? Same::yes : Same::no;
}

// Where the source is another file by now, or closed, there is nothing to compare with; it may become so while it is asked.
bool is_still_staged(const Staged& s) {
  if (!(identity_of(s.slot) == s.file)) return false;
  if (!(identity_of(s.source) == s.file) || same_description(s.slot, s.source) != Same::no) return true;
  return !(identity_of(s.source) == s.file);
}

// The placeholder again, from a number that has one; where none has, the slot is closed. False: the slot is lost.
bool restore(const Staged& staged) {
  const int slot = staged.slot;
  uint64_t others = load(&window.held) & ~bit(slot);
  for (int from = window.home;; from = lowest(others), others &= others - 1) {
    if (is_placeholder(from)) {
      if (!is_still_staged(staged)) return false;
      const bool is_made = call(SYS_dup3, from, slot, O_CLOEXEC) == slot;
      if (is_made && is_placeholder(slot)) return true;
      // `from` was reused in that instant, and its file is in the slot now; else it is the slot that somebody has.
      if (is_made && same_description(slot, from) == Same::yes) close_fd(slot);
      if (is_made) return false;
    }
    if (others == 0) break;
  }
  if (is_still_staged(staged)) close_fd(slot);
  return false;
}

// ---- making and ending it ----------------------------------------------------------------------

int give_up(int error) {
  __atomic_store_n(&window.state, none, __ATOMIC_RELEASE);
  return error;
}

int begin() {
  uint32_t state = none;
  if (__atomic_compare_exchange_n(&window.state, &state, changing, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return 0;
  return state == ready ? EALREADY : EBUSY;
}

// The mapping keeps the file, whatever becomes of its descriptors.
int map(int fd) {
  const long at = call(SYS_mmap, nullptr, page, PROT_NONE, MAP_SHARED, fd, 0);
  if (at < 0 && at > -4096) return static_cast<int>(-at);
  window.mapping = reinterpret_cast<void*>(at);
  window.placeholder = identity_of(fd);
  return 0;
}

void open_window(uint64_t slots, int home) {
  window.home = home;
  __atomic_store_n(&window.held, slots, __ATOMIC_RELEASE);
  __atomic_store_n(&window.free, slots, __ATOMIC_RELEASE);
  __atomic_store_n(&window.state, ready, __ATOMIC_RELEASE);
}

void close_placeholders(uint64_t numbers) {
  for (; numbers != 0; numbers &= numbers - 1)
    if (is_placeholder(lowest(numbers))) close_fd(lowest(numbers));
}

// From the highest number down, so that the low ones stay for who expects them. Each is asked for by F_DUPFD, which gives
// it only if it is free; what lies above was free a moment ago at best.
uint64_t take_numbers(int fd, unsigned count) {
  uint64_t taken = 0;
  for (int n = SPAWN_COPIED_ALWAYS - 1; n >= lowest_number && count != 0; --n) {
    const long got = call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, n);
    if (got < 0) continue;  // EINVAL, EMFILE: the limit is below, or nothing from here up to it
    if (got >= SPAWN_COPIED_ALWAYS) {
      close_fd(static_cast<int>(got));
      continue;
    }
    taken |= bit(static_cast<int>(got));
    --count;
  }
  return taken;
}

int reserve(unsigned count) {
  long fd = call(SYS_memfd_create, "spawn window", MFD_CLOEXEC | noexec_seal);
  if (fd == -EINVAL) fd = call(SYS_memfd_create, "spawn window", MFD_CLOEXEC);
  if (fd < 0) return static_cast<int>(-fd);
  const int error = map(static_cast<int>(fd));
  const uint64_t taken = error == 0 ? take_numbers(static_cast<int>(fd), count + 1) : 0;
  close_fd(static_cast<int>(fd));
  if (error != 0) return error;
  if (count_bits(taken) != count + 1) {
    close_placeholders(taken);
    call(SYS_munmap, window.mapping, page);
    return ENOSPC;
  }
  open_window(taken & (taken - 1), lowest(taken));
  return 0;
}

}  // namespace

// ---- a spawn's share ------------------------------------------------------------------------------

uint64_t window_free() { return load(&window.free); }

uint64_t window_take(unsigned count, uint64_t among) {
  if (count == 0) return 0;
  for (int tries = 0; tries < tries_max; ++tries) {
    const uint64_t free = load(&window.free);
    uint64_t left = free & among, taken = 0, lost = 0;
    for (unsigned i = 0; i < count && left != 0; ++i, left &= left - 1) taken |= bit(lowest(left));
    if (count_bits(taken) < count) return 0;
    if (!exchange(&window.free, free, free & ~taken)) continue;
    for (uint64_t rest = taken; rest != 0; rest &= rest - 1)
      if (!is_placeholder(lowest(rest))) lost |= bit(lowest(rest));
    if (lost == 0) return taken;
    lose(lost);
    window_give_back(taken & ~lost);
  }
  return 0;
}

void window_give_back(uint64_t slots) { __atomic_fetch_or(&window.free, slots, __ATOMIC_ACQ_REL); }

long window_stage(int source, int slot, Staged* staged) {
  *staged = {source, slot, {}};
  if (!is_placeholder(slot)) {
    lose(bit(slot));
    return -EBUSY;
  }
  const Identity before = identity_of(source);
  const long got = call(SYS_dup3, source, slot, O_CLOEXEC);
  if (got < 0) {
    window_give_back(bit(slot));
    return got;
  }
  staged->file = identity_of(slot);
  // Another file than the source was: the source has changed just before the dup3, or somebody has had the slot just after.
  if (staged->file == before || same_description(slot, source) == Same::yes) return 0;
  lose(bit(slot));
  return -EBUSY;
}

void window_unstage(const Staged& staged) {
  if (restore(staged)) window_give_back(bit(staged.slot));
  else lose(bit(staged.slot));
}

}  // namespace spawncheck_spawn

using namespace spawncheck_spawn;

int spawn_window_reserve(uint32_t count) {
  if (count == 0 || count > SPAWN_WINDOW_MAX) return EINVAL;
  if (const int error = begin()) return error;
  const int error = reserve(count);
  return error == 0 ? 0 : give_up(error);
}

int spawn_window_adopt(int first, int last) {
  if (first < 0 || last <= first || last >= SPAWN_COPIED_ALWAYS) return EINVAL;
  if (const int error = begin()) return error;
  if (const int error = map(first)) return give_up(error);
  uint64_t slots = 0;
  for (int n = first + 1; n <= last; ++n) slots |= bit(n);
  open_window(slots, first);
  return 0;
}

int spawn_window_release(void) {
  if (!exchange(&window.state, uint32_t{ready}, uint32_t{changing})) return __atomic_load_n(&window.state, __ATOMIC_ACQUIRE) == none ? ENOENT : EBUSY;
  const uint64_t held = load(&window.held);
  if (!exchange(&window.free, held, uint64_t{0})) {
    __atomic_store_n(&window.state, ready, __ATOMIC_RELEASE);
    return EBUSY;
  }
  close_placeholders(held | bit(window.home));
  call(SYS_munmap, window.mapping, page);
  window.held = 0;
  return give_up(0);
}
