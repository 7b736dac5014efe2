#include "staging/pack/pack.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <map>
#include <set>

#include "core/base/files.h"
#include "core/shard/reader.h"
#include "core/shard/verify.h"
#include "support/faulty_env.h"
#include "support/shared_folder.h"

using namespace staging;
namespace fs = std::filesystem;

namespace {

constexpr int kSamples = 30;
constexpr std::int64_t kParts = 7;

core::Id16 person(int number) {
    core::Id16 id{};
    id[0] = static_cast<std::uint8_t>(number + 1);
    return id;
}

// Places among all samples that lie in one part only where `number` is even, and several of them at one place.
std::uint64_t order_of(int number) {
    const int place = number % 2 ? number : number % 8;
    return std::uint64_t{0x9e3779b97f4a7c15} * static_cast<std::uint64_t>(place + 1);
}

Definition small() {
    Definition out;
    out.name = "made", out.version = "1";
    out.sites = {"north", "south"};
    out.splits = {0.6, 0.8, 1, 1};
    FieldChoice choice;
    choice.field = {"image", core::DType::u8, {1, 2, 2}, ""};
    out.fields = {choice};
    out.schema.fields = {choice.field};
    out.schema.columns = {
        {"patient", core::ColumnType::id16, {}},
        {"split", core::ColumnType::category, {std::begin(core::kSplits), std::end(core::kSplits)}},
        {"site", core::ColumnType::category, {"north", "south"}}};
    return out;
}

std::string site_of(int number) {
    return number % 3 ? "north" : "south";
}

// Samples that wait, and the plan of their shards.
class Waiting {
public:
    explicit Waiting(const core::Comm& comm)
        : comm_(comm),
          folder_(comm),
          key_(folder_.key()),
          pseudonyms_(key_),
          definition_(small()),
          spill_(folder_.path(), key_, options_) {
        spill_.open(comm, kSamples);
        SpillWriter writer(spill_);
        for (int i = comm.rank(); i < kSamples; i += comm.size()) {
            writer.begin(static_cast<std::uint64_t>(i));
            core::Array image{core::Bytes(4, static_cast<std::uint8_t>(i)), {1, 2, 2}};
            // The fifth's identifier turned out to be another person's name.
            const std::string split(core::kSplits[split_of(person(i), definition_, pseudonyms_)]);
            SampleRef ref;
            ref.origin.file = static_cast<std::uint64_t>(i);
            ref.bytes = 4;
            ref.order = order_of(i);
            ref.patient = person(i == 5 ? 6 : i);
            ref.site = definition_.site_number(site_of(i));
            ref.pieces = static_cast<std::uint32_t>(1 + i % 2);
            writer.add(ref, {{image}, {person(i), split, site_of(i)}});
            writer.finish({});
        }
        spill_.close(comm);
        plan_.samples =
            std::make_unique<Shuffle<SampleRef>>(comm, folder_.path(), "plan", kParts, key_, options_);
        auto segment = static_cast<std::size_t>(comm.rank());
        plan_.samples->fill([&](const Shuffle<SampleRef>::Put& put) {
            if (segment < spill_.segments())
                spill_.each_sample(segment,
                                   [&](const SampleRef& ref) { put(partition_of(ref.order, kParts), ref); });
            segment += static_cast<std::size_t>(comm.size());
            return segment < spill_.segments();
        });
        for (std::int64_t part = 0; part < kParts; ++part)
            if (const auto count = static_cast<std::int64_t>(of_part(part).size()); count > 0)
                plan_.shards.push_back({part, count});
    }

    // What each shard must hold, by the numbers of samples.
    static std::vector<int> of_part(std::int64_t part) {
        std::vector<int> out;
        for (int i = 0; i < kSamples; ++i)
            if (partition_of(order_of(i), kParts) == part) out.push_back(i);
        std::ranges::stable_sort(out, {}, order_of);
        return out;
    }

