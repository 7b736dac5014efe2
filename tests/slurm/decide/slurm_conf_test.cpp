#include "slurm/decide/slurm_conf.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <regex>
#include <set>
#include <sstream>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/policy/slurm_lines.h"
#include "core/policy/slurm_settings.h"
#include "support/scratch.h"

TEST_CASE("slurm.conf gives controllers, port, spool and plugstack") {
    const auto conf = slurm::parse_slurm_conf(
        "# SlurmctldHost=not\nslurmctldhost=ctld(10.0.0.2)\nSlurmctldHost=backup # second\n  "
        "SLURMDPORT=7000\n"
        "SlurmdSpoolDir=/var/spool/%n\nPlugStackConfig=/etc/x.conf\nNodeName=a CPUs=4\n");
    CHECK(conf.controllers == std::vector<std::string>{"10.0.0.2", "backup"});
    CHECK(conf.slurmd_port == 7000);
    CHECK(conf.plugstack == "/etc/x.conf");
    CHECK(slurm::spool_on(conf, "node7") == "/var/spool/node7");
    CHECK_THROWS_AS(slurm::parse_slurm_conf("NodeName=a\n"), core::Error);
    CHECK_THROWS_AS(slurm::parse_slurm_conf("SlurmctldHost=a\nSlurmdPort=x\n"), core::Error);
}

TEST_CASE("any other line of slurm.conf is found by its key, in any case") {
    const auto conf = slurm::parse_slurm_conf(
        "SlurmctldHost=a\nkillWAIT=45 # long\nJobSubmitPlugins=lua,Aloft\nPrologFlags=Alloc,Contain\n");
    CHECK(conf.value("killwait") == "45");
    CHECK(conf.value("overtimelimit", "0") == "0");
    CHECK(conf.lists("jobsubmitplugins", "aloft"));
    CHECK(conf.lists("prologflags", "alloc"));
    CHECK_FALSE(conf.lists("jobsubmitplugins", "alof"));
    CHECK_FALSE(conf.lists("launchparameters", "x"));
}

TEST_CASE("lines that go on, that are included, and that have spaces say what they say to Slurm") {
    const test::Scratch scratch;
    core::write_atomically(
        scratch / "slurm.conf",
        "include hosts.conf # first\nKillWait = 45\nNodeName=b \\ \n NodeAddr=10.0.0.4\nInclude " +
            (scratch / "more.conf").string() + "\n");
    core::write_atomically(scratch / "hosts.conf", "SlurmctldHost=ctld(10.0.0.2)\n");
    core::write_atomically(scratch / "more.conf", "SlurmdPort=7000\nNodeName=a NodeAddr=10.0.0.3 \\");
    const auto conf = slurm::load_slurm_conf(scratch / "slurm.conf");
    CHECK(conf.controllers == std::vector<std::string>{"10.0.0.2"});
    CHECK(conf.value("killwait") == "45");
    CHECK(conf.slurmd_port == 7000);
    CHECK(conf.node_lines ==
          std::vector<std::string>{"NodeName=b  NodeAddr=10.0.0.4", "NodeName=a NodeAddr=10.0.0.3"});
    std::filesystem::remove(scratch / "more.conf");
    CHECK_THROWS_AS(slurm::load_slurm_conf(scratch / "slurm.conf"), core::Error);
}

TEST_CASE("backslashes and comments are read as Slurm reads them") {
    using Lines = std::vector<std::string>;
    CHECK(core::slurm_lines("Gres=gpu:a100:4,\\\ngpu:v100:2\n") == Lines{"Gres=gpu:a100:4,gpu:v100:2"});
    CHECK(core::slurm_lines("a=1 \\ \t\nb=2") == Lines{"a=1 b=2"});
    CHECK(core::slurm_lines("a=\\#1 # a comment\nb=2") == Lines{"a=#1", "b=2"});
    CHECK(core::slurm_lines("a=1\\\\\nb=2") == Lines{"a=1\\", "b=2"});
    CHECK(core::slurm_lines("# a comment \\\nb=2") == Lines{"b=2"});
    CHECK(core::slurm_lines("\n  \n\\\n\r\n").empty());
}

TEST_CASE("plugstack.conf lies beside slurm.conf unless it says otherwise") {
    const test::Scratch scratch;
    core::write_atomically(scratch / "slurm.conf", "SlurmctldHost=a\n");
    CHECK(slurm::load_slurm_conf(scratch / "slurm.conf").plugstack == scratch / "plugstack.conf");
    core::write_atomically(scratch / "slurm.conf", "SlurmctldHost=a\nPlugStackConfig=plugstack.conf\n");
    CHECK(slurm::load_slurm_conf(scratch / "slurm.conf").plugstack == "plugstack.conf");  // Slurm's own words
}

