// SPDX-License-Identifier: MIT
//
// The window: numbers below 64 that this process has reserved, so that a copy of 64 slots holds every kept source.
//
// Hazard: these numbers are in the caller's table, where any code may close them by mistake (a daemon's loop over all
// numbers, a double close) and the kernel gives them to the next open. The spawn must never overwrite or close a
// descriptor that other code opened. So it checks what each number holds right before it writes the number.
//
// A placeholder is recognised by its file: an empty memfd that stays mapped as long as the window exists, so that no
// other file gets its inode number even when all its descriptors are closed.
//
// A staged source is recognised by its witness. A source is put at two numbers of the window, the slot that the child
// reads and a witness that nothing reads; as long as both have the same open file description (F_DUPFD_QUERY, else
// kcmp(2)), both are ours, even if the source has changed since. The source alone is no proof, since any thread may
// replace it, nor is fstat(2), to which all files of anonymous inodes (eventfd, epoll, timerfd, ...) look alike.
// Both numbers are read from the source, one dup3 each. If the source is replaced between the two, it is read again
// until they agree, so that a file that other code put at one of them is never taken for the source. If the slot and
// its witness differ when they are undone, other code has written to one of them: the number that has the source's
// description is undone; the other number is left as it is, out of the window for good.
//
// One race remains: other code closes a number of the window and gets it again from an open or dup2 of its
// own within the few calls between a check and the write that relies on it (the kernel has no call that replaces a
// descriptor only if it is the expected one), or between the first dup3 of a source and the comparison (the
// kernel has no call that says which description a dup3 put there). And where neither F_DUPFD_QUERY nor kcmp(2) is
// allowed (a sandbox before Linux 6.10), descriptions are compared by fstat(2) only.
//
// A request may name a number of the window as a source: that number holds a placeholder, and the child
// gets the placeholder (window_read). The number is reserved for that spawn, so that no other spawn stages
// anything there.
//
// Rejected: comparing the slot with the source (the source may be replaced at any time: a slot was lost, and what was
// staged stayed open); one number, with the child's copy as the witness (exec ends it, and kcmp(2) of another process
// may be refused); closing the placeholder and taking the number by F_DUPFD (the close has the same race, and then
// any open may get the number); recognising a placeholder by comparing it with another one (a loop that closes
// everything and a dup2 of standard input make two numbers alike); a lock around take and give back (a fork or a
// handler may come in between). Checked by properties/window_test and by the model, which has the same steps
// (model/explore/simulated_spawn.cpp).
#include "window.h"

#include <errno.h>
#include <sys/mman.h>

#include "strategy.h"

#ifndef SYS_memfd_create
#error "the window needs memfd_create(2)"
#endif

