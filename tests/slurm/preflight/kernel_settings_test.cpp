#include "slurm/preflight/kernel_settings.h"

#include <catch2/catch.hpp>
#include <map>

#include "core/base/files.h"
#include "support/scratch.h"

namespace {

namespace fs = std::filesystem;

// A kernel whose settings are files.
class Kernel {
public:
    Kernel() {
        for (const auto& [name, value] : kGood) set(name, value);
    }
    void set(const std::string& name, const std::string& value) const {
        core::make_directories(file(name).parent_path());
        core::write_atomically(file(name), value + "\n");
    }
    void remove(const std::string& name) const { fs::remove(file(name)); }
    std::string value(const std::string& name) const { return slurm::first_line(file(name)); }
    fs::path root() const { return scratch_.path(); }

    core::Check at(const std::string& name) const {
        std::string dotted = name;
        for (char& c : dotted)
            if (c == '/') c = '.';
        for (const core::Check& one : slurm::check_kernel_settings(root()))
            if (one.what == dotted) return one;
        throw std::runtime_error("no check " + dotted);
    }
    bool is_good(const std::string& name) const { return at(name).verdict == core::Verdict::good; }

    static const std::map<std::string, std::string> kGood;

private:
    fs::path file(const std::string& name) const { return scratch_ / ("proc/sys/" + name); }
    test::Scratch scratch_;
};
const std::map<std::string, std::string> Kernel::kGood{{"kernel/dmesg_restrict", "1"},
                                                       {"debug/exception-trace", "0"},
                                                       {"kernel/unprivileged_bpf_disabled", "2"},
                                                       {"kernel/yama/ptrace_scope", "1"},
                                                       {"user/max_user_namespaces", "0"},
                                                       {"kernel/core_pattern", "core"}};
const std::vector<std::string> kRequired{"kernel/dmesg_restrict", "debug/exception-trace",
                                         "kernel/core_pattern"};
const std::vector<std::string> kAdvised{"kernel/unprivileged_bpf_disabled", "kernel/yama/ptrace_scope",
                                        "user/max_user_namespaces"};

}  // namespace

TEST_CASE("a kernel that is set as the fence counts on is good, and nothing else is looked at") {
    const Kernel kernel;
    CHECK(slurm::check_kernel_settings(kernel.root()).size() == Kernel::kGood.size());
    for (const auto& [name, value] : Kernel::kGood) {
        INFO(name);
        CHECK(kernel.is_good(name));
        CHECK(kernel.at(name).found == value);
        CHECK(kernel.at(name).remedy.empty());
    }
}

TEST_CASE("a kernel's log that jobs can write into or read makes a node unfit, what is closed twice warns") {
    const Kernel kernel;
    const std::map<std::string, std::string> wrong{{"kernel/dmesg_restrict", "0"},
                                                   {"debug/exception-trace", "1"},
                                                   {"kernel/unprivileged_bpf_disabled", "0"},
                                                   {"kernel/yama/ptrace_scope", "0"},
                                                   {"user/max_user_namespaces", "63"},
                                                   {"kernel/core_pattern", "|/usr/lib/handler %P"}};
    for (const auto& [name, value] : wrong) kernel.set(name, value);
    for (const std::string& name : kRequired) {
        INFO(name);
        CHECK(kernel.at(name).is_miss());
        CHECK(kernel.at(name).found == wrong.at(name));
        CHECK_FALSE(kernel.at(name).remedy.empty());
    }
    for (const std::string& name : kAdvised) {
        INFO(name);
        CHECK(kernel.at(name).verdict == core::Verdict::warning);
        CHECK_FALSE(kernel.at(name).remedy.empty());
    }
    kernel.set("kernel/dmesg_restrict", "-1");
    CHECK(kernel.at("kernel/dmesg_restrict").is_miss());
    kernel.set("debug/exception-trace", "-1");
    CHECK(kernel.at("debug/exception-trace").is_miss());
}

TEST_CASE("a setting that is absent, empty or no number is not as it should be") {
    const Kernel kernel;
    for (const auto& [name, good] : Kernel::kGood) {
        INFO(name);
        kernel.remove(name);
        CHECK_FALSE(kernel.is_good(name));
        CHECK(kernel.at(name).found == "absent");
        kernel.set(name, "");
        CHECK_FALSE(kernel.is_good(name));
        if (name == "kernel/core_pattern") continue;  // a name may be any
        for (const char* value : {"on", "0x1", "1 0", " 0", "99999999999"}) {
            kernel.set(name, value);
            CHECK_FALSE(kernel.is_good(name));
            CHECK(kernel.at(name).found == value);
        }
    }
}

TEST_CASE("the agent sets what is required and wrong, and leaves the rest as the site has it") {
    const Kernel kernel;
    kernel.set("kernel/dmesg_restrict", "0");
    kernel.set("debug/exception-trace", "1");
    for (const std::string& name : kAdvised) kernel.set(name, "7");
    kernel.set("kernel/core_pattern", "|/usr/lib/handler");
    slurm::apply_kernel_settings(kernel.root());
    CHECK(kernel.value("kernel/dmesg_restrict") == "1");
    CHECK(kernel.value("debug/exception-trace") == "0");
    for (const std::string& name : kAdvised) CHECK(kernel.value(name) == "7");
    CHECK(kernel.value("kernel/core_pattern") == "|/usr/lib/handler");
    kernel.set("kernel/dmesg_restrict", "2");  // stricter than wanted
    slurm::apply_kernel_settings(kernel.root());
    CHECK(kernel.value("kernel/dmesg_restrict") == "2");
    kernel.remove("debug/exception-trace");  // what cannot be set is left to the check
    fs::remove(kernel.root() / "proc/sys/debug");
    slurm::apply_kernel_settings(kernel.root());
    CHECK(kernel.at("debug/exception-trace").is_miss());
}
