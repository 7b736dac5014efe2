#include "staging/build/build.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <set>

#include "core/base/event.h"
#include "core/base/files.h"
#include "core/base/progress.h"
#include "core/mpi/share.h"
#include "core/shard/version.h"
#include "staging/build/accounts.h"
#include "staging/build/cases.h"
#include "staging/build/dry_run.h"
#include "staging/build/phases.h"
#include "staging/build/request.h"
#include "staging/build/stage1.h"
#include "staging/build/volumes.h"
#include "staging/pack/pack.h"
#include "staging/report/summary.h"
#include "staging/work/run_folder.h"

namespace staging {
namespace {

using Json = nlohmann::ordered_json;

// Everything of one build that every rank holds. Its phases are called in the order in which they stand.
class Build {
public:
    Build(const BuildRequest& request, const Readers& server, const core::Comm& comm)
        : request_(request),
          server_(server),
          comm_(comm),
          deliveries_(in_order(request.deliveries)),
          definition_(Definition::load(request.dataset, names_of(deliveries_), request.descriptions)),
          dataset_key_(core::SecretKey::load(request.keys / (definition_.id() + ".key"))),
          run_key_(dataset_key_.derive({}, "aloft stage work folder 1")),
          pseudonyms_(core::SecretKey::load(request.keys / kPseudonymKey)),
          defacer_(definition_.looks_for_faces()
                       ? std::make_unique<Defacer>(definition_.profile.pixels.face_template)
                       : nullptr),
          left_out_(people_left_out(request.left_out, definition_, pseudonyms_)),
          folder_(request.out, request.work, definition_.id(), *request.options.disk),
          spill_(folder_.work(), run_key_, request.options),
          volumes_(spill_, "volumes"),
          masked_(images(), "masked"),
          labelled_(definition_.masks ? masked_ : images(), "labelled") {}

    Json run();

private:
    bool already_built(bool is_claimed);
    bool is_mine();
    void refuse_unless_same(const core::Manifest& manifest) const;
    void scan();
    void stage1();
    void volumes();
    void cases();
    void stage2();
    void quarantine();
    void plan_and_pack();
    void write_reports_and_manifest();
    std::string identity() const;
    const Spill& images() const { return definition_.kind == SampleKind::volume ? volumes_ : spill_; }
    const Spill& samples() const {
        return definition_.labels ? labelled_ : definition_.masks ? masked_ : images();
    }

    const BuildRequest& request_;
    const Readers& server_;
    const core::Comm& comm_;
    std::vector<DeliveryFolder> deliveries_;
    Definition definition_;
    core::SecretKey dataset_key_, run_key_;
    Pseudonyms pseudonyms_;
    std::unique_ptr<Defacer> defacer_;  // null: nobody looks for faces in volumes
    PeopleLeftOut left_out_;
    RunFolder folder_;
    // What stage 1 found; what was made of its slices; images with what was joined to them.
    Spill spill_, volumes_, masked_, labelled_;
    std::vector<Link> links_;  // of images and rows, where they were joined

