// SPDX-License-Identifier: MIT
//
// A history written by hand, for tests of the judge: no system call is made.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "model/judge/judge.h"
#include "properties/written.h"

namespace spawncheck {

// One run, written operation by operation. Whatever is not written was not seen.
class Told {
 public:
  explicit Told(const char* text) : scenario_(scenario_of(text)), history_(std::make_unique<sc_history>()) {
    history_->thread_count = static_cast<std::uint32_t>(scenario_.threads.size());
    for (auto& thread : history_->op)
      for (sc_op_record& r : thread) {
        r.value[0] = r.value[1] = -1;
        r.child = -1;
      }
  }

  Told& op(unsigned thread, unsigned operation, std::uint32_t begin, std::uint32_t end, std::int32_t value = -1,
           std::int32_t second = -1) {
    sc_op_record& r = record(thread, operation);
    r.begin = begin;
    r.end = end;
    r.value[0] = value;
    r.value[1] = second;
    return *this;
  }
  Told& failed(unsigned thread, unsigned operation, std::uint32_t begin, std::uint32_t end, int error) {
    op(thread, operation, begin, end);
    record(thread, operation).error = error;
    return *this;
  }
  // The spawn succeeded; of its child nothing was seen.
  Told& child(unsigned thread, unsigned operation) {
    sc_op_record& r = record(thread, operation);
    r.child = static_cast<std::int16_t>(history_->child_count++);
    history_->child[r.child].pid = r.value[0];
    return *this;
  }
  // The last child was seen, with nothing open, in that process group; so was the caller.
  Told& in_group(std::int32_t group) {
    sc_process& child = history_->child[history_->child_count - 1];
    child.observed = child.has_execed = 1;
    child.pgid = group;
    child.argument_count = 1;
    child.cwd = -1;
    history_->parent.observed = 1;
    history_->parent.cwd = -1;
    return *this;
  }
  // The last child, seen with nothing open in process group 0; the caller was seen too.
  sc_process& seen() {
    in_group(0);
    return history_->child[history_->child_count - 1];
  }
  sc_op_record& record(unsigned thread, unsigned operation) { return history_->op[thread][operation]; }
  sc_history& history() { return *history_; }
  Told& died(int status) {
    history_->child[history_->child_count - 1].is_dead = 1;
    history_->child[history_->child_count - 1].end_status = status;
    return *this;
  }
  Told& libc_catches(int signal) {
    history_->caught_by_libc |= 1ull << (signal - 1);
    return *this;
  }
  Told& ends(sc_run_end end, int signal = 0) {
    history_->end = static_cast<std::uint8_t>(end);
    history_->end_signal = signal;
    return *this;
  }

  Verdict verdict(const JudgeOptions& options = {}) const { return judge(scenario_, *history_, options); }

 private:
  Scenario scenario_;
  std::unique_ptr<sc_history> history_;
};

inline void holds(const Told& told, const JudgeOptions& options = {}) {
  const Verdict v = told.verdict(options);
  EXPECT_EQ(v.status, Status::holds) << v.observed << "; allowed: " << v.allowed;
}

inline void violates(const Told& told, Clause clause, const JudgeOptions& options = {}) {
  const Verdict v = told.verdict(options);
  ASSERT_EQ(v.status, Status::violated) << v.observed;
  EXPECT_EQ(*v.clause, clause) << v.observed;
}

}  // namespace spawncheck
