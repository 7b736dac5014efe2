#pragma once

namespace core {

// Of this Aloft, "0.1.0". What hosts tell each other by it is asked for here, and not written into many files:
// tests make a program of another version by linking another answer.
const char* version() noexcept;

}  // namespace core