    Listing::Scan scan_;
    std::uint64_t batches_ = 0, files_ = 0;
    std::vector<Parent> parents_;
    std::int64_t resumed_batches_ = 0, reused_shards_ = 0, replaced_workers_ = 0;
    SharedContent shared_content_;
    PooledRisk risk_;
    Counted counted_;
    ReasonCounts reasons_;
    std::unique_ptr<Pool> pool_;
    std::size_t shards_ = 0;
};

// What an unfinished build must be of, to be gone on with.
std::string Build::identity() const {
    // The number: how samples wait for their shard (work/), and what a shard's receipt says.
    std::string all = "14\n" ALOFT_VERSION "\n" + definition_.rules_sha256 + "\n" + dataset_key_.id() + "\n" +
                      pseudonyms_.key_id() + "\n" + std::to_string(request_.options.files_per_batch) + "\n";
    // Which series are in a batch of volumes, and which keys in one of cases.
    if (definition_.kind == SampleKind::volume || definition_.labels || definition_.masks)
        all += std::to_string(request_.options.partition_records) + "\n";
    if (!left_out_.hmac.empty()) all += "left out=" + left_out_.hmac + "\n";
    for (const std::string& site : definition_.sites) all += site + "\n";
    for (const DeliveryFolder& delivery : deliveries_) all += delivery.name + "\n";
    return core::to_hex(core::sha256(core::view(all)));
}

void Build::refuse_unless_same(const core::Manifest& manifest) const {
    const auto refuse = [&](const std::string& what) {
        throw core::Error(core::Fault::usage,
                          "--out holds " + manifest.id() + ", built with " + what +
                              ". A version never changes: give a new version and another --out");
    };
    if (manifest.id() != definition_.id()) refuse("another definition");
    const Json& record = manifest.deidentification;
    if (record.at("definition_sha256") != definition_.sha256) refuse("another definition");
    if (record.at("profile").at("sha256") != definition_.profile.sha256) refuse("another profile");
    if (record.at("rules_sha256") != definition_.rules_sha256)
        refuse("other descriptions of the deliveries, list of placeholders or profile of the labels");
    if (record.at("pseudonym_key_id") != pseudonyms_.key_id() || manifest.key_id != dataset_key_.id())
        refuse("other keys");
    if (record.value("left_out_hmac", "") != left_out_.hmac) refuse("another list of people to leave out");
    if (manifest.parents.size() != deliveries_.size()) refuse("other deliveries");
    for (std::size_t i = 0; i < deliveries_.size(); ++i)
        if (manifest.parents.at(i).at("delivery") != deliveries_[i].name) refuse("other deliveries");
    // Names, sizes and who may read what: by one rank, in a folder of its own.
    const core::TemporaryFolder temporary("aloft-stage");
    const core::Comm alone(MPI_COMM_SELF);
    const Listing::Scan now = Listing::scan(alone, server_, definition_.limits, deliveries_, request_.options,
                                            temporary.path(), run_key_, pseudonyms_);
    for (std::size_t i = 0; i < deliveries_.size(); ++i) {
        const Json& then = manifest.parents.at(i);
        if (then.at("names_hmac") != now.deliveries[i].names_digest)
            refuse("a delivery " + deliveries_[i].name + " that has changed since (" +
                   std::to_string(then.at("files").get<std::uint64_t>()) + " files then, " +
                   std::to_string(now.deliveries[i].files) + " now)");
    }
}

// Collective. Whether the version that was asked for is there, complete. Asked without the lock, which a finished
// version needs no more, and again with it: another build may have ended while this one waited.
bool Build::already_built(bool is_claimed) {
    std::int64_t there = 0, leftovers = 0;
    core::together(comm_, [&] {
        if (!comm_.is_root() || !folder_.has_manifest()) return;
        refuse_unless_same(core::open_manifest(folder_.out(), {}, core::Seal::optional));
        there = 1;
        leftovers = std::filesystem::exists(folder_.work());
    });
    if (comm_.max(leftovers) == 1) {  // of a run that was killed at its very end, or of the claim
        if (!is_claimed) folder_.claim(comm_);
        folder_.remove_work(comm_);
    }
    return comm_.max(there) == 1;
}

// Collective. Takes the version's folder, unless it has become a finished version meanwhile.
bool Build::is_mine() {
    folder_.claim(comm_);
    try {
        return !already_built(true);
    } catch (...) {  // agreed
        folder_.remove_work(comm_);
        throw;
    }
}

void Build::scan() {
    core::together(comm_, [&] {
        if (comm_.is_root()) folder_.check(identity(), request_.discard);
    });
    scan_ = Listing::scan(comm_, server_, definition_.limits, deliveries_, request_.options, folder_.work(),
                          run_key_, pseudonyms_);
    for (const DeliveryCount& delivery : scan_.deliveries) files_ += delivery.files;
    core::together(comm_, [&] {
        if (!comm_.is_root()) return;
        const bool same = folder_.prepare({identity(), scan_.state_digest}, request_.discard);
        core::Event("info", "scanned").with("files", files_).with("resumed", same);
    });
}

void Build::stage1() {
    struct IntoSpill : Stage1Sink {
        explicit IntoSpill(SpillWriter& to) : writer(to) {}
        void take(const SampleRef& ref, const core::Sample& sample) override { writer.add(ref, sample); }
        void take_slices(std::vector<SliceRef> slices, const core::Sample& sample) override {
            writer.add_slices(std::move(slices), sample);
        }
        void take_beside(const Beside& ref, const core::Sample& sample) override {
            writer.add_beside(ref, sample);
        }
        void reject(const Rejected& rejected) override { writer.reject(rejected); }
        SpillWriter& writer;
    };
    const Listing listing(folder_.work(), deliveries_.size(), run_key_, *request_.options.disk);
    batches_ = listing.batches();
    spill_.open(comm_, batches_);
    // Batches go out in their order: what lies before rank 0's is with the others, or done.
    core::Progress progress("stage1", static_cast<std::int64_t>(files_));
    core::share(comm_, static_cast<std::int64_t>(batches_), [&](core::Shared& work) {
        std::unique_ptr<Stage1> reader;
        SpillWriter writer(spill_);
        IntoSpill sink(writer);
        while (const auto next = work.next()) {
            const auto number = static_cast<std::uint64_t>(*next);
            if (spill_.is_done(number)) {
                ++resumed_batches_;
                continue;
            }
            if (!reader) reader = std::make_unique<Stage1>(server_, definition_, pseudonyms_, deliveries_);
            const Batch batch = listing.batch(number);
            writer.begin(number);
            const Stage1Result result = reader->read(batch, sink, [&] { return work.poll(); });
            replaced_workers_ += static_cast<std::int64_t>(result.replaced_workers);
            if (result.stopped) return;
            BatchSummary summary;
            summary.delivery = batch.delivery;
            summary.files = result.files;
            summary.bytes = result.bytes;
            summary.digest = result.digest;
            summary.blanked_frames = result.blanked_frames;
            summary.blanked_boxes = result.blanked_boxes;
            summary.deviations = result.deviations;
            writer.finish(summary);
            if (comm_.is_root())
                progress.reach(static_cast<std::int64_t>(batch.first_file + batch.names.size()));
        }
    });
    if (comm_.is_root()) progress.reach(static_cast<std::int64_t>(files_)), progress.finish();
    spill_.close(comm_);
    parents_ = received(comm_, spill_, deliveries_, scan_.deliveries, pseudonyms_);
    resumed_batches_ = comm_.sum(resumed_batches_);
    replaced_workers_ = comm_.sum(replaced_workers_);
}

void Build::volumes() {
    if (definition_.kind != SampleKind::volume) return;
    const std::int64_t made = make_volumes(comm_, definition_, pseudonyms_, spill_, volumes_,
                                           folder_.shuffle(), run_key_, request_.options, defacer_.get());
    if (comm_.is_root()) core::Event("info", "volumes_made").with("volumes", made);
}

void Build::cases() {
    if (!definition_.labels && !definition_.masks) return;
    const Listing listing(folder_.work(), deliveries_.size(), run_key_, *request_.options.disk);
    const LeftOut left_out(definition_, pseudonyms_, deliveries_, listing);
    const CaseWork work{comm_,  definition_,       pseudonyms_, left_out,
                        spill_, folder_.shuffle(), run_key_,    request_.options};
    if (definition_.masks) links_ = join_masks(work, images(), masked_);
    if (definition_.labels) links_ = join_labels(work, definition_.masks ? masked_ : images(), labelled_);
}

void Build::stage2() {
    std::int64_t waiting = 0;
    for (const Parent& parent : parents_) waiting += parent.pieces;
    pool_ = std::make_unique<Pool>(comm_, definition_, samples(), folder_.shuffle(), run_key_,
                                   request_.options, waiting);
    pool_->join_identities(
        [&](const core::Id16& patient) {
            return static_cast<std::uint32_t>(split_of(patient, definition_, pseudonyms_));
        },
        std::move(links_));
    pool_->leave_out(left_out_.people);
    shared_content_ = pool_->find_duplicates();
    risk_ = pool_->find_small_groups();
    if (risk_.coarser) {
        definition_.quasi->levels = risk_.coarser->least.levels;
        generalise(definition_.schema, *definition_.quasi);
    }
    counted_ = pool_->counted();
}

void Build::quarantine() {
    const Listing listing(folder_.work(), deliveries_.size(), run_key_, *request_.options.disk);
    const LeftOut left_out(definition_, pseudonyms_, deliveries_, listing);
    const std::size_t segments =
        std::max({spill_.segments(), volumes_.segments(), masked_.segments(), labelled_.segments()});
    QuarantineWriter writer(comm_, folder_.shuffle(), run_key_, request_.options, definition_.sites, files_);
    auto next = static_cast<std::size_t>(comm_.rank());
    reasons_ = writer.write(folder_.reports() / "quarantine.jsonl", [&](const auto& add) {
        if (next < spill_.segments()) spill_.each_rejected(next, add);
        if (next < volumes_.segments()) volumes_.each_rejected(next, add);
        if (next < masked_.segments()) masked_.each_rejected(next, add);
        if (next < labelled_.segments()) labelled_.each_rejected(next, add);
        if (next < samples().segments())
            pool_->each_of(
                next, [](const SampleRef&) {},
                [&](const SampleRef& ref, WhyDropped why) {
                    left_out.each_record(samples(), ref, rejection_of(why), add);
                });
        next += static_cast<std::size_t>(comm_.size());
        return next < segments;
    });
    if (files_ == 0) throw core::AgreedError(core::Fault::data, "the deliveries hold no files at all");
    if (counted_.samples == 0)
        throw core::AgreedError(
            core::Fault::data,
            "nothing could be taken: every file is in quarantine. The reasons: aloft-stage quarantine list");
}

void Build::plan_and_pack() {
    Plan plan;
    const std::int64_t parts = part_count(counted_.samples, counted_.bytes, definition_.target_bytes);
    plan.samples = std::make_unique<Shuffle<SampleRef>>(comm_, folder_.shuffle(), "order", parts, run_key_,
                                                        request_.options);
    std::vector<std::int64_t> all(static_cast<std::size_t>(parts), 0);
    plan.samples->fill(pool_->steps<SampleRef>([&](const SampleRef& ref, const Shuffle<SampleRef>::Put& put) {
        const std::int64_t part = partition_of(ref.order, parts);
        ++all[static_cast<std::size_t>(part)];
        put(part, ref);
    }));
    core::check_mpi(
        MPI_Allreduce(MPI_IN_PLACE, all.data(), static_cast<int>(parts), MPI_INT64_T, MPI_SUM, comm_.get()),
        "plan the shards");
    std::int64_t planned = 0;
    for (std::int64_t part = 0; part < parts; ++part) {
        const std::int64_t samples = all[static_cast<std::size_t>(part)];
        if (samples > 0) plan.shards.push_back({part, samples});
        planned += samples;
    }
    if (planned != counted_.samples)
        throw core::AgreedError(core::Fault::bug, std::to_string(counted_.samples) + " samples stay and " +
                                                      std::to_string(planned) + " were planned");
    shards_ = plan.shards.size();
    if (comm_.is_root())
        core::Event("info", "planned")
            .with("samples", counted_.samples)
            .with("shards", std::uint64_t{shards_});
    reused_shards_ = ShardPacker(definition_, pseudonyms_, samples(), folder_.shards(), folder_.work(),
                                 dataset_key_, *request_.options.disk)
                         .pack(comm_, plan);
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
        if (!left_out_.hmac.empty()) manifest.deidentification["left_out_hmac"] = left_out_.hmac;
        const Json risk = risk_record(definition_, risk_, shared_content_);
        manifest.risk = published_risk(risk);
        manifest.splits = splits_record(definition_, counted_);
        const ShardPacker packer(definition_, pseudonyms_, samples(), folder_.shards(), folder_.work(),
                                 dataset_key_);
        Quality quality;
        std::map<std::string, std::int64_t> packed;
        std::int64_t samples = 0;
        // Twice through the receipts, since the manifest is opened with its parents.
        for (std::size_t i = 0; i < shards_; ++i) {
            Receipt receipt = packer.receipt(static_cast<std::int64_t>(i));
            quality.merge(receipt.quality);
            for (const auto& [site, pieces] : receipt.pieces) packed[site] += pieces;
            samples += receipt.entry.samples;
        }
        if (samples != counted_.samples)
            throw core::Error(core::Fault::bug, std::to_string(counted_.samples) +
                                                    " samples were planned and " + std::to_string(samples) +
                                                    " are in the shards. No version was made");
        check_accounts(parents_, packed, reasons_);
        manifest.parents = parents_record(parents_);
        core::ManifestWriter writer(folder_.out(), std::move(manifest), dataset_key_);
        for (std::size_t i = 0; i < shards_; ++i)
            writer.add(packer.receipt(static_cast<std::int64_t>(i)).entry);
        const Json report = quality_report(writer.complete(), quality, reasons_, risk, parents_);
        core::write_atomically(folder_.reports() / "quality.json", report.dump(1) + "\n", 0640);
        core::write_atomically(folder_.reports() / "quality.html", quality_html(report), 0640);
        folder_.sweep();
        writer.finish();  // last: from here on the version exists
    });
    folder_.remove_work(comm_);
}

