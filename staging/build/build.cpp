#include "staging/build/build.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "core/base/event.h"
#include "core/base/files.h"
#include "core/base/progress.h"
#include "core/mpi/queue.h"
#include "core/shard/manifest.h"
#include "staging/build/stage1.h"
#include "staging/build/volumes.h"
#include "staging/pack/pack.h"
#include "staging/report/summary.h"
#include "staging/work/run_folder.h"

namespace staging {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kFilesPerBatch = 32;
constexpr const char* kPseudonymKey = "pseudonym.key";

std::vector<DeliveryFolder> in_order(std::vector<DeliveryFolder> deliveries) {
    std::sort(deliveries.begin(), deliveries.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    for (std::size_t i = 1; i < deliveries.size(); ++i)
        if (deliveries[i].name == deliveries[i - 1].name)
            throw core::Error(core::Fault::usage, "--delivery " + deliveries[i].name + ": given twice");
    return deliveries;
}

std::vector<std::string> names_of(const std::vector<DeliveryFolder>& deliveries) {
    std::vector<std::string> names;
    for (const DeliveryFolder& delivery : deliveries) names.push_back(delivery.name);
    return names;
}

// Everything of one build that every rank holds. Its phases are called in the order in which they stand.
class Build {
public:
    Build(const BuildRequest& request, const Readers& server, const core::Comm& comm)
        : request_(request),
          server_(server),
          comm_(comm),
          deliveries_(in_order(request.deliveries)),
          definition_(Definition::load(request.dataset, names_of(deliveries_))),
          dataset_key_(core::SecretKey::load(request.keys / (definition_.id() + ".key"))),
          run_key_(dataset_key_.derive({}, "aloft stage work folder 1")),
          pseudonyms_(core::SecretKey::load(request.keys / kPseudonymKey)),
          folder_(request.out, request.work),
          spill_(folder_.work(), run_key_) {}

    Json run();
    Json dry_run();

private:
    bool already_built();
    void scan();
    void stage1();
    void volumes();
    void stage2();
    void quarantine_dropped(const SampleRef& ref, WhyDropped why, const Listing& listing,
                            QuarantineWriter& quarantine) const;
    void plan_and_pack();
    void write_reports_and_manifest();
    std::string fingerprint(const std::string& state) const;
    std::vector<Parent> parents() const;

    const BuildRequest& request_;
    const Readers& server_;
    const core::Comm& comm_;
    std::vector<DeliveryFolder> deliveries_;
    Definition definition_;
    core::SecretKey dataset_key_, run_key_;
    Pseudonyms pseudonyms_;
    RunFolder folder_;
    Spill spill_;

    Listing::Scan scan_;                     // rank 0
    std::uint64_t batches_ = 0, files_ = 0;  // batches of files; those of volumes follow them
    std::uint64_t all_batches_ = 0;
    std::int64_t waiting_ = 0;  // samples that stage 1 let through
    std::int64_t resumed_batches_ = 0, reused_shards_ = 0, replaced_workers_ = 0;
    PooledRisk risk_;
    Counted counted_;
    ReasonCounts reasons_;  // rank 0
    std::unique_ptr<Pool> pool_;
    std::size_t shards_ = 0;
};

std::string Build::fingerprint(const std::string& state) const {
    std::string all = "1\n" ALOFT_VERSION "\n" + state + "\n" + definition_.sha256 + "\n" +
                      definition_.profile.sha256 + "\n" + dataset_key_.id() + "\n" + pseudonyms_.key_id() +
                      "\n" + std::to_string(kFilesPerBatch) + "\n";
    for (const std::string& site : definition_.sites) all += site + "\n";
    return core::to_hex(core::sha256(core::view(all))) + "\n";
}

// Collective. Whether the version that was asked for is there, complete.
bool Build::already_built() {
    std::int64_t there = 0;
    core::together(comm_, [&] {
        if (!comm_.is_root() || !folder_.has_manifest()) return;
        const core::Manifest manifest = core::open_manifest(folder_.out(), {}, core::Seal::optional);
        const auto refuse = [&](const std::string& what) {
            throw core::Error(core::Fault::usage,
                              "--out holds " + manifest.id() + ", built with " + what +
                                  ". A version never changes: give a new version and another --out");
        };
        if (manifest.id() != definition_.id()) refuse("another definition");
        const Json& record = manifest.deidentification;
        if (record.at("definition_sha256") != definition_.sha256) refuse("another definition");
        if (record.at("profile").at("sha256") != definition_.profile.sha256) refuse("another profile");
        if (record.at("pseudonym_key_id") != pseudonyms_.key_id() || manifest.key_id != dataset_key_.id())
            refuse("other keys");
        if (manifest.parents.size() != deliveries_.size()) refuse("other deliveries");
        for (std::size_t i = 0; i < deliveries_.size(); ++i)
            if (manifest.parents.at(i).at("delivery") != deliveries_[i].name) refuse("other deliveries");
        folder_.remove_work();  // a run that was killed at its very end
        there = 1;
    });
    return comm_.max(there) == 1;
}

void Build::scan() {
    std::int64_t same = 0;
    core::together(comm_, [&] {
        if (!comm_.is_root()) return;
        folder_.claim();
        scan_ = Listing::scan(deliveries_, kFilesPerBatch, folder_.work(), run_key_, pseudonyms_);
        same = folder_.prepare(fingerprint(scan_.state_digest));
        for (const DeliveryCount& delivery : scan_.deliveries) files_ += delivery.files;
        core::Event("info", "scanned").with("files", files_).with("resumed", same == 1);
    });
    core::together(comm_, [&] { folder_.join(); });
    files_ = static_cast<std::uint64_t>(comm_.sum(static_cast<std::int64_t>(files_)));
}

void Build::stage1() {
    struct IntoBatch : Stage1Sink {
        explicit IntoBatch(BatchWriter& to) : writer(to) {}
        void take(const SampleRef& ref, const core::Sample& sample) override { writer.add(ref, sample); }
        void take_slices(std::vector<SliceRef> slices, const core::Sample& sample) override {
            writer.add_slices(std::move(slices), sample);
        }
        void reject(const Rejected& rejected) override { writer.reject(rejected); }
        BatchWriter& writer;
    };
    const Listing listing(folder_.work(), run_key_);
    batches_ = listing.batches();
    core::WorkQueue queue(comm_, static_cast<std::int64_t>(batches_));
    core::Progress progress("stage1", static_cast<std::int64_t>(files_));
    core::together(comm_, [&] {
        Stage1 reader(server_, definition_, pseudonyms_, deliveries_);
        std::uint64_t seen = 0;
        while (const auto next = queue.next()) {
            const auto number = static_cast<std::uint64_t>(*next);
            auto summary = spill_.find(number);
            const Batch batch = listing.batch(number);
            if (summary) {
                ++resumed_batches_;
            } else {
                BatchWriter writer(spill_, number);
                IntoBatch sink(writer);
                const Stage1Result result = reader.read(batch, sink);
                replaced_workers_ += static_cast<std::int64_t>(result.replaced_workers);
                summary.emplace();
                summary->delivery = batch.delivery;
                summary->files = result.files;
                summary->bytes = result.bytes;
                summary->digest = result.digest;
                writer.finish(*summary);
                summary = spill_.summary(number);
            }
            waiting_ += static_cast<std::int64_t>(summary->samples);
            const std::uint64_t end = batch.first_file + batch.names.size();
            if (comm_.is_root()) progress.advance(static_cast<std::int64_t>(end - std::exchange(seen, end)));
        }
    });
    if (comm_.is_root()) progress.finish();
    waiting_ = comm_.sum(waiting_);
    resumed_batches_ = comm_.sum(resumed_batches_);
    replaced_workers_ = comm_.sum(replaced_workers_);
}

void Build::volumes() {
    all_batches_ = batches_;
    if (definition_.kind != SampleKind::volume) return;
    const VolumesMade made =
        make_volumes(comm_, definition_, pseudonyms_, spill_, batches_, folder_.shuffle(), run_key_);
    all_batches_ += made.batches;
    waiting_ = made.samples;
    if (comm_.is_root()) core::Event("info", "volumes_made").with("volumes", waiting_);
}

// Of a volume, each of its files once.
void Build::quarantine_dropped(const SampleRef& ref, WhyDropped why, const Listing& listing,
                               QuarantineWriter& quarantine) const {
    const auto add = [&](const Origin& origin, const char* file_name) {
        Rejected one;
        one.origin = origin;
        one.site = ref.site;
        std::copy_n(file_name, sizeof one.file_name, one.file_name);
        if (why == kTooFewAlike)
            set_reason(one, Reason::risk_small_group, "");
        else
            set_reason(one, Reason::duplicate, why == kSamePixels ? "same_content" : "sent_again");
        quarantine.add(one);
    };
    if (const auto volume = definition_.kind == SampleKind::volume ? spill_.composite(ref) : std::nullopt) {
        std::set<std::uint64_t> files;
        for (const Piece& piece : volume->pieces)
            if (files.insert(piece.file).second) add({piece.file, 0}, piece.file_name);
        return;
    }
    const Batch batch = listing.batch(ref.batch);
    add(ref.origin, pseudonyms_
                        .file_name(deliveries_[batch.delivery].name,
                                   core::view(batch.names.at(ref.origin.file - batch.first_file)))
                        .data());
}

void Build::stage2() {
    pool_ = std::make_unique<Pool>(comm_, definition_, spill_, all_batches_, folder_.shuffle(), run_key_,
                                   waiting_);
    pool_->find_duplicates();
    risk_ = pool_->find_small_groups();
    counted_ = pool_->count();

    QuarantineWriter quarantine(comm_, folder_.shuffle(), run_key_, definition_.sites, files_);
    core::together(comm_, [&] {
        const Listing listing(folder_.work(), run_key_);
        for (auto batch = static_cast<std::uint64_t>(comm_.rank()); batch < all_batches_;
             batch += static_cast<std::uint64_t>(comm_.size()))
            spill_.each_rejected(batch, [&](const Rejected& one) { quarantine.add(one); });
        pool_->each(
            [](const SampleRef&) {},
            [&](const SampleRef& ref, WhyDropped why) { quarantine_dropped(ref, why, listing, quarantine); });
    });
    reasons_ = quarantine.write(folder_.reports() / "quarantine.jsonl");
    if (counted_.samples == 0)
        throw core::AgreedError(
            core::Fault::data,
            "nothing could be taken: every file is in quarantine. The reasons: aloft-stage quarantine list");
}

void Build::plan_and_pack() {
    Plan plan;
    const std::int64_t parts = part_count(counted_.samples, counted_.bytes, definition_.target_bytes);
    plan.samples = std::make_unique<Shuffle<SampleRef>>(comm_, folder_.shuffle(), "order", parts, run_key_);
    std::vector<std::int64_t> mine(static_cast<std::size_t>(parts), 0);
    core::together(comm_, [&] {
        pool_->each(
            [&](const SampleRef& ref) {
                const std::int64_t part = partition_of(ref.order, parts);
                ++mine[static_cast<std::size_t>(part)];
                plan.samples->put(part, ref);
            },
            [](const SampleRef&, WhyDropped) {});
    });
    plan.samples->seal();
    std::vector<std::int64_t> all(mine.size(), 0);
    core::check_mpi(
        MPI_Allreduce(mine.data(), all.data(), static_cast<int>(parts), MPI_INT64_T, MPI_SUM, comm_.get()),
        "plan the shards");
    for (std::int64_t part = 0; part < parts; ++part)
        if (all[static_cast<std::size_t>(part)] > 0) plan.shards.push_back(part);
    shards_ = plan.shards.size();
    if (comm_.is_root())
        core::Event("info", "planned")
            .with("samples", counted_.samples)
            .with("shards", std::uint64_t{shards_});
    reused_shards_ =
        ShardPacker(definition_, spill_, folder_.shards(), folder_.work(), dataset_key_).pack(comm_, plan);
}

std::vector<Parent> Build::parents() const {
    std::vector<Parent> out;
    std::vector<core::Sha256> digests(deliveries_.size());
    for (std::size_t i = 0; i < deliveries_.size(); ++i)
        out.push_back({deliveries_[i].name, scan_.deliveries[i].names_digest, "", 0, 0});
    for (std::uint64_t batch = 0; batch < batches_; ++batch) {
        const BatchSummary summary = spill_.summary(batch);
        out[summary.delivery].files += summary.files;
        out[summary.delivery].bytes += summary.bytes;
        digests[summary.delivery].update(core::view(summary.digest));
    }
    for (std::size_t i = 0; i < out.size(); ++i) {
        const core::Digest plain = digests[i].finish();
        out[i].contents_digest = pseudonyms_.file_name("delivery contents", plain);
    }
    return out;
}

void Build::write_reports_and_manifest() {
    core::together(comm_, [&] {
        if (!comm_.is_root()) return;
        core::Manifest manifest;
        manifest.dataset = definition_.name;
        manifest.version = definition_.version;
        manifest.key_id = dataset_key_.id();
        manifest.codec = definition_.codec;
        manifest.schema = definition_.schema;
        manifest.deidentification = deidentification_record(definition_, pseudonyms_);
        manifest.risk = risk_record(definition_, risk_);
        manifest.splits = splits_record(definition_, counted_);
        manifest.parents = parents_record(parents());
        const ShardPacker packer(definition_, spill_, folder_.shards(), folder_.work(), dataset_key_);
        Quality quality;
        for (std::size_t i = 0; i < shards_; ++i) {
            Receipt receipt = packer.receipt(static_cast<std::int64_t>(i));
            quality.merge(receipt.quality);
            manifest.shards.push_back(std::move(receipt.entry));
        }
        const Json report = quality_report(manifest, quality, reasons_);
        core::write_atomically(folder_.reports() / "quality.json", report.dump(1) + "\n", 0640);
        core::write_atomically(folder_.reports() / "quality.html", quality_html(report), 0640);
        folder_.sweep();
        core::write_manifest(folder_.out(), manifest);  // last: from here on the version exists
        folder_.remove_work();
    });
}

Json Build::run() {
    const auto begin = std::chrono::steady_clock::now();
    if (!already_built()) {
        scan();
        stage1();
        volumes();
        stage2();
        plan_and_pack();
        write_reports_and_manifest();
    } else if (comm_.is_root()) {
        core::Event("info", "already_built").with("dataset", definition_.id());
    }
    if (!comm_.is_root()) return {};
    Json summary = manifest_summary(core::open_manifest(folder_.out(), {}, core::Seal::optional));
    summary["already_built"] = files_ == 0;
    if (files_ == 0) return summary;
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    std::map<std::string, std::int64_t> reasons;
    for (const auto& [reason, sites] : reasons_)
        for (const auto& [site, count] : sites) reasons[reason] += count;
    summary["files"] = files_;
    summary["quarantine"] = reasons;
    summary["resumed_batches"] = resumed_batches_;
    summary["reused_shards"] = reused_shards_;
    summary["replaced_workers"] = replaced_workers_;
    summary["seconds"] = seconds;
    summary["files_per_second"] = static_cast<double>(files_) / seconds;
    return summary;
}

// One rank does it all, through a folder of its own that is gone afterwards.
Json Build::dry_run() {
    struct Counting : Stage1Sink {
        void take(const SampleRef& ref, const core::Sample&) override { ++samples[ref.site]; }
        void take_slices(std::vector<SliceRef> slices, const core::Sample&) override {
            samples[slices.front().ref.site] += static_cast<std::int64_t>(slices.size());
        }
        void reject(const Rejected& one) override { ++reasons[one.reason]; }
        std::map<std::uint32_t, std::int64_t> samples;
        std::map<std::string, std::int64_t> reasons;
    };
    Json summary;
    core::together(comm_, [&] {
        if (!comm_.is_root()) return;
        std::string name = (std::filesystem::temp_directory_path() / "aloft-stage-XXXXXX").string();
        if (!::mkdtemp(name.data()))
            throw core::Error(core::Fault::system, core::with_errno("cannot make a temporary folder", errno));
        struct Remove {
            std::filesystem::path path;
            ~Remove() {
                std::error_code ignored;
                std::filesystem::remove_all(path, ignored);
            }
        } temporary{name};
        const Listing::Scan found =
            Listing::scan(deliveries_, kFilesPerBatch, temporary.path, run_key_, pseudonyms_);
        const Listing listing(temporary.path, run_key_);
        Stage1 reader(server_, definition_, pseudonyms_, deliveries_);
        Counting counting;
        std::uint64_t files = 0;
        for (const DeliveryCount& delivery : found.deliveries) files += delivery.files;
        core::Progress progress("dry_run", static_cast<std::int64_t>(files));
        for (std::uint64_t i = 0; i < listing.batches(); ++i) {
            const Batch batch = listing.batch(i);
            reader.read(batch, counting);
            progress.advance(static_cast<std::int64_t>(batch.names.size()));
        }
        progress.finish();
        summary = {{"dataset", definition_.id()},
                   {"dry_run", true},
                   {"files", files},
                   {"samples_before_duplicates", Json::object()},
                   {"quarantine", counting.reasons}};
        for (const auto& [site, count] : counting.samples)
            summary["samples_before_duplicates"][definition_.sites[site]] = count;
    });
    return summary;
}

}  // namespace

Json build(const BuildRequest& request, const Readers& server, const core::Comm& comm) {
    std::unique_ptr<Build> work;
    core::together(comm, [&] { work = std::make_unique<Build>(request, server, comm); });
    return request.dry_run ? work->dry_run() : work->run();
}

DeliveryFolder parse_delivery(const std::string& text) {
    const std::size_t at = text.find('=');
    if (at == 0 || at == std::string::npos || at + 1 == text.size())
        throw core::Error(
            core::Fault::usage,
            "--delivery: expected NAME=DIR, the hospital's name and the folder of its delivery");
    return {text.substr(0, at), text.substr(at + 1)};
}

std::vector<std::string> make_keys(const std::filesystem::path& folder,
                                   const std::vector<std::string>& datasets) {
    core::make_directories(folder, 0700);
    std::set<std::string> names{kPseudonymKey};
    for (const std::string& dataset : datasets) {
        if (dataset.find('@') == std::string::npos || dataset.find('/') != std::string::npos)
            throw core::Error(core::Fault::usage, "--dataset: expected NAME@VERSION, as in digits@1");
        names.insert(dataset + ".key");
    }
    std::vector<std::string> made;
    for (const std::string& name : names) {
        if (std::filesystem::exists(folder / name)) continue;
        core::SecretKey::generate().save(folder / name);
        made.push_back(name);
    }
    return made;
}

}  // namespace staging
