#include "jobs/slurm/cluster_checks.h"

#include <catch2/catch.hpp>
#include <cstdlib>

#include "core/base/files.h"

using namespace jobs;
using Catch::Contains;

namespace {

const std::filesystem::path kFolder =
    std::filesystem::path(std::getenv("ALOFT_SOURCE")) / "tests/jobs/scontrol";

// What a real controller printed (scontrol/make), with an Aloft site's own lines.
SlurmSettings settings() {
    SlurmSettings made =
        parse_settings(core::read_text(kFolder / "config.txt"), core::read_text(kFolder / "partitions.txt"));
    made.config["JobSubmitPlugins"] = "aloft";
    for (Partition& one : made.partitions)  // the enclave's nodes are its own
        if (one.name != "hel") one.nodes = {"n3"};
    return made;
}

core::Enclave hel() {
    core::Enclave enclave;
    enclave.name = enclave.partition = "hel";
    enclave.nodes = {"n1", "n2"};
    return enclave;
}

std::string misses(const SlurmSettings& made, const core::Enclave& enclave = hel()) {
    std::string out;
    for (const Check& one : checks_of_slurm(enclave, made, "login")) {
        CHECK(one.remedy.empty() == (one.verdict == Verdict::good));
        if (one.is_miss()) out += one.what + ": " + one.found + "; ";
    }
    return out;
}

Partition& partition(SlurmSettings& made, const std::string& name) {
    return *std::find_if(made.partitions.begin(), made.partitions.end(),
                         [&](const Partition& one) { return one.name == name; });
}

}  // namespace

TEST_CASE("what scontrol prints is read") {
    const SlurmSettings made = settings();
    CHECK(made.value("Prolog") == "/opt/aloft/libexec/aloft/prolog");
    CHECK(made.value("KillWait") == "5 sec");
    CHECK(made.kill_wait_seconds() == 5);
    CHECK(SlurmSettings().kill_wait_seconds() == 30);
    REQUIRE(made.partitions.size() == 6);
    CHECK(made.partitions[1].name == "hel");
    CHECK(made.partitions[1].nodes == std::vector<std::string>{"n1", "n2"});
    CHECK(made.partitions[1].oversubscribe == "EXCLUSIVE");
    CHECK_FALSE(made.partitions[1].is_default);
    CHECK(made.partitions[0].is_default);
}

TEST_CASE("a site as configs/clusters has it passes") {
    CHECK(misses(settings()) == "");
}

TEST_CASE("each setting that the fence needs is a miss when it is not so") {
    const auto [key, value, what] = GENERATE(table<std::string, std::string, std::string>({
        {"JobSubmitPlugins", "(null)", "JobSubmitPlugins"},
        {"JobSubmitPlugins", "lua,aloftx", "JobSubmitPlugins"},
        {"Prolog", "(null)", "Prolog"},
        {"Epilog", "(null)", "Epilog"},
        {"PrologFlags", "X11", "PrologFlags"},
        {"PrologFlags", "Alloc,RunInJob", "PrologFlags"},
        {"SlurmctldParameters", "enable_configless,enable_stepmgr", "SlurmctldParameters"},
        {"KillWait", "60 sec", "KillWait"},
        {"PrivateData", "accounts,usage", "PrivateData"},
        {"ProctrackType", "proctrack/linuxproc", "ProctrackType"},
        {"TaskPlugin", "task/affinity", "TaskPlugin"},
        {"PlugStackConfig", "plugstack.conf", "PlugStackConfig"},
        {"OverTimeLimit", "10 min", "OverTimeLimit"},
        {"OverTimeLimit", "UNLIMITED", "OverTimeLimit"},
        {"PreemptMode", "GANG,SUSPEND", "PreemptMode"},
    }));
    SlurmSettings made = settings();
    made.config[key] = value;
    CHECK(misses(made) == what + ": " + (value == "(null)" ? "not set" : value) + "; ");
}

