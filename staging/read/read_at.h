#pragma once
#include <sys/types.h>

#include <cstdint>
#include <functional>

#include "core/base/bytes.h"
#include "core/base/files.h"

namespace staging {

// Reads up to `count` bytes at `offset` as pread(2) does, errno included: of a file, or of what lies in memory.
using ReadAt = std::function<ssize_t(std::uint8_t* out, std::size_t count, std::uint64_t offset)>;

ReadAt read_at(core::Fd file);
ReadAt read_at(core::ByteView memory);  // which must outlive it

}  // namespace staging