    std::int64_t pack(core::Env& env = core::Env::real()) const { return packer(env).pack(comm_, plan_); }
    ShardPacker packer(core::Env& env = core::Env::real()) const {
        return {definition_, pseudonyms_, spill_, shards(), work(), key_, env};
    }
    fs::path shards() const { return made("shards"); }
    fs::path work() const { return made("receipts"); }
    fs::path shard(std::size_t number) const {
        return shards() / core::shard_file(static_cast<std::int64_t>(number));
    }
    core::ShardReader reader(std::size_t number, const core::ShardEntry& entry) const {
        return {shard(number), entry, definition_.schema, definition_.id(), static_cast<std::int64_t>(number),
                key_};
    }
    void verify(std::size_t number, const core::ShardEntry& entry) const {
        core::verify_shard(shard(number), entry, definition_.schema, definition_.id(),
                           static_cast<std::int64_t>(number), key_);
    }
    // All files below shards/ under the name of a shard.
    std::map<std::string, std::string> tree() const {
        std::map<std::string, std::string> out;
        for (std::size_t i = 0; i < plan().shards.size(); ++i)
            if (fs::exists(shard(i)))
                out[core::shard_file(static_cast<std::int64_t>(i))] = core::read_text(shard(i));
        return out;
    }
    const Plan& plan() const { return plan_; }
    Plan& plan() { return plan_; }
    const Pseudonyms& pseudonyms() const { return pseudonyms_; }
    const Definition& definition() const { return definition_; }
    const core::Comm& comm() const { return comm_; }

private:
    fs::path made(const char* name) const {
        fs::create_directories(folder_.path() / name);
        return folder_.path() / name;
    }
    static Options cut() {
        Options out;
        out.segment_samples = 4;
        out.block_records = 2;
        return out;
    }
    const core::Comm& comm_;
    SharedFolder folder_;
    core::SecretKey key_;
    Pseudonyms pseudonyms_;
    Definition definition_;
    const Options options_ = cut();
    Spill spill_;
    Plan plan_;
};

// One rank does something that all then see.
template <class Work>
void alone(const core::Comm& comm, Work work) {
    if (comm.is_root()) work();
    comm.barrier();
}

}  // namespace