TEST_CASE("a list that holds what is needed among others passes") {
    SlurmSettings made = settings();
    made.config["JobSubmitPlugins"] = "all_partitions,aloft";
    made.config["PrologFlags"] = "Alloc,Contain,X11";
    CHECK(misses(made) == "");
}

TEST_CASE("without PlugStackConfig, plugstack.conf lies beside slurm.conf: a node looks into it") {
    SlurmSettings made = settings();
    made.config["PlugStackConfig"] = "(null)";
    CHECK(misses(made) == "");
}

TEST_CASE("what costs comfort only is a warning") {
    SlurmSettings made = settings();
    made.config["JobRequeue"] = "0";
    made.config["RequeueExit"] = "(null)";
    made.config["TaskProlog"] = "/etc/slurm/hello";
    made.config["PrologFlags"] = "Alloc";
    CHECK(misses(made) == "");
    int warnings = 0;
    for (const Check& one : checks_of_slurm(hel(), made, "login"))
        if (one.verdict == Verdict::warning && one.layer == "slurm" && one.what.find("partition") != 0)
            ++warnings;
    CHECK(warnings == 4);
}

TEST_CASE("the enclave's partition must be whole nodes, its own, and not the default") {
    SlurmSettings made = settings();
    SECTION("absent") {
        partition(made, "hel").name = "helen";
        CHECK_THAT(misses(made), Contains("partition hel: absent"));
    }
    SECTION("shared") {
        partition(made, "hel").oversubscribe = "NO";
        CHECK_THAT(misses(made), Contains("whole nodes: OverSubscribe=NO"));
    }
    SECTION("the default") {
        partition(made, "hel").is_default = true;
        CHECK_THAT(misses(made), Contains("not the default"));
    }
    SECTION("a limit of its own") {
        partition(made, "hel").over_time_limit = "5";
        CHECK_THAT(misses(made), Contains("the partition's OverTimeLimit: 5"));
    }
    SECTION("with a node of others") {
        core::Enclave small = hel();
        small.nodes = {"n1"};
        CHECK_THAT(misses(made, small), Contains("only its nodes: also n2"));
    }
    SECTION("without nodes") {
        partition(made, "hel").nodes.clear();
        CHECK_THAT(misses(made), Contains("only its nodes: no nodes"));
    }
}

TEST_CASE("what runs a user's code or a user's options beside the fence is a miss") {
    const auto [key, value] = GENERATE(
        table<std::string, std::string>({{"TaskEpilog", "/etc/slurm/clean"},
                                         {"JobContainerType", "job_container/tmpfs"},
                                         {"CliFilterPlugins", "cli_filter/lua,cli_filter/user_defaults"},
                                         {"UsePAM", "1"}}));
    SlurmSettings made = settings();
    made.config[key] = value;
    CHECK(misses(made) == key + ": " + value + "; ");
}

TEST_CASE("slurmdbd hides jobs and usage, or the enclave stays closed") {
    SlurmSettings made = settings();
    made.config["AccountingStorageType"] = "accounting_storage/slurmdbd";
    const auto dbd = [](const std::string& hides) {
        return "PrivateData = jobs\n\nSlurmDBD configuration:\nPidFile = /run/x\nPrivateData            = " +
               hides + "\n";
    };
    made.accounting = dbd("jobs,usage");
    CHECK(misses(made) == "");
    made.accounting = dbd("none");
    CHECK_THAT(misses(made), Contains("slurmdbd's PrivateData: none"));
    made.accounting = dbd("usage");
    CHECK_THAT(misses(made), Contains("slurmdbd's PrivateData"));
    made.accounting = "";  // nobody could ask
    CHECK_THAT(misses(made), Contains("slurmdbd's PrivateData: not told"));
}

TEST_CASE("another partition that offers the enclave's nodes is a miss, however it shares them") {
    SlurmSettings made = settings();
    for (const char* shares : {"NO", "EXCLUSIVE", "FORCE:4"}) {
        partition(made, "open").nodes = {"n2", "n3"};
        partition(made, "open").oversubscribe = shares;
        CHECK_THAT(misses(made), Contains("partition open on the same nodes: offers n2"));
    }
}