Json Build::run() {
    const auto begin = std::chrono::steady_clock::now();
    Phases phases(comm_);
    if (!already_built(false) && is_mine()) {
        phases.run("scan", [&] { scan(); });
        phases.run("stage1", [&] { stage1(); });
        phases.run("volumes", [&] { volumes(); });
        phases.run("cases", [&] { cases(); });
        phases.run("stage2", [&] { stage2(); });
        phases.run("quarantine", [&] { quarantine(); });
        phases.run("pack", [&] { plan_and_pack(); });
        phases.run("manifest", [&] { write_reports_and_manifest(); });
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
    summary["deliveries"] = accounts_summary(parents_);
    summary["quarantine"] = reasons;
    summary["resumed_batches"] = resumed_batches_;
    summary["reused_shards"] = reused_shards_;
    summary["replaced_workers"] = replaced_workers_;
    summary["phases"] = phases.json();
    summary["seconds"] = seconds;
    summary["files_per_second"] = static_cast<double>(files_) / seconds;
    return summary;
}

}  // namespace

Json build(const BuildRequest& request, const Readers& server, const core::Comm& comm) {
    core::together(comm, [&] { check_apart(request); });
    if (request.dry_run) return dry_run(request, server, comm);
    std::unique_ptr<Build> work;
    core::together(comm, [&] { work = std::make_unique<Build>(request, server, comm); });
    return work->run();
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