TEST_CASE("parts are of about the size of a shard, and few enough samples to be sorted") {
    CHECK(part_count(0, 0, 1000) == 1);
    CHECK(part_count(10, 1499, 1000) == 1);
    CHECK(part_count(10, 1500, 1000) == 2);
    CHECK(part_count(10, 100'000, 1000) == 100);
    CHECK(part_count((1 << 20) - 1, 1000, 1000) == 1);
    CHECK(part_count(10 << 20, 1000, 1000) == 11);
}

TEST_CASE(
    "shards hold their samples in order, under the person they turned out to be of, as their receipts say") {
    const core::Comm comm(MPI_COMM_WORLD);
    const Waiting waiting(comm);
    CHECK(waiting.plan().shards.size() > 3);
    CHECK(waiting.pack() == 0);
    comm.barrier();
    std::set<int> seen;
    std::map<std::string, std::int64_t> pieces;
    bool has_ties = false;
    for (std::size_t i = 0; i < waiting.plan().shards.size(); ++i) {
        const std::vector<int> expected = Waiting::of_part(waiting.plan().shards[i].part);
        const Receipt receipt = waiting.packer().receipt(static_cast<std::int64_t>(i));
        const core::ShardEntry& entry = receipt.entry;
        CHECK(entry.file == core::shard_file(static_cast<std::int64_t>(i)));
        CHECK(entry.samples == static_cast<std::int64_t>(expected.size()));
        const std::string bytes = core::read_text(waiting.shard(i));
        CHECK(entry.bytes == bytes.size());
        CHECK(entry.sha256 == core::sha256(core::view(bytes)));
        struct stat status {};
        CHECK(::stat(waiting.shard(i).c_str(), &status) == 0);
        CHECK((status.st_mode & 07777) == 0644);
        waiting.verify(i, entry);
        const core::ShardReader reader = waiting.reader(i, entry);
        const auto patients = reader.column(kPatientColumn).ids;
        std::map<std::string, std::int64_t> sites, of_pieces;
        for (std::size_t n = 0; n < expected.size(); ++n) {
            const int number = expected[n];
            CHECK(reader.array(0, static_cast<std::int64_t>(n)).bytes ==
                  core::Bytes(4, static_cast<std::uint8_t>(number)));
            CHECK(patients.at(n) == person(number == 5 ? 6 : number));
            has_ties |= n > 0 && order_of(expected[n - 1]) == order_of(number);
            ++sites[site_of(number)];
            of_pieces[site_of(number)] += 1 + number % 2;
            CHECK(seen.insert(number).second);
        }
        CHECK(receipt.pieces == of_pieces);
        for (const auto& [site, count] : sites) CHECK(entry.counts.at("site").at(site) == count);
        for (const auto& [site, count] : of_pieces) pieces[site] += count;
    }
    CHECK(has_ties);
    CHECK(seen.size() == kSamples);
    CHECK(pieces["north"] + pieces["south"] == kSamples + kSamples / 2);
}

TEST_CASE(
    "a shard of an earlier run is taken over if it is what its receipt says, else written again, to the "
    "byte") {
    const core::Comm comm(MPI_COMM_WORLD);
    Waiting waiting(comm);
    const auto count = static_cast<std::int64_t>(waiting.plan().shards.size());
    CHECK(waiting.pack() == 0);
    comm.barrier();
    const auto sound = waiting.tree();
    CHECK(static_cast<std::int64_t>(sound.size()) == count);
    CHECK(waiting.pack() == count);
    const auto receipt = [&](int number) { return waiting.work() / ("receipt-" + std::to_string(number)); };
    const auto change = [](const fs::path& path, std::size_t at) {
        std::string bytes = core::read_text(path);
        bytes.at(at) = static_cast<char>(bytes.at(at) ^ 1);
        core::write_atomically(path, bytes, 0644);
    };
    comm.barrier();
    alone(comm, [&] {
        change(waiting.shard(0), sound.begin()->second.size() / 2);                     // a byte of a shard
        fs::remove(receipt(1));                                                         // no receipt
        core::write_atomically(receipt(2), core::read_text(receipt(2)).substr(0, 20));  // half of one
        core::write_atomically(receipt(3), core::read_text(receipt(0)));                // another's
    });
    CHECK(waiting.pack() == count - 4);
    comm.barrier();
    CHECK(waiting.tree() == sound);
    comm.barrier();
    alone(comm, [&] { fs::remove(waiting.shard(1)); });
    CHECK(waiting.pack() == count - 1);
    comm.barrier();
    CHECK(waiting.tree() == sound);
}

TEST_CASE("a shard whose samples are not all there is not written") {
    const core::Comm comm(MPI_COMM_WORLD);
    Waiting waiting(comm);
    ++waiting.plan().shards[1].samples;
    try {
        waiting.pack();
        FAIL_CHECK("packed");
    } catch (const core::AgreedError& e) {
        CHECK(e.fault() == core::Fault::data);
        CHECK_THAT(e.what(), Catch::Contains("lost samples of shard 1"));
    }
    comm.barrier();
    CHECK_FALSE(fs::exists(waiting.shard(1)));
}

TEST_CASE(
    "a disk that is full at any call: the machine's fault, nothing but whole shards, and the next run's are "
    "the same") {
    const core::Comm comm(MPI_COMM_WORLD);
    const auto [error, failing] =
        GENERATE(table<int, test::Failing>({{ENOSPC, test::Failing::once}, {EIO, test::Failing::for_good}}));
    if (fs::exists("/dev/shm")) setenv("TMPDIR", "/dev/shm", 1);  // hundreds of files are flushed
    const Waiting waiting(comm);
    test::FaultyEnv counting;
    waiting.pack(counting);
    comm.barrier();
    const auto sound = waiting.tree();
    std::vector<core::ShardEntry> entries;
    for (std::size_t i = 0; i < sound.size(); ++i)
        entries.push_back(waiting.packer().receipt(static_cast<std::int64_t>(i)).entry);
    comm.barrier();  // nobody removes what another still reads
    // In the long form one rank meets every call, and several each seventh of the last one's; else fewer.
    const bool is_long = std::getenv("ALOFT_LONG") != nullptr;
    if (comm.size() > 1 && !is_long && failing == test::Failing::for_good) return;
    const int step = (is_long ? 1 : 7) * (comm.size() == 1 ? 1 : 7);
    int failed = 0;
    const int last = comm.size() - 1;
    for (int n = 1;; n += step) {
        CAPTURE(n, error, failing == test::Failing::for_good);
        alone(comm, [&] {
            fs::remove_all(waiting.shards());
            fs::remove_all(waiting.work());
        });
        (void)waiting.shards(), (void)waiting.work();
        comm.barrier();
        test::FaultyEnv env(comm.rank() == last ? n : 0, error, failing);
        bool ended = false;
        try {
            waiting.pack(env);
        } catch (const core::AgreedError& e) {
            ended = true;
            CAPTURE(e.what());
            CHECK(e.fault() == core::Fault::system);
        }
        failed += ended;
        comm.barrier();
        for (std::size_t i = 0; i < sound.size(); ++i)
            if (fs::exists(waiting.shard(i))) CHECK_NOTHROW(waiting.verify(i, entries[i]));
        comm.barrier();
        waiting.pack();
        comm.barrier();
        CHECK(waiting.tree() == sound);
        comm.barrier();
        if (comm.max(comm.rank() == last ? env.calls() : 0) < n) break;
    }
    CHECK((comm.size() > 1 || failed > (is_long ? 50 : 7)));
}
