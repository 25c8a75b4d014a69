// SPDX-License-Identifier: MIT
//
// A file that is written whole or not at all: no reader sees half a report, and a failure leaves the old one.
#pragma once

#include <string>

namespace spawncheck {

// Writes beside the file, then renames. A path that exists and is no regular file (/dev/stdout, a FIFO) is written to
// directly. Returns false on failure; `error` says why.
bool write_whole(const std::string& path, const std::string& text, std::string& error);

// For use before long work: returns false, with `error`, if no file can be made in its directory.
bool can_write_whole(const std::string& path, std::string& error);

}  // namespace spawncheck
