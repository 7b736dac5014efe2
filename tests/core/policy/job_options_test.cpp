#include "core/policy/job_options.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"

using namespace core;
using Catch::Contains;

namespace {

constexpr std::int64_t kNow = 1'790'000'123;

}  // namespace

TEST_CASE("of an array its size is left, and no numbers of one's choice") {
    for (const char* good : {"", "0", "1", "0-3", "1-1000000", "0-99%5"}) CHECK(allowed_array(good) == good);
    CHECK(allowed_array("0-3:1%9") == "0-3");
    for (const char* bad : {"2-3", "1,2", "0-7:2", "1-0", "1-1000001", "0-3%", "a", "0-3\n", "-1", "00-3"})
        CHECK_THROWS_WITH(allowed_array(bad), Contains("--array"));
    CHECK_THROWS_WITH(allowed_array("0-3" + std::string(1 << 20, '0')), Contains("--array"));
}

TEST_CASE("generic resources are GPUs, of a type, so many") {
    CHECK(allowed_gpus("") == "");
    CHECK(allowed_gpus("gpu") == "gres:gpu");
    CHECK(allowed_gpus("gres/gpu:0004") == "gres:gpu:4");         // as it is written is no choice
    CHECK(allowed_gpus("gres/gpu:a100=1") == "gres:gpu:a100:1");  // tres-per-task
    CHECK(allowed_gpus("gpu:a100") == "gres:gpu:a100");
    CHECK(allowed_gpus("gres:gpu:a100:2") == "gres:gpu:a100:2");
    CHECK(allowed_gpus("gres:gpu:16384", kMostMemoryMib) == "gres:gpu:16384");
    for (const char* bad : {"gpu:a b", "gpu:2;x", "licence:3", "gpu:", "gpu:12345", "gpu:2,gpu:3",
                            "gpu:1,gpu:1", "gpu:99999999999", "gpu:2\n"})
        CHECK_THROWS_WITH(allowed_gpus(bad), Contains("GPUs of one type only"));
    CHECK_THROWS_WITH(allowed_gpus("gpu:" + std::string(1 << 20, 'a')), Contains("GPUs of one type only"));
}

TEST_CASE("features are a set of names, whatever was written") {
    CHECK(allowed_features("") == "");
    CHECK(allowed_features("a100") == "a100");
    CHECK(allowed_features("nvme&a100&nvme") == "a100&nvme");
    for (const char* bad :
         {"a|b", "a&", "&a", "a,b", "[a|b]", "a*2", "a b", "a&b&c&d&e", "-a", "a&&b", "a\n"})
        CHECK_THROWS_WITH(allowed_features(bad), Contains("--constraint"));
    CHECK_THROWS_WITH(allowed_features(std::string(1 << 20, 'a')), Contains("--constraint"));
}

TEST_CASE("the warning comes two minutes before a long job's end, and within a short one") {
    CHECK(warning_seconds(0) == 0);
    CHECK(warning_seconds(1) == 12);
    CHECK(warning_seconds(10) == 120);
    CHECK(warning_seconds(100'000) == 120);
}

TEST_CASE("a job begins at a full hour within thirty days, or at once") {
    CHECK(allowed_begin(0, kNow) == 0);
    CHECK(allowed_begin(kNow, kNow) == 0);
    for (const std::int64_t ahead : {1, 3600, 86400 * 30}) {
        const std::int64_t begin = allowed_begin(kNow + ahead, kNow);
        CHECK(begin % 3600 == 0);
        CHECK(begin >= kNow + ahead);
        CHECK(begin < kNow + ahead + 3600);
        CHECK(allowed_begin(begin, kNow) == begin);  // asked for again, on the controller, it is the same
    }
    CHECK_THROWS_WITH(allowed_begin(kNow + 86400 * 30 + 3600, kNow), Contains("30 days"));
}

TEST_CASE("a signal has a name or a number, and may have a time") {
    for (const char* good : {"USR1", "SIGTERM", "10", "USR1@120", "B:15@65535", "R:USR2@1"})
        CHECK_NOTHROW(check_signal(good));
    for (const char* bad :
         {"", "@5", "USR1@", "0", "65", "99@5", "USR1@65536", "usr1", "X:USR1", "USR1@5 ", "A_NAME"})
        CHECK_THROWS_WITH(check_signal(bad), Contains("--signal"));
}

TEST_CASE("memory is a number with a unit, of which no node has more") {
    CHECK(memory_mib("1500") == 1500);
    CHECK(memory_mib("1M") == 1);
    CHECK(memory_mib("1K") == 1);
    CHECK(memory_mib("32G") == 32768);
    CHECK(memory_mib("2T") == 2 << 20);
    for (const char* bad : {"", "G", "-1", "1.5G", "1g", "32 G", "1P", "1073741825", "1025T",
                            "9999999999999T", "99999999999999"})
        CHECK_THROWS_WITH(memory_mib(bad), Contains("--mem"));
}

TEST_CASE("a grant's name is G and a number") {
    CHECK(is_grant_id("G-1"));
    for (const char* bad : {"", "G-", "A-1", "G-1x", "G-1/../2", "g-1", "G-1234567890123456789"})
        CHECK_FALSE(is_grant_id(bad));
}
