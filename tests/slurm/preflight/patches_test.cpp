#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "core/base/child.h"
#include "core/base/files.h"
#include "slurm/preflight/preflight.h"
#include "support/scratch.h"

namespace {

namespace fs = std::filesystem;
constexpr const char *kMunge = "munge CVE-2026-25506", *kSlurm = "slurmd CVE-2023-41914",
                     *kLater = "slurmd CVE-2026-65107";

// A node whose programs say what a test lets them say.
class Node {
public:
    void says(const std::string& program, const std::string& option, const std::string& text) const {
        write("usr/sbin/" + program,
              "#!/bin/sh\n[ \"$*\" = " + option + " ] && printf '%s\\n' '" + text + "'\n", 0755);
    }
    void changelog(const std::string& package, const std::string& text) const {
        const std::string file = "usr/share/doc/" + package + "/changelog.Debian";
        fs::remove(root_.path() / (file + ".gz"));
        write(file, text, 0644);
        REQUIRE(core::run_program({"/usr/bin/gzip", (root_.path() / file).string()}, "").code == 0);
    }
    void damage_changelog(const std::string& package) const {
        write("usr/share/doc/" + package + "/changelog.Debian.gz", "no gzip: CVE-2026-25506", 0644);
    }
    core::Check at(const std::string& what) const {
        const auto checks = slurm::check_patches(root_.path());
        CHECK(checks.size() == 3);
        for (const core::Check& one : checks)
            if (one.what == what) return one;
        throw std::runtime_error("no check " + what);
    }

private:
    void write(const fs::path& path, const std::string& text, mode_t mode) const {
        core::make_directories((root_.path() / path).parent_path());
        core::write_atomically(root_.path() / path, text, mode);
    }
    test::Scratch root_;
};

}  // namespace

TEST_CASE("a version that has the patch is good, whatever the changelog says") {
    const Node node;
    node.says("munged", "--version", "munge-0.5.18 (2026-02-10)");
    node.says("slurmd", "-V", "slurm-wlm 25.05.9");
    for (const char* what : {kMunge, kSlurm, kLater}) CHECK(node.at(what).verdict == core::Verdict::good);
    CHECK(node.at(kMunge).found == "0.5.18, mended");
    CHECK(node.at(kLater).found == "25.05.9, mended");
    node.says("slurmd", "-V", "slurm 23.11.11-2\nlibrary 99.0");  // the first line counts
    CHECK(node.at(kSlurm).verdict == core::Verdict::good);
    CHECK(node.at(kLater).verdict == core::Verdict::warning);
}

TEST_CASE("an old version without a changelog is a miss, and the remedy names version and faults") {
    const Node node;
    node.says("munged", "--version", "munge-0.5.15 (2022-06-22)");
    node.says("slurmd", "-V", "slurm-wlm 22.05.8");
    CHECK(node.at(kMunge).is_miss());
    CHECK(node.at(kMunge).found == "0.5.15, and its changelog does not name CVE-2026-25506");
    CHECK(node.at(kMunge).remedy ==
          "upgrade munge to 0.5.18, or to a package whose changelog names CVE-2026-25506");
    CHECK(node.at(kSlurm).is_miss());
    CHECK(node.at(kLater).verdict == core::Verdict::warning);
    CHECK(node.at(kLater).found == "22.05.8, and its changelog does not name CVE-2026-65107 CVE-2026-65108");
}

TEST_CASE("a distribution that mended an old version counts once its changelog names every fault") {
    const Node node;
    node.says("munged", "--version", "munge-0.5.15 (2022-06-22)");
    node.says("slurmd", "-V", "slurm-wlm 22.05.8");
    node.changelog("munge", "munge (0.5.15-2+deb12u1)\n\n  * Fix CVE-2026-25506: overflow.\n");
    CHECK(node.at(kMunge).verdict == core::Verdict::good);
    CHECK(node.at(kMunge).found == "0.5.15, mended");
    node.changelog("slurmd", "  * CVE-2023-41914, CVE-2023-49933, CVE-2023-49937\n");
    CHECK(node.at(kSlurm).is_miss());
    CHECK(node.at(kSlurm).found == "22.05.8, and its changelog does not name CVE-2025-43904");
    node.changelog("slurmd", "  * CVE-2025-43904\n  * CVE-2023-41914, CVE-2023-49933, CVE-2023-49937\n");
    CHECK(node.at(kSlurm).verdict == core::Verdict::good);
    CHECK(node.at(kLater).verdict == core::Verdict::warning);
    node.damage_changelog("munge");
    CHECK(node.at(kMunge).is_miss());
}

TEST_CASE("a release is mended by its own series, not by the number of another") {
    const std::vector<std::string> from{"23.11.11", "24.05.8", "24.11.5", "25.05.0"};
    for (const char* good :
         {"23.11.11", "23.11.12", "24.05.8", "24.11.5", "24.11.10", "25.05.0", "25.11.0", "26.05.1"})
        CHECK(slurm::is_mended(good, from));
    for (const char* bad : {"22.05.8", "23.02.7", "23.11.10", "24.05.7", "24.11.4", "24.08.9", "24", ""})
        CHECK_FALSE(slurm::is_mended(bad, from));
}

TEST_CASE("a program that is absent, fails or tells no version is not known to be mended") {
    const Node node;
    for (const char* what : {kMunge, kSlurm}) {
        CHECK(node.at(what).is_miss());
        CHECK(node.at(what).found == "not installed here");
    }
    node.says("munged", "--other", "munge-0.5.18 (2026-02-10)");  // it fails
    node.says("slurmd", "-V", "slurm 99");
    CHECK(node.at(kMunge).is_miss());
    CHECK(node.at(kSlurm).is_miss());
    node.says("slurmd", "-V", "slurm\nlibrary 99.0");  // only its first line is about itself
    CHECK(node.at(kSlurm).is_miss());
    node.says("slurmd", "-V", "");
    CHECK(node.at(kSlurm).is_miss());
}
