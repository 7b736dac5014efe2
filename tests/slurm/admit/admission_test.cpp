#include "slurm/admit/admission.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "slurm/admit/script.h"

namespace {

constexpr std::int64_t kNow = 1'800'000'000;

core::Enclave enclave() {
    core::Enclave one;
    one.images = {{"monai", "/srv/images/monai.sqfs", std::string(64, 'a')}};
    one.name = one.partition = "hel";
    one.accounts = {"e-alice"};
    one.nodes = {"node1", "node2", "node3"};
    one.max_minutes = 600;
    return one;
}

core::Grant grant(std::int64_t seconds) {
    core::Grant one;
    one.id = "G-1";
    one.account = "e-alice";
    one.enclave = "hel";
    one.not_after = kNow + seconds;
    return one;
}

slurm::Request request() {
    slurm::Request one;
    one.account = "e-alice";
    one.script = "#!/bin/sh\ntrue\n";
    one.known = {{"a100"}, {"a100", "nvme"}};
    return one;
}

slurm::Admitted admit(const slurm::Request& what, std::int64_t seconds = 86400) {
    return slurm::admit(what, enclave(), grant(seconds), kNow, 5);
}

}  // namespace

TEST_CASE("an enclave's account and its partition belong together") {
    const std::vector<core::Enclave> enclaves{enclave()};
    CHECK(slurm::enclave_of(enclaves, "e-alice", "hel")->name == "hel");
    CHECK(slurm::enclave_of(enclaves, "e-alice", "")->name == "hel");
    CHECK(slurm::enclave_of(enclaves, "carol", "open") == std::nullopt);
    CHECK(slurm::enclave_of(enclaves, "carol", "") == std::nullopt);
    CHECK(slurm::enclave_of(enclaves, "carol", "hello,hel2") == std::nullopt);
    for (const char* partition : {"open", "open,hel", "hel,open", "hel,", "hel,hel"})
        CHECK_THROWS_WITH(slurm::enclave_of(enclaves, "e-alice", partition),
                          Catch::Contains("--partition=hel alone"));
    for (const char* partition : {"hel", "open,hel", "hel,open"})
        CHECK_THROWS_WITH(slurm::enclave_of(enclaves, "carol", partition),
                          Catch::Contains("belongs to an enclave"));
}

TEST_CASE("what cannot be fenced is refused") {
    auto what = request();
    SECTION("no script") {
        what.script.reset();
    }
    SECTION("empty script") {
        what.script = "";
    }
    SECTION("a script that is too long") {
        what.script = std::string(slurm::kLimitBytes + 1, 'x');
    }
    SECTION("an environment that is too large") {
        what.environment = {"A=" + std::string(slurm::kLimitBytes + 1, 'x')};
    }
    SECTION("output elsewhere") {
        what.std_out = "/home/e-alice/out";
    }
    SECTION("output up and away") {
        what.std_err = "a/../../out";
    }
    SECTION("input from elsewhere") {
        what.std_in = "/etc/passwd";
    }
    SECTION("output beside the workspace") {
        what.std_out = "/aloft/workspace-2/out";
    }
    SECTION("a resource that is no GPU") {
        what.gpus.per_task = "gres:gpu:2,gres:licence:3";
    }
    SECTION("a GPU with a text") {
        what.gpus.per_job = "gres:gpu:a b:2";
    }
    SECTION("a list of GPUs, which could be a text") {
        what.gpus.per_node = "gres:gpu:1,gres:gpu:7";
    }
    SECTION("cores for each of something else") {
        what.gpus.cores = "gres:licence:4";
    }
    SECTION("memory for each GPU beyond any node's") {
        what.gpus.memory = "gres:gpu:1073741825";
    }
    SECTION("a type of GPU that no node has") {
        what.gpus.per_task = "gres:gpu:wang1945:2";
    }
    SECTION("a feature that no node has") {
        what.features = "a100&wang1945";
    }
    SECTION("features in an order and number of one's choice") {
        what.features = "[a*1&b*2]";
    }
    SECTION("more nodes than the enclave has") {
        what.nodes = 4;
    }
    SECTION("a node that the enclave does not have") {
        what.wanted = {"node1", "node7"};
    }
    SECTION("a node that the enclave does not have, to be avoided") {
        what.unwanted = {"PatientWang"};
    }
    SECTION("a beginning far away") {
        what.begin = kNow + 31 * 86400;
    }
    SECTION("arguments that are too long") {
        what.arguments = {std::string(slurm::kLimitBytes + 1, 'x')};
    }
    SECTION("another account's grant") {
        what.account = "e-bob";
    }
    try {
        admit(what);
        FAIL("was admitted");
    } catch (const core::Error& e) {
        CHECK(e.fault() == core::Fault::refused);
    }
}

TEST_CASE("files lie in the workspace, wherever the user called from") {
    auto what = request();
    what.work_dir = "/home/e-alice";
    const auto admitted = admit(what);
    CHECK(admitted.work_dir == "/aloft/workspace");
    CHECK(admitted.std_out == "/aloft/workspace/slurm-%j.out");
    CHECK(admitted.std_err.empty());
    CHECK(admitted.std_in == "/dev/null");
    CHECK(admitted.notes.empty());
}

