// SPDX-License-Identifier: MIT
//
// A file that is written whole or not at all: no reader sees half a report, and a failure leaves the old one.
#pragma once

#include <string>

namespace spawncheck {

// Writes beside the file, then renames. What is there and is no regular file (/dev/stdout, a FIFO) is written to as it
// is. False: `error` says why.
bool write_whole(const std::string& path, const std::string& text, std::string& error);

// Whether that may succeed, asked before long work: false, and `error`, where its directory takes no file.
bool can_write_whole(const std::string& path, std::string& error);

}  // namespace spawncheck
