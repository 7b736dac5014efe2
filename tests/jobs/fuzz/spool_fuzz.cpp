// libFuzzer's entry: a file in a node's spool folder. The first byte says whether it is an envelope as it lies there, or what
// a node has signed that is in somebody else's hands. Whatever it is, it is refused or becomes a record, that goes through the
// state, the catalogue of attempts and the judgement of preflight; and what is asked of the state afterwards has an answer.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/ledger/record.h"
#include "jobs/service/node_entry.h"
#include "jobs/state/state.h"
#include "jobs/wire/preflight.h"

namespace {

using nlohmann::json;

constexpr std::string_view kType = "application/vnd.aloft.node-record+json";

void must(bool holds) {
    if (!holds) std::abort();
}

struct World {
    core::SigningKey key = core::SigningKey::generate();
    core::Enclave enclave;
    std::string folder = "/tmp/spool-fuzz-XXXXXX";
    std::unique_ptr<jobs::State> state;
    std::uint64_t seq = 0;

    World() {
        enclave.name = enclave.partition = "hel";
        enclave.nodes = {"n1"};
        if (!::mkdtemp(folder.data())) std::abort();
        state = std::make_unique<jobs::State>(folder + "/state.db");
        state->begin();
    }
    ~World() {
        state.reset();
        std::error_code ignored;
        std::filesystem::remove_all(folder, ignored);
    }
};

// As Service::collect_file and Ledgered make it, by way of the ledger's line.
core::Record recorded(World& world, jobs::NodeEntry entry) {
    core::Record record{
        1, 1'790'000'000, "node:n1", "node." + entry.kind, entry.subject, std::move(entry.details)};
    core::Head head;
    std::string line = core::to_line(record, head);
    must(line.ends_with('\n') && line.find('\n') == line.size() - 1 && line.size() < 128 << 10);
    line.pop_back();
    core::Record again = core::parse_record(line);
    must(again.kind == record.kind && again.subject == record.subject && again.actor == "node:n1");
    again.seq = ++world.seq;
    return again;
}

void look(World& world, const core::Record& record) {
    for (const char* sql : {"SELECT * FROM jobs", "SELECT * FROM blocked", "SELECT * FROM attempts",
                            "SELECT coalesce(sum(node_seconds), 0) AS n FROM jobs",
                            "SELECT coalesce(sum(count), 0) AS n FROM blocked"})
        for (const json& row : world.state->rows(sql))
            for (const char* number : {"n", "count", "node_seconds", "id", "job", "records_ended"})
                if (row.contains(number)) must(row.at(number).is_number_integer());
    for (const json& row : world.state->rows("SELECT * FROM attempts"))
        must(row.at("target").get<std::string>().size() <= 5);
    for (const json& row : world.state->rows("SELECT node, time, report_json FROM preflight")) {
        const std::vector<jobs::Report> reports{{"n1", record.time, record.time, row.at("report")}};
        const auto checks =
            jobs::checks_of_nodes(world.enclave, std::string(64, 'a'), reports, "1", record.time);
        must(!checks.empty());
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static World world;
    if (size == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
    const bool is_raw = data[0] % 8 == 0;
    const std::string envelope = is_raw ? std::string(text) : core::dsse_sign(world.key, kType, text);
    jobs::NodeEntry entry;
    try {
        entry = jobs::read_node_entry(envelope, {world.key.verify_key()}, "n1");
    } catch (const core::Error& e) {
        must(e.fault() == core::Fault::data || e.fault() == core::Fault::refused);
        return 0;
    }
    must(!is_raw);  // nobody has its key
    const core::Record record = recorded(world, std::move(entry));
    world.state->fold(record);
    if (world.state->has_node_record(record.details.at("id").get<std::string>())) look(world, record);
    if (world.seq % 64 == 0) {  // several records meet each other; then from the beginning
        world.state->roll_back();
        world.state->begin();
    }
    return 0;
}