TEST_CASE("a job's name, folder and files are not its user's to choose, and the user is told") {
    auto what = request();
    what.work_dir = "/aloft/workspace/wang";
    what.std_out = "logs/wang-%j.out";
    what.std_in = "wang.csv";
    const auto admitted = admit(what);
    CHECK(admitted.name == "aloft");
    CHECK(admitted.work_dir == "/aloft/workspace");
    CHECK(admitted.std_out == "/aloft/workspace/slurm-%j.out");
    CHECK(admitted.std_in == "/dev/null");
    REQUIRE(admitted.notes.size() == 2);
    CHECK_THAT(admitted.notes[0], Catch::Contains("slurm-%j.out in your workspace"));
    CHECK_THAT(admitted.notes[1], Catch::Contains("no standard input"));
    const auto call =
        std::find_if(admitted.environment.begin(), admitted.environment.end(),
                     [](const std::string& one) { return one.starts_with("ALOFT_USER_CALL="); });
    CHECK(slurm::unpack_call(std::string_view(*call).substr(16)).folder == "/aloft/workspace/wang");
}

TEST_CASE("of an array its size is kept, and no list of numbers") {
    auto what = request();
    for (const char* size : {"0-9", "1-1000", "0-99%7", "0", "1", "0-0"}) {
        what.array = size;
        CHECK(admit(what).array == size);
        CHECK(admit(what).std_out == "/aloft/workspace/slurm-%A_%a.out");
    }
    what.array = "1-9%12";
    CHECK(admit(what).array == "1-9");
    for (const char* text : {"104,105,32", "2-9", "7", "0-9:3", "1-", "-9", "0-9,11", "0-99999999", "3-1",
                             "1-0", "0-9%", "x", "0-9%1%1", " 0-9"}) {
        what.array = text;
        CHECK_THROWS_WITH(admit(what), Catch::Contains("--array"));
    }
}

TEST_CASE("nodes are the enclave's, sorted, each once") {
    auto what = request();
    what.wanted = {"node3", "node1", "node3"};
    what.unwanted = {"node2"};
    what.nodes = 3;
    CHECK(admit(what).wanted == "node1,node3");
    CHECK(admit(what).unwanted == "node2");
    what.nodes = 4;
    CHECK_THROWS_WITH(admit(what), Catch::Contains("enclave hel has 3 nodes"));
}

TEST_CASE("GPUs and features are as asked, in one way of writing them") {
    auto what = request();
    what.gpus = {"gpu:02", "gres:gpu:a100:2", "gpu", "gres/gpu:1", "gres:gpu:8", "gres:gpu:16384"};
    what.features = "nvme&a100&nvme";
    const auto admitted = admit(what);
    CHECK(admitted.gpus.per_job == "gres:gpu:2");
    CHECK(admitted.gpus.per_node == "gres:gpu:a100:2");
    CHECK(admitted.gpus.per_socket == "gres:gpu");
    CHECK(admitted.gpus.per_task == "gres:gpu:1");
    CHECK(std::count(admitted.environment.begin(), admitted.environment.end(), "SLURM_GPUS_PER_TASK=1") == 1);
    CHECK(admitted.gpus.cores == "gres:gpu:8");
    CHECK(admitted.gpus.memory == "gres:gpu:16384");
    CHECK(admitted.features == "a100&nvme");
    CHECK(admit(request()).gpus.per_node.empty());
}

TEST_CASE("how long before its end a job is warned, its own limit says") {
    auto what = request();
    what.minutes = 5;
    CHECK(admit(what).warning_seconds == 60);
    CHECK(admit(request()).warning_seconds == 120);
}

TEST_CASE("a job begins at a full hour, or at once") {
    auto what = request();
    what.begin = kNow - 5;
    CHECK(admit(what).begin == 0);
    what.begin = kNow + 1234;
    const auto later = admit(what);
    CHECK(later.begin % 3600 == 0);
    CHECK(later.begin >= what.begin);
    CHECK(later.begin < what.begin + 3600);
    CHECK(later.notes.size() == 1);
    what.begin = kNow + 90000;
    CHECK_THROWS_WITH(admit(what), Catch::Contains("no job can end in time"));  // after the grant
}

TEST_CASE("a time that is cut is said so") {
    auto what = request();
    what.minutes = 700;
    REQUIRE(admit(what, 86400).notes.size() == 1);
    CHECK_THAT(admit(what, 86400).notes[0], Catch::Contains("600 minutes: the most that enclave hel gives"));
    what.minutes = 120;
    REQUIRE(admit(what, 3600).notes.size() == 1);
    CHECK_THAT(admit(what, 3600).notes[0], Catch::Contains("grant G-1 ends then"));
    CHECK(admit(what, 86400).notes.empty());
    CHECK(admit(request(), 3600).notes.empty());
}

TEST_CASE("the wrapper is the interpreter, and the user's text is kept") {
    const auto admitted = admit(request());
    CHECK(admitted.script == "#!/opt/aloft/libexec/aloft/aloft-run\n#!/bin/sh\ntrue\n");
    CHECK(slurm::user_script(admitted.script) == "#!/bin/sh\ntrue\n");
}

