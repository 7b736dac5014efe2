#include "slurm/preflight/preflight.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/base/child.h"
#include "core/base/files.h"
#include "core/base/version.h"
#include "support/scratch.h"

namespace fs = std::filesystem;

TEST_CASE("what is not required only warns") {
    const auto bad = core::required("key", false, "absent", "make one");
    const auto warning = core::advised("swap", false, "plain", "swapoff");
    const auto good = core::required("kernel", true, "6.12", "a newer one");
    CHECK(bad.verdict == slurm::Verdict::bad);
    CHECK(warning.verdict == slurm::Verdict::warning);
    CHECK(good.remedy.empty());
    CHECK(slurm::is_ready({warning, good}));
    CHECK_FALSE(slurm::is_ready({good, bad}));
}

TEST_CASE("the outcome changes with verdicts and policies, not with what is merely found") {
    using Checks = std::vector<slurm::Check>;
    const auto outcome = [](bool good, const std::string& policy, const std::string& ports) {
        return slurm::outcome_of(Checks{core::required("key", good, "x", "y"),
                                        core::required("policy of enclave hel", true, policy, ""),
                                        core::advised("services", false, ports, "z")});
    };
    const auto before = outcome(true, "aa", "tcp 2000");
    CHECK(outcome(true, "aa", "tcp 3000") == before);
    CHECK(outcome(false, "aa", "tcp 2000") != before);
    CHECK(outcome(true, "bb", "tcp 2000") != before);
}

TEST_CASE("a report fits into a node's record, whatever was found") {
    const std::vector<slurm::Check> checks(
        50, core::required(std::string(24, 'w'), false, std::string(5000, 'f'), std::string(5000, 'r')));
    const auto json = slurm::to_json(checks);
    CHECK(json.dump().size() < (16 << 10) - 512);
    CHECK(json.at(0).at("verdict") == "bad");
    CHECK(json.at(0).at("required") == true);
}

TEST_CASE("a plugin tells its version without being loaded") {
    CHECK(slurm::plugin_version(std::string_view("\177ELF\0aloft-fence-version=0.1.0\0more", 34)) == "0.1.0");
    CHECK(slurm::plugin_version("\177ELF").empty());
    CHECK(slurm::plugin_version("").empty());
}

TEST_CASE(
    "what others than root can change: the file, or a folder above it in which they could put another") {
    CHECK(slurm::changed_by_others("/etc/ssh/authorized_keys/nobody").empty());
    CHECK(slurm::changed_by_others("/").empty());
    CHECK(slurm::changed_by_others("/tmp/absent/keys") == "/tmp");
    CHECK(slurm::changed_by_others("/proc/self/root") == "/proc/self/root");  // a link
}

TEST_CASE("a plugin that others could change, or that is a link to one, is none") {
    const test::Scratch scratch;  // below /tmp, where everybody may make files
    const fs::path plugin = scratch / "aloft_fence.so";
    CHECK(slurm::check_plugin(plugin).found == "absent");
    core::write_atomically(plugin, "\177ELF aloft-fence-version=" + std::string(core::version()) + '\0',
                           0644);
    const auto open_above = slurm::check_plugin(plugin);
    CHECK(open_above.verdict == slurm::Verdict::bad);
    CHECK_THAT(open_above.found, Catch::EndsWith(" can be changed by others than root"));
    fs::create_symlink(plugin, scratch / "link.so");
    CHECK_THAT(slurm::check_plugin(scratch / "link.so").found,
               Catch::EndsWith(" can be changed by others than root"));
    core::write_atomically(plugin, std::string("aloft-fence-version=0.0.0"), 0644);
    CHECK(slurm::check_plugin(plugin).found == "version 0.0.0");
    CHECK(slurm::check_plugin(plugin).verdict == slurm::Verdict::bad);
}

TEST_CASE("a plugin of this version that is root's alone is good") {
    if (::geteuid() != 0) {
        WARN("skipped: needs root");
        return;
    }
    std::string name = "/var/lib/aloft-test-XXXXXX";  // no folder of /tmp
    REQUIRE(::mkdtemp(name.data()));
    const fs::path folder = name;
    core::write_atomically(folder / "aloft_fence.so",
                           "aloft-fence-version=" + std::string(core::version()) + '\0', 0644);
    const auto check = slurm::check_plugin(folder / "aloft_fence.so");
    fs::create_directory_symlink(".", folder / "link");  // root's own
    CHECK(slurm::check_plugin(folder / "link/aloft_fence.so").verdict == slurm::Verdict::good);
    const test::Scratch scratch;
    fs::create_symlink(folder / "aloft_fence.so", scratch / "link.so");
    CHECK(slurm::check_plugin(scratch / "link.so").verdict == slurm::Verdict::bad);
    fs::create_directory_symlink(scratch.path(), folder / "out");
    fs::copy_file(folder / "aloft_fence.so", scratch / "aloft_fence.so");
    CHECK(slurm::check_plugin(folder / "out/aloft_fence.so").verdict == slurm::Verdict::bad);
    // A link to a link that is somebody else's, though both ends are root's.
    fs::create_directory(folder / "open");
    fs::create_directory_symlink("..", folder / "open/cur");
    REQUIRE(::chown((folder / "open").c_str(), 1234, 1234) == 0);
    fs::create_directory_symlink("open/cur", folder / "by");
    CHECK(slurm::check_plugin(folder / "by/aloft_fence.so").verdict == slurm::Verdict::bad);
    fs::create_directory_symlink("loop", folder / "loop");
    CHECK(slurm::check_plugin(folder / "loop/aloft_fence.so").verdict == slurm::Verdict::bad);
    fs::permissions(folder / "aloft_fence.so", fs::perms(0666));
    CHECK(slurm::check_plugin(folder / "aloft_fence.so").found ==
          (folder / "aloft_fence.so").string() + " can be changed by others than root");
    fs::remove_all(folder);
    CHECK(check.found == "version " + std::string(core::version()));
    CHECK(check.verdict == slurm::Verdict::good);
}