TEST_CASE("a host goes by its own slurm.conf, or by what slurmd has fetched, never by one of two") {
    const test::Scratch scratch;
    const auto own = scratch / "etc/slurm.conf", cache = scratch / "conf-cache", run = scratch / "run";
    const auto here = [&] { return slurm::slurm_conf_here(own, run / "slurm.conf"); };
    std::filesystem::create_directory(scratch / "etc");
    std::filesystem::create_directory(cache);
    CHECK(here() == own);  // whoever reads it says that it is not there
    core::write_atomically(cache / "slurm.conf", "SlurmctldHost=fetched\n");
    std::filesystem::create_symlink(cache, run);  // as slurmd does
    CHECK(here() == run / "slurm.conf");
    core::write_atomically(own, "SlurmctldHost=fetched\n");  // the same for now
    CHECK_THROWS_AS(here(), core::Error);
    std::filesystem::remove_all(cache);  // the link leads nowhere
    CHECK(here() == own);
    std::filesystem::remove(run);
    std::filesystem::create_symlink(scratch / "etc", run);  // one file by two names
    CHECK(here() == own);
    std::filesystem::remove(run);
    std::filesystem::create_directory(run);
    std::filesystem::create_symlink(own, run / "slurm.conf");  // the same file, but not the files beside it
    CHECK_THROWS_AS(here(), core::Error);
}

TEST_CASE("the examples have what the fence needs of Slurm, and nothing that it warns of") {
    const auto clusters = std::filesystem::path(std::getenv("ALOFT_SOURCE")) / "configs/clusters";
    const auto* name = GENERATE("slurm.conf.example", "slurm-production.conf.example");
    const auto conf = slurm::load_slurm_conf(clusters / name);
    const auto checks = core::judge_slurm_settings(
        [&](std::string_view setting) { return conf.value(core::small_letters(setting)); });
    REQUIRE(checks.size() > 15);
    for (const core::Check& one : checks) {
        CAPTURE(name, one.what, one.found);
        CHECK(one.verdict == core::Verdict::good);
    }
    CHECK(slurm::requires_fence(core::read_text(clusters / "plugstack.conf.example"),
                                "/opt/aloft/lib/slurm/aloft_fence.so"));
}

// The keys of slurm.conf whose reason stands nowhere: neither directly above, nor by name in a comment. A title (# ---) is no reason.
std::set<std::string> unexplained(const std::string& text) {
    // What a cluster is made of needs no reason.
    std::set<std::string> keys, told{"ClusterName", "SlurmctldHost", "NodeName", "PartitionName"};
    std::istringstream lines(text);
    bool is_below = false;
    for (std::string line; std::getline(lines, line);) {
        const auto key = line.substr(0, line.find('='));
        if (line.rfind('#', 0) == 0) {
            std::istringstream words(std::regex_replace(line, std::regex("[^A-Za-z]+"), " "));
            for (std::string word; words >> word;) told.insert(word);
        } else if (!line.empty()) {
            keys.insert(key);
            if (is_below) told.insert(key);
        }
        is_below = line.rfind('#', 0) == 0 && line.rfind("# ---", 0) != 0;
    }
    for (const std::string& key : told) keys.erase(key);
    return keys;
}

TEST_CASE("the examples say why for each setting") {
    const auto clusters = std::filesystem::path(std::getenv("ALOFT_SOURCE")) / "configs/clusters";
    const auto* name = GENERATE("slurm.conf.example", "slurm-production.conf.example");
    const std::string text = core::read_text(clusters / name);
    CAPTURE(name);
    CHECK(unexplained(text) == std::set<std::string>{});
    CHECK(unexplained("# --- Title.\n" + text.substr(text.find("JobSubmitPlugins=")))
              .contains("JobSubmitPlugins"));
    CHECK(unexplained(text + "\nFirstJobId=1\nGresTypes=gpu\n").contains("FirstJobId"));
}

TEST_CASE("only `required` fences, and only by the plugin's whole path") {
    const std::string plugin = "/opt/aloft/lib/slurm/aloft_fence.so";
    const auto fences = [&](const std::string& text) { return slurm::requires_fence(text, plugin); };
    CHECK(fences("# x\nrequired " + plugin + " spool=/x\n"));
    CHECK(fences("include /etc/more/*\n  required " + plugin));
    CHECK_FALSE(fences("optional " + plugin + "\n"));
    CHECK_FALSE(fences("#required " + plugin + "\n"));
    CHECK_FALSE(fences("required /opt/other.so " + plugin + "\n"));
    CHECK(fences("required /x/other.so\nrequired " + plugin + "\n# the end\n"));
    CHECK_FALSE(fences("required " + plugin + "\nrequired /x/other.so"));
    CHECK_FALSE(fences("required " + plugin + "\ninclude /etc/more/*"));
    CHECK_FALSE(fences(""));
    // Slurm went on without a plugin that was not there, and called the job completed.
    CHECK_FALSE(fences("required /nonexistent/aloft_fence.so"));
    CHECK_FALSE(fences("required aloft_fence.so"));
    CHECK_FALSE(fences("required /tmp/aloft_fence.so"));
    CHECK_FALSE(fences("required " + plugin + ".old"));
}