TEST_CASE("no variable of the user's reaches the wrapper by its own name") {
    auto what = request();
    what.environment = {"LD_PRELOAD=/aloft/workspace/evil.so",
                        "SLURM_CONF=/aloft/workspace/slurm.conf",
                        "SLURM_PROLOG=x",
                        "BASH_ENV=x",
                        "PATH=/aloft/workspace",
                        "SLURM_GET_USER_ENV=1",
                        "EPOCHS=3"};
    what.tasks = 4;
    const auto admitted = admit(what);
    for (const std::string& variable : admitted.environment)
        for (const char* name :
             {"LD_PRELOAD=", "SLURM_CONF=", "SLURM_PROLOG=", "BASH_ENV=", "SLURM_GET_USER_ENV=", "EPOCHS="})
            CHECK_FALSE(variable.starts_with(name));
    const auto has = [&](const std::string& variable) {
        return std::count(admitted.environment.begin(), admitted.environment.end(), variable) == 1;
    };
    CHECK(has("PATH=/usr/bin:/bin"));
    CHECK(has("SLURM_NTASKS=4"));
    const auto packed =
        std::find_if(admitted.environment.begin(), admitted.environment.end(),
                     [](const std::string& one) { return one.starts_with("ALOFT_USER_ENV="); });
    const auto inside = slurm::unpack_environment(std::string_view(*packed).substr(15));
    CHECK(inside == std::vector<std::string>{"LD_PRELOAD=/aloft/workspace/evil.so", "BASH_ENV=x",
                                             "PATH=/aloft/workspace", "EPOCHS=3"});
}

TEST_CASE("no job outlives its grant") {
    const std::int64_t seconds = GENERATE(165, 200, 3600, 86400, 400 * 86400);
    auto what = request();
    what.minutes = GENERATE(std::optional<std::uint32_t>(), 1u, 59u, 100'000u);
    const auto admitted = admit(what, seconds);
    CHECK(admitted.minutes >= 1);
    CHECK(admitted.minutes <= 600);
    CHECK(admitted.minutes * 60 + 30 + 5 <= seconds);  // Slurm looks once a minute, then waits KillWait
    CHECK(admitted.deadline < kNow + seconds);
    if (admitted.deadline)
        CHECK(admitted.deadline >= kNow + 60 * (admitted.minutes + 1));  // it may wait a minute
    if (what.minutes) CHECK(admitted.minutes <= *what.minutes);
}

TEST_CASE("a job that its grant caps may wait: Slurm's deadline would cancel it in the queue") {
    CHECK(admit(request(), 3600).deadline == 0);
    auto what = request();
    what.minutes = 10;
    CHECK(admit(what, 3600).deadline > kNow + 2400);
}

TEST_CASE("a grant that ends at once admits nothing") {
    const std::int64_t seconds = GENERATE(-1, 0, 60, 104);
    CHECK_THROWS_WITH(admit(request(), seconds), Catch::Contains("no job can end in time"));
}

TEST_CASE("an image that the submission names goes on to Prolog if the enclave has it, and no other text") {
    const auto has = [](const slurm::Admitted& admitted, const std::string& text) {
        return std::ranges::count(admitted.prolog_environment, text) == 1;
    };
    auto what = request();
    what.image = slurm::wished({"A=1", "ALOFT_IMAGE=monai", "ALOFT_IMAGES=x"}, core::kImageVariable);
    CHECK(has(admit(what), "SPANK_ALOFT_IMAGE=monai@sha256:" + std::string(64, 'a')));
    for (const char* bad : {"mona", "monai\n", "the key is 0123"}) {
        what.image = bad;
        CHECK_THROWS_WITH(admit(what), Catch::Contains("has no image of that name; it has monai") &&
                                           !Catch::Contains("0123"));
    }
    what.image.clear();
    CHECK(admit(what).prolog_environment.empty());
}

TEST_CASE("a grant that the submission names goes on to Prolog, and no other text") {
    auto what = request();
    CHECK(admit(what).prolog_environment.empty());
    what.grant = "G-1";
    CHECK(admit(what).prolog_environment == std::vector<std::string>{"SPANK_ALOFT_GRANT=G-1"});
    what.grant = "G-2";
    CHECK_THROWS_WITH(admit(what), Catch::Contains("not the one that was found"));

    CHECK(slurm::wished_grant({"PATH=/bin", "ALOFT_GRANTS=x"}) == "");
    CHECK(slurm::wished_grant({"ALOFT_GRANT="}) == "");
    CHECK(slurm::wished_grant({"A=1", "ALOFT_GRANT=G-12"}) == "G-12");
    for (const char* bad :
         {"ALOFT_GRANT=G-1 x", "ALOFT_GRANT=G-", "ALOFT_GRANT=the key is 0123", "ALOFT_GRANT=G-1\nX=y"})
        CHECK_THROWS_WITH(slurm::wished_grant({bad}), Catch::Contains("must be a grant's name"));
}
