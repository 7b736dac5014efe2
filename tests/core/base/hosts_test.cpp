#include "core/base/hosts.h"

#include <catch2/catch.hpp>

using core::expand_hosts;
using Names = std::vector<std::string>;

TEST_CASE("host lists are expanded as Slurm does") {
    CHECK(expand_hosts("a") == Names{"a"});
    CHECK(expand_hosts("a,b[1-2,4],c") == Names{"a", "b1", "b2", "b4", "c"});
    CHECK(expand_hosts("n[08-11]") == Names{"n08", "n09", "n10", "n11"});
    CHECK(expand_hosts("n[1,003]") == Names{"n1", "n003"});
    CHECK(expand_hosts("r[1-2]c[1-2]") == Names{"r1c1", "r1c2", "r2c1", "r2c2"});
    CHECK(expand_hosts("n[1]-ib") == Names{"n1-ib"});
    CHECK(expand_hosts("n[1-65536]").size() == 65536);
    CHECK(expand_hosts("(null)").empty());
    CHECK(expand_hosts("").empty());
}

TEST_CASE("what is no list of hosts stays as it is: no host is called that") {
    const std::string odd =
        GENERATE("n[x-y]", "n[1-x]", "n[2-1]", "n[1", "n1]", "n[]", "n[[1]]", "n[-1]", "n[1-]", "n[1-2",
                 "n[1,x]", "n[1-1000000000]", "n[99999999999999999999]");
    CHECK(expand_hosts(odd) == Names{odd});
    CHECK(expand_hosts("a," + std::string("n[x]") + ",b") == Names{"a", "n[x]", "b"});
}

TEST_CASE("a short text never becomes more names than Slurm would make of it") {
    for (const char* many : {"n[1-65537]", "n[0-65535,7]", "r[1-1000]c[1-1000]", "r[1-300]c[1-300]x[1-2]",
                             "a[1-9]b[1-9]c[1-9]d[1-9]e[1-9]f[1-9]"})
        CHECK(expand_hosts(many) == Names{many});
}
