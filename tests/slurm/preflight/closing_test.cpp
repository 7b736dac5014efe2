#include "slurm/preflight/closing.h"

#include <catch2/catch.hpp>
#include <functional>
#include <sstream>

#include "core/base/files.h"
#include "support/scratch.h"

namespace {

namespace fs = std::filesystem;
constexpr const char* kWants = "etc/systemd/system/sysinit.target.wants/aloft-node-close.service";
constexpr const char* kLinked = "etc/systemd/system/aloft-node-close.service";
constexpr const char* kInstalled = "opt/aloft/lib/systemd/system/aloft-node-close.service";

// A node that is as it should be: the unit linked and enabled as systemctl does it, this boot's mark, a disk.
class Node {
public:
    Node() {
        write("proc/sys/kernel/random/boot_id", "1111\n");
        write("run/aloft-node-closed", "1111\n");
        fs::create_directories(root_ / "run/systemd/system");
        write(kInstalled,
              core::read_text(fs::path(std::getenv("ALOFT_SOURCE")) / "slurm/node/aloft-node-close.service"));
        link(kLinked, "/" + std::string(kInstalled));
        link(kWants, "/" + std::string(kInstalled));
        mounts("/dev/sda1 / ext4 rw,relatime 0 0\ntmpfs /run tmpfs rw 0 0\n");
    }
    void write(const fs::path& path, const std::string& text) const {
        core::make_directories((root_ / path).parent_path());
        core::write_atomically(root_ / path, text);
    }
    void link(const fs::path& path, const fs::path& to) const {
        core::make_directories((root_ / path).parent_path());
        fs::remove(root_ / path);
        fs::create_symlink(to, root_ / path);
    }
    void remove(const fs::path& path) const { fs::remove_all(root_ / path); }
    // Lines of "SOURCE POINT TYPE OPTIONS", as /proc/self/mounts has them.
    void mounts(const std::string& table) const {
        std::string info;
        std::istringstream lines(table);
        for (std::string source, point, type, options, rest;
             lines >> source >> point >> type >> options && std::getline(lines, rest);)
            info += "21 1 8:1 / " + point + " rw shared:1 - " + type + " " + source + " " + options + "\n";
        write("proc/self/mountinfo", info);
    }
    void folder(const fs::path& path) const { core::make_directories(root_ / path); }

    void keep() { site_keeps_it_ = true; }

    core::Check at(const std::string& what) const {
        for (const core::Check& one : slurm::check_closing(site_keeps_it_, root_))
            if (one.what == what) return one;
        throw std::runtime_error("no check " + what);
    }
    // Good; or what was found, where a remedy must be.
    std::string says(const std::string& what) const {
        const core::Check one = at(what);
        if (one.verdict == core::Verdict::good) return "good";
        return one.is_miss() && !one.remedy.empty() ? one.found : "no miss";
    }

private:
    test::Scratch scratch_;
    fs::path root_ = scratch_.path();
    bool site_keeps_it_ = false;
};

}  // namespace

TEST_CASE("a node that was closed at this boot, and will be at the next, is ready") {
    const Node node;
    for (const char* what : {"closed at boot", "closing at each boot", "memory of fellows"})
        CHECK(node.says(what) == "good");
}

TEST_CASE("a node that was not closed at this boot, or cannot tell, is not ready") {
    const Node node;
    node.write("run/aloft-node-closed", "2222\n");
    CHECK(node.says("closed at boot") == "at another boot");
    node.remove("run/aloft-node-closed");
    CHECK(node.says("closed at boot") == "nothing says so");
    node.remove("proc/sys/kernel/random/boot_id");
    CHECK(node.says("closed at boot") == "nothing says so");
    node.write("run/aloft-node-closed", "\n");
    CHECK(node.says("closed at boot") == "nothing says so");
}

TEST_CASE("the mark of a boot is the one that the check looks for") {
    const Node node;
    const test::Scratch scratch;
    slurm::mark_closed_at_boot(scratch / "mark");
    node.write("proc/sys/kernel/random/boot_id", core::read_text(scratch / "mark"));
    CHECK(node.says("closed at boot") == "at another boot");
    node.write("run/aloft-node-closed", core::read_text(scratch / "mark"));
    CHECK(node.says("closed at boot") == "good");
}

TEST_CASE("where systemd runs, the unit must be there, ours and enabled") {
    const Node node;
    const auto says = [&] { return node.says("closing at each boot"); };
    node.remove(kWants);
    CHECK(says() == "not enabled");
    node.link("usr/lib/systemd/system/sysinit.target.wants/aloft-node-close.service",
              "../aloft-node-close.service");
    CHECK(says() == "good");  // by the site's image
    node.link(kLinked, "/dev/null");
    CHECK(says() == "masked, or its file is gone");
    node.link(kLinked, "/" + std::string(kInstalled));
    node.remove(kInstalled);
    CHECK(says() == "masked, or its file is gone");
    node.remove(kLinked);
    CHECK(says() == "not installed");
    const std::string ours =
        core::read_text(fs::path(std::getenv("ALOFT_SOURCE")) / "slurm/node/aloft-node-close.service");
    for (const char* line : {"Before=network-pre.target", "aloft-node close"}) {
        std::string text = ours;
        for (std::size_t at; (at = text.find(line)) != std::string::npos;)
            text.erase(at, std::string(line).size());
        node.write(kLinked, text);
        CHECK(says() == "a unit of this name that is not ours");
    }
    node.write(kLinked, ours);
    CHECK(says() == "good");
}

