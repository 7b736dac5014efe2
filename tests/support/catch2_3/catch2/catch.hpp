#pragma once
// The header of Catch2 2 on a system that has Catch2 3 (Debian 13), whose names moved (its docs/migrate-v2-to-v3.md).
#include <catch2/catch_all.hpp>
#include <string>

namespace Catch {
inline auto Contains(const std::string& text) {
    return Matchers::ContainsSubstring(text);
}
using Matchers::EndsWith;
using Matchers::StartsWith;
namespace Detail {
using Catch::Approx;
}
}  // namespace Catch
using Catch::Approx;

#ifdef CATCH_CONFIG_MAIN
int main(int argc, char** argv) {
    return Catch::Session().run(argc, argv);
}
#endif