TEST_CASE("only a chain on output that drops keeps packets in") {
    const auto rules = [](const std::string& hook, const std::string& policy) {
        return R"({"nftables":[{"metainfo":{"version":"1"}},{"table":{"name":"t"}},{"chain":{"name":"c","hook":")" +
               hook + R"(","policy":")" + policy + R"("}}]})";
    };
    CHECK(slurm::drops_output(rules("output", "drop")));
    CHECK_FALSE(slurm::drops_output(rules("output", "accept")));
    CHECK_FALSE(slurm::drops_output(rules("input", "drop")));
    CHECK_FALSE(slurm::drops_output(R"({"nftables":[{"chain":7}]})"));
    CHECK_FALSE(slurm::drops_output("not json"));
    CHECK_FALSE(slurm::drops_output(""));
}

TEST_CASE("the default partition is not an enclave's own") {
    CHECK_FALSE(slurm::has_own_partition({}));
    CHECK_FALSE(slurm::has_own_partition({"0xffff", "0x7fff"}));
    CHECK(slurm::has_own_partition({"0xffff", "0x8012"}));
}

TEST_CASE("a version is compared number by number") {
    CHECK(slurm::is_at_least("0.5.18", "0.5.18"));
    CHECK(slurm::is_at_least("25.05.10", "25.05.9"));
    CHECK(slurm::is_at_least("1", "0.5.18"));
    CHECK_FALSE(slurm::is_at_least("0.5.15", "0.5.18"));
    CHECK_FALSE(slurm::is_at_least("22.05.8", "23.11.11"));
    CHECK_FALSE(slurm::is_at_least("23.11", "23.11.11"));
    CHECK_FALSE(slurm::is_at_least("", "0"));
}

TEST_CASE("each program that Prolog and Epilog start is a check, with where it comes from") {
    const test::Scratch root;
    const auto made = [&](const std::string& path) {
        core::make_directories((root.path() / path).parent_path());
        core::write_atomically(root.path() / path, "x", 0755);
    };
    const std::vector<std::string> paths{"bin/sh",          "usr/bin/squeue", "usr/bin/scontrol",
                                         "usr/bin/scancel", "usr/bin/srun",   "usr/sbin/nft"};
    for (const std::string& path : paths) made(path);
    CHECK(slurm::is_ready(slurm::check_programs(root.path())));
    for (const std::string& path : paths) {
        fs::remove(root.path() / path);
        const auto checks = slurm::check_programs(root.path());
        CHECK_FALSE(slurm::is_ready(checks));
        CHECK(std::count_if(checks.begin(), checks.end(), [&](const slurm::Check& one) {
                  return one.verdict == slurm::Verdict::bad && one.found == "/" + path + " is absent" &&
                         one.remedy.starts_with("install ");
              }) == 1);
        made(path);
    }
    core::make_directories(root.path() / "proc/driver/nvidia");  // GPUs, and nothing that looks at them
    CHECK_FALSE(slurm::is_ready(slurm::check_programs(root.path())));
    made("usr/bin/nvidia-smi");
    CHECK(slurm::is_ready(slurm::check_programs(root.path())));
}

TEST_CASE("the trial of the wall leaves no table") {
    if (::geteuid() != 0) {
        WARN("skipped: needs root");
        return;
    }
    const auto check = slurm::check_wall();
    INFO(check.found);
    CHECK(check.verdict == slurm::Verdict::good);
    CHECK(core::run_program({"/usr/sbin/nft", "list", "tables"}, "").output.find("aloft_trial") ==
          std::string::npos);
}

TEST_CASE("memory is given out by what SelectTypeParameters names, in any spelling") {
    for (const char* good :
         {"CR_Core_Memory", "CR_CORE_MEMORY", "CR_Memory", "CR_ONE_TASK_PER_CORE, cr_cpu_memory"})
        CHECK(slurm::gives_out_memory(good));
    for (const char* bad : {"", "CR_Core", "CR_Core,CR_LLN", "Memory"})
        CHECK_FALSE(slurm::gives_out_memory(bad));
}