TEST_CASE("without systemd nobody can see what starts it: a warning, and this boot's mark decides") {
    const Node node;
    node.remove("run/systemd");
    const core::Check next = node.at("closing at each boot");
    CHECK(next.verdict == core::Verdict::warning);
    CHECK(next.found == "no systemd here: what starts it cannot be seen");
    CHECK(node.says("closed at boot") == "good");
    node.remove("run/aloft-node-closed");
    CHECK(node.says("closed at boot") == "nothing says so");
}

TEST_CASE("a node's memory of its fellows lies on a disk that outlives a boot") {
    const Node node;
    const auto on = [&](const std::string& table) {
        node.mounts(table);
        const std::string said = node.says("memory of fellows");
        return said.starts_with("/var/lib/aloft-node: ") ? said.substr(21) : said;
    };
    const std::string disk = "/dev/sda1 / ext4 rw 0 0\n";
    CHECK(on("/dev/nvme0n1p2 / xfs rw 0 0\n") == "good");
    CHECK(on("tmpfs / tmpfs rw 0 0\n/dev/sda3 /var/lib/aloft-node btrfs rw 0 0\n") == "good");
    CHECK(on(disk + "tmpfs /var tmpfs rw 0 0\n") == "tmpfs, not a disk of this node's own");
    CHECK(on(disk + "tmpfs /var/lib/aloft tmpfs rw 0 0\n") == "good");  // of another folder
    CHECK(on("rootfs / rootfs rw 0 0\n") == "rootfs, not a disk of this node's own");
    CHECK(on("none / ramfs rw 0 0\n") == "ramfs, not a disk of this node's own");
    CHECK(on("server:/root / nfs4 rw 0 0\n") == "nfs4, not a disk of this node's own");
    CHECK(on("/dev/ram0 / ext4 rw 0 0\n") == "/dev/ram0, which a boot may empty");
    CHECK(on("/dev/zram1 / ext4 rw 0 0\n") == "/dev/zram1, which a boot may empty");
    CHECK(on("/dev/loop0 / ext4 rw 0 0\n") == "/dev/loop0, which a boot may empty");
    const std::string overlay =
        "overlay / overlay rw,lowerdir=/lower,upperdir=/cow/upper,workdir=/cow/work 0 0\n";
    CHECK(on(overlay) == "an overlay whose upper folder cannot be seen");
    node.folder("cow/upper");
    CHECK(on(overlay + "tmpfs /cow tmpfs rw 0 0\n") == "tmpfs, not a disk of this node's own");
    CHECK(on(overlay + "/dev/sdb1 /cow ext4 rw 0 0\n") == "good");
    CHECK(on(overlay) == "an overlay whose upper folder cannot be seen");  // it says that it lies on itself
    CHECK(on("overlay / overlay ro,lowerdir=/lower 0 0\n") == "overlay, not a disk of this node's own");
    CHECK(on("") == "no mount table");
    node.link("var/lib/aloft-node", "../../scratch");
    node.folder("scratch");
    CHECK(on(disk + "tmpfs /scratch tmpfs rw 0 0\n") == "tmpfs, not a disk of this node's own");
    node.link("var/lib/aloft-node", "aloft-node");
    CHECK(on(disk) == "cannot be found");
}

TEST_CASE("a site may say that a memory is kept which cannot be seen to be, and of no other") {
    Node node;
    node.keep();
    const auto on = [&](const std::string& table) {
        node.mounts(table);
        return node.says("memory of fellows") == "good";
    };
    CHECK(on("/dev/sda1 / ext4 rw 0 0\n"));
    CHECK(on("overlay / overlay rw,lowerdir=/lower,upperdir=/cow/upper,workdir=/cow/work 0 0\n"));
    CHECK(on("server:/root / nfs4 rw 0 0\n"));
    CHECK(on("/dev/loop0 / ext4 rw 0 0\n"));
    CHECK_THAT(node.at("memory of fellows").found, Catch::Contains("the site says that it is kept"));
    for (const char* table : {"tmpfs / tmpfs rw 0 0\n", "none / ramfs rw 0 0\n", "rootfs / rootfs rw 0 0\n",
                              "/dev/ram0 / ext4 rw 0 0\n", "/dev/zram1 / ext4 rw 0 0\n"}) {
        CAPTURE(table);
        CHECK_FALSE(on(table));
    }
    node.folder("cow/upper");
    CHECK_FALSE(
        on("overlay / overlay rw,lowerdir=/lower,upperdir=/cow/upper,workdir=/cow/work 0 0\n"
           "tmpfs /cow tmpfs rw 0 0\n"));
    node.link("var/lib/aloft-node", "aloft-node");
    CHECK_FALSE(on("/dev/sda1 / ext4 rw 0 0\n"));  // cannot be found at all
}

TEST_CASE("a damaged memory of fellows is named, as what keeps jobs from beginning") {
    Node node;
    node.write("var/lib/aloft-node/fellows", "10.0.0.11 hel\n10.0.0.12 hel\n");
    CHECK(node.says("memory of fellows") == "good");
    for (const char* text : {"", "10.0.0.11 hel", "10.0.0.11\n", "10.0.0.256 hel\n", "10.0.0.11 a/b\n"}) {
        node.write("var/lib/aloft-node/fellows", text);
        CHECK_THAT(node.says("memory of fellows"), Catch::Contains("fellows is damaged"));
        CHECK_THAT(node.at("memory of fellows").remedy, Catch::Contains("rm /var/lib/aloft-node/fellows"));
    }
    node.keep();  // what the site says of the disk says nothing of the file
    CHECK_THAT(node.says("memory of fellows"), Catch::Contains("damaged"));
}