namespace spawncheck_spawn {

namespace {

constexpr int lowest_number = 3;     // standard input, output and error are never taken
constexpr int tries_max = 64;        // each loses a slot or a race against another thread
constexpr int readings_max = 64;     // of a source that other threads keep replacing
constexpr unsigned noexec_seal = 8;  // MFD_NOEXEC_SEAL: vm.memfd_noexec may require it
constexpr size_t page = 4096;

enum State : uint32_t { none, changing, ready };

// held: the slots of the window; free: those that no spawn has taken. The other fields are written in state `changing`
// and read by a spawn that has taken a slot: while a slot is taken, the window cannot be replaced.
struct Window {
  uint32_t state;
  uint64_t held, free;
  int home;  // a placeholder that is never a slot; slots are restored from it
  Identity placeholder;
  void* mapping;
} window;

constexpr uint64_t bit(int slot) { return 1ull << slot; }
int lowest(uint64_t slots) { return __builtin_ctzll(slots); }

uint64_t load(const uint64_t* word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
template <typename Word>
bool exchange(Word* word, Word from, Word to) {
  return __atomic_compare_exchange_n(word, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

bool is_placeholder(int number) { return identity_of(number) == window.placeholder; }

// Removes the slots from the window for good. The caller must have taken them.
void lose(uint64_t slots) { __atomic_fetch_and(&window.held, ~slots, __ATOMIC_ACQ_REL); }

bool is_file(int number, const Identity& file) { return identity_of(number) == file; }

enum Pair : unsigned { neither = 0, slot_only = 1, witness_only = 2, both = 3 };

// Returns which of the two numbers still hold what was staged there.
Pair still_staged(const Staged& s) {
  if (is_file(s.slot, s.file) && is_same_description(s.slot, s.witness, s.file)) return both;
  const auto is_of_source = [&](int number) {
    return is_file(number, s.file) && is_same_description(number, s.source, s.file);
  };
  if (is_of_source(s.slot)) return slot_only;
  return is_of_source(s.witness) ? witness_only : neither;
}

enum class Restored { yes, no_placeholder, is_foreign };

// Copies a placeholder from another number to `number` if is_ours(), which is called right before the dup3.
template <typename Question>
Restored restore_from_another(int number, Question is_ours) {
  uint64_t others = load(&window.held) & ~bit(number);
  for (int from = window.home;; from = lowest(others), others &= others - 1) {
    if (is_placeholder(from)) {
      if (!is_ours()) return Restored::is_foreign;
      const bool is_made = call(SYS_dup3, from, number, O_CLOEXEC) == number;
      if (is_made && is_placeholder(number)) return Restored::yes;
      // Other code reused `from` before the dup3, so `number` has that file; or it reused `number` after the dup3.
      if (is_made && same_description(number, from) == Same::yes) close_fd(number);
      if (is_made) return Restored::is_foreign;
    }
    if (others == 0) return Restored::no_placeholder;
  }
}

// Restores the placeholder; if none is left, closes the number. Gives the number back, or loses it for good.
template <typename Question>
void restore(int number, Question is_ours) {
  const Restored restored = restore_from_another(number, is_ours);
  if (restored == Restored::yes) return window_give_back(bit(number));
  if (restored == Restored::no_placeholder && is_ours()) close_fd(number);
  lose(bit(number));
}

bool is_open(int number) { return get_fd_flags(number) >= 0; }

// For numbers that are not known to agree yet: a written number that is open holds what was just written there.
long undo(const Staged& s, uint64_t written, long error) {
  window_give_back((bit(s.slot) | bit(s.witness)) & ~written);
  if ((written & bit(s.slot)) != 0) restore(s.slot, [&] { return is_open(s.slot); });
  if ((written & bit(s.witness)) != 0) restore(s.witness, [&] { return is_open(s.witness); });
  return error;
}

// Reads the source into both numbers until they agree. Returns 0; -EBADF: the source is closed; -EBUSY: the numbers do
// not agree, or cannot be written.
long read_source(Staged& s) {
  uint64_t written = 0;
  const auto write = [&](int number) {
    const long got = call(SYS_dup3, s.source, number, O_CLOEXEC);
    if (got >= 0) written |= bit(number);
    return got < 0 ? got : 0;
  };
  long error = -EBUSY;
  for (int readings = 0; readings < readings_max; ++readings) {
    error = write(s.witness);
    if (error == 0) error = write(s.slot);
    if (error == 0) {
      s.file = identity_of(s.slot);
      if (is_same_description(s.slot, s.witness, s.file)) return 0;
      if (!is_open(s.slot) || !is_open(s.witness)) break;  // other code has closed one
    } else if (error != -EBADF || !is_open(s.source)) {
      return undo(s, written, error);
    }  // else the source is open again, or RLIMIT_NOFILE is at or below the number
  }
  return undo(s, written, -EBUSY);
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

// The mapping keeps the file alive even if all its descriptors are closed.
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

// Takes numbers from the highest down, since other code may expect the low ones. F_DUPFD returns the number only if it
// is free; a higher result is accepted too if it is below 64.
uint64_t take_numbers(int fd, unsigned count) {
  uint64_t taken = 0;
  for (int n = SPAWN_COPIED_ALWAYS - 1; n >= lowest_number && count != 0; --n) {
    const long got = call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, n);
    if (got < 0) continue;  // EINVAL, EMFILE: above the limit, or no free number below it
    if (got >= SPAWN_COPIED_ALWAYS) {
      close_fd(static_cast<int>(got));
      continue;
    }
    taken |= bit(static_cast<int>(got));
    --count;
  }
  return taken;
}

// Reserves `count` numbers, home included. Returns 0 or an errno.
int reserve(unsigned count) {
  long fd = call(SYS_memfd_create, "spawn window", MFD_CLOEXEC | noexec_seal);
  if (fd == -EINVAL) fd = call(SYS_memfd_create, "spawn window", MFD_CLOEXEC);
  if (fd < 0) return static_cast<int>(-fd);
  const int error = map(static_cast<int>(fd));
  const uint64_t taken = error == 0 ? take_numbers(static_cast<int>(fd), count) : 0;
  close_fd(static_cast<int>(fd));
  if (error != 0) return error;
  if (count_bits(taken) != count) {
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

Read window_read(uint64_t named) {
  if (__atomic_load_n(&window.state, __ATOMIC_ACQUIRE) != ready) return {};
  Read read = {0, 0, window.home};
  for (named &= load(&window.held); named != 0; named &= named - 1) {
    const uint64_t number = bit(lowest(named));
    if ((__atomic_fetch_and(&window.free, ~number, __ATOMIC_ACQ_REL) & number) == 0) {
      read.in_use |= number & load(&window.held);  // another spawn has it, or it was lost just now
    } else if (is_placeholder(lowest(number))) {
      read.taken |= number;
    } else {
      lose(number);
    }
  }
  if (read.in_use == 0 || is_placeholder(read.placeholder)) return read;
  const uint64_t other = window_take(1, ~uint64_t{0});
  read.taken |= other;
  read.placeholder = other != 0 ? lowest(other) : -1;
  return read;
}

long window_stage(int source, int slot, int witness, Staged* staged) {
  *staged = {source, slot, witness, {}};
  uint64_t lost = 0;
  if (!is_placeholder(witness)) lost |= bit(witness);
  if (!is_placeholder(slot)) lost |= bit(slot);
  if (lost == 0) return read_source(*staged);
  lose(lost);
  window_give_back((bit(slot) | bit(witness)) & ~lost);
  return -EBUSY;
}

void window_unstage(const Staged& s) {
  Pair ours = neither;
  restore(s.slot, [&] {
    ours = still_staged(s);
    return (ours & slot_only) != 0;
  });
  // The slot is no proof any more; if both agreed, the witness was ours just before, so fstat must do.
  restore(s.witness, [&] { return ours == both ? is_file(s.witness, s.file) : (still_staged(s) & witness_only) != 0; });
}

}  // namespace spawncheck_spawn

using namespace spawncheck_spawn;

int spawn_window_reserve(uint32_t count) {
  if (count == 0 || count > SPAWN_WINDOW_MAX) return EINVAL;
  if (const int error = begin()) return error;
  const int error = reserve(SPAWN_NUMBERS_STAGED * count + 1);
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
  if (!exchange(&window.state, uint32_t{ready}, uint32_t{changing}))
    return __atomic_load_n(&window.state, __ATOMIC_ACQUIRE) == none ? ENOENT : EBUSY;
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
