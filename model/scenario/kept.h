// SPDX-License-Identifier: MIT
//
// The entries that a request's keep-list stands for, in order, each single (sc_keep::more is 0):
//
//   for (const sc_keep& k : kept(request)) ...
#pragma once

#include <cstdint>
#include <iterator>

#include "model/scenario/operation.h"

namespace spawncheck {

class KeptEntries {
 public:
  explicit KeptEntries(const sc_request& r) : request_(&r) {}

  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = sc_keep;
    using difference_type = std::ptrdiff_t;
    using pointer = const sc_keep*;
    using reference = sc_keep;

    Iterator(const sc_request* r, std::uint32_t run) : request_(r), run_(run) {}
    sc_keep operator*() const { return sc_kept_of(request_->keep[run_], at_); }
    Iterator& operator++() {
      if (at_++ == request_->keep[run_].more) ++run_, at_ = 0;
      return *this;
    }
    bool operator==(const Iterator& o) const { return run_ == o.run_ && at_ == o.at_; }

   private:
    const sc_request* request_;
    std::uint32_t run_;
    std::int32_t at_ = 0;
  };

  Iterator begin() const { return {request_, 0}; }
  Iterator end() const { return {request_, request_->keep_count}; }

 private:
  const sc_request* request_;
};

inline KeptEntries kept(const sc_request& r) { return KeptEntries(r); }

}  // namespace spawncheck
