#include "staging/tool/contact_sheet.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/progress.h"
#include "core/mpi/share.h"
#include "core/shard/reader.h"
#include "core/shard/version.h"
#include "staging/report/contact_sheet.h"
#include "staging/report/published.h"
#include "staging/report/thumbnail.h"
#include "staging/tool/print.h"

namespace staging {
namespace {

namespace fs = std::filesystem;
using core::Error;
using core::Fault;
using Json = nlohmann::ordered_json;

void refuse_to_replace(const fs::path& file) {
    throw Error(Fault::usage, file.string() + ": is there already. Remove it, or name another.");
}

// The page lies in no version's folder, where it would be published and copied with it.
void check_place(const fs::path& file) {
    std::error_code unseen;
    if (fs::exists(fs::symlink_status(file, unseen))) refuse_to_replace(file);
    const fs::path folder = fs::weakly_canonical(fs::absolute(file).parent_path(), unseen);
    if (!fs::is_directory(folder, unseen))
        throw Error(Fault::system, fs::absolute(file).parent_path().string() + ": is no folder");
    for (fs::path above = folder;; above = above.parent_path()) {
        if (fs::exists(above / "manifest.json", unseen))
            throw Error(Fault::usage, file.string() +
                                          ": lies in the folder of a version, which holds no images in the "
                                          "clear. Name a file elsewhere.");
        if (above == above.parent_path()) return;
    }
}

class Sheet {
public:
    Sheet(const SheetRequest& request, const core::Comm* comm) : request_(request), comm_(comm) {
        together([&] {
            if (is_root()) check_place(request.file);
            version_.emplace(request.dir, std::vector<core::VerifyKey>{}, core::Seal::optional);
            key_ = core::SecretKey::load(request.key);
            version_->authenticate(*key_);
            find_field();
        });
    }

    Json write() {
        const std::vector<SheetChoice::Stratum> strata = choose();
        std::vector<SheetSample> chosen;
        for (const SheetChoice::Stratum& one : strata)
            chosen.insert(chosen.end(), one.samples.begin(), one.samples.end());
        const std::vector<ContactSheet::Picture> pictures = draw(std::move(chosen));
        Json told;
        together([&] {
            if (is_root()) told = put(strata, pictures);
        });
        return told;
    }

private:
    bool is_root() const { return !comm_ || comm_->is_root(); }
    void together(const std::function<void()>& work) const { comm_ ? core::together(*comm_, work) : work(); }

    // Calls `work` once for each of them, on one of the ranks.
    void for_each(std::int64_t count, const std::function<void(std::int64_t)>& work) const {
        if (!comm_)
            for (std::int64_t i = 0; i < count; ++i) work(i);
        else
            core::share(*comm_, count, [&](core::Shared& shared) {
                while (const auto i = shared.next()) work(*i);
            });
    }

    std::vector<core::Bytes> gathered(core::ByteView mine) const {
        if (!comm_) return {core::Bytes(mine.begin(), mine.end())};
        return comm_->gather(mine);
    }

    const core::Schema& schema() const { return version_->manifest().schema; }

    core::ShardReader open(std::int64_t shard) const {
        return {version_->shard_path(shard),
                version_->shard(shard),
                schema(),
                version_->manifest().id(),
                shard,
                *key_};
    }

    // The first that may hold images. A mask is the last, and the manifest says whether there is one (deid/definition.h).
    void find_field() {
        const core::Manifest& manifest = version_->manifest();
        const std::size_t masks = manifest.deidentification.contains("text_in_masks") ? 1 : 0;
        for (std::size_t i = 0; i + masks < schema().fields.size() && !field_; ++i)
            if (schema().fields[i].ragged() || drawn_box(schema().fields[i].shape)) field_ = i;
        try {
            fewest_ = std::max(kFewest, manifest.risk.value("k", std::int64_t{0}));
        } catch (const Json::exception&) {
            throw Error(Fault::data,
                        request_.dir.string() + "/manifest.json does not say what its risk was judged by");
        }
    }

    // On rank 0; empty elsewhere.
    std::vector<SheetChoice::Stratum> choose() {
        const auto most = static_cast<std::size_t>(fewest_);
        const auto shown = static_cast<std::size_t>(request_.per_stratum);
        SheetChoice mine(most, shown);
        // Rank 0 tells of its own share, which is like everybody's.
        const std::int64_t ranks = comm_ ? comm_->size() : 1;
        core::Progress progress("contact_sheet", (version_->shards() + ranks - 1) / ranks);
        for_each(version_->shards(), [&](std::int64_t number) {
            look_at(number, mine);
            if (is_root()) progress.advance();
        });
        if (comm_) not_images_ = comm_->sum(not_images_);
        const std::vector<SheetSample> kept = mine.kept();
        SheetChoice all(most, shown);
        for (const core::Bytes& part : gathered(
                 {reinterpret_cast<const std::uint8_t*>(kept.data()), kept.size() * sizeof(SheetSample)}))
            for (const SheetSample& one : samples_of(part)) all.add(one);
        return all.strata();
    }

    void look_at(std::int64_t number, SheetChoice& choice) {
        const core::ShardReader shard = open(number);
        if (!field_) {
            not_images_ += shard.samples();
            return;
        }
        const auto codes = [&](const char* column) {
            return schema().has_column(column) ? shard.column(schema().column(column)).codes
                                               : std::vector<std::int32_t>();
        };
        const std::vector<core::Id16> patients = shard.column(schema().column("patient")).ids;
        const std::vector<std::int32_t> sites = codes("site"), vendors = codes("vendor");
        for (std::int64_t i = 0; i < shard.samples(); ++i) {
            if (!drawn_box(shard.shape(*field_, i))) {
                ++not_images_;
                continue;
            }
            const auto at = static_cast<std::size_t>(i);
            choice.add({sheet_order(request_.seed, number, i), patients[at], number, i,
                        sites.empty() ? -1 : sites[at], vendors.empty() ? -1 : vendors[at]});
        }
    }

    static std::vector<SheetSample> samples_of(const core::Bytes& bytes) {
        std::vector<SheetSample> out(bytes.size() / sizeof(SheetSample));
        if (!out.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
        return out;
    }

    // What rank 0 has chosen, drawn by all ranks; on rank 0 in its order, empty elsewhere.
    std::vector<ContactSheet::Picture> draw(std::vector<SheetSample> chosen) const {
        if (comm_) {
            const auto* const first = reinterpret_cast<const std::uint8_t*>(chosen.data());
            core::Bytes bytes(first, first + chosen.size() * sizeof(SheetSample));
            comm_->broadcast(bytes);
            chosen = samples_of(bytes);
        }
        auto mine = Json::array();
        for_each(static_cast<std::int64_t>(chosen.size()), [&](std::int64_t i) {
            mine.push_back(drawn(chosen[static_cast<std::size_t>(i)]));
            mine.back()["number"] = i;
        });
        std::vector<ContactSheet::Picture> out(is_root() ? chosen.size() : 0);
        for (const core::Bytes& part : gathered(core::view(mine.dump())))
            for (const Json& one : Json::parse(core::text(part)))
                out.at(one.at("number").get<std::size_t>()) = {
                    one.at("place"), one.at("shape"), one.at("width"), one.at("height"), one.at("png")};
        return out;
    }

    Json drawn(const SheetSample& sample) const {
        const core::ShardReader shard = open(sample.shard);
        const std::vector<std::int64_t> shape = shard.shape(*field_, sample.sample);
        const DrawnBox box = drawn_box(shape).value();
        const core::DType dtype = schema().fields[*field_].dtype;
        const std::int64_t channels = box.extent[0], rows = box.extent[box.extent.size() - 2],
                           columns = box.extent.back();
        core::Bytes elements(static_cast<std::size_t>(channels * rows * columns) * core::bytes_of(dtype));
        shard.read_box(*field_, sample.sample, box.origin, box.extent, elements);
        const Thumbnail thumbnail = thumbnail_of(elements, dtype, channels, rows, columns);
        std::string sides;
        for (const std::int64_t side : shape) sides += (sides.empty() ? "" : " x ") + std::to_string(side);
        return {{"place", version_->shard_path(sample.shard).filename().string() + ", sample " +
                              std::to_string(sample.sample)},
                {"shape", sides},
                {"width", thumbnail.width},
                {"height", thumbnail.height},
                {"png", core::to_base64(png_of(thumbnail))}};
    }

    std::string name_of(const char* column, std::int32_t code) const {
        return code < 0 ? ""
                        : schema().columns[schema().column(column)].names.at(static_cast<std::size_t>(code));
    }

    Json put(const std::vector<SheetChoice::Stratum>& strata,
             const std::vector<ContactSheet::Picture>& pictures) const {
        ContactSheet sheet{version_->manifest().id(),
                           field_ ? schema().fields[*field_].name : "",
                           fewest_,
                           request_.per_stratum,
                           not_images_,
                           request_.seed,
                           {}};
        Json told{{"dataset", sheet.dataset},
                  {"contact_sheet", request_.file.string()},
                  {"images", pictures.size()},
                  {"not_images", not_images_},
                  {"strata", Json::array()}};
        auto next = pictures.begin();
        for (const SheetChoice::Stratum& one : strata) {
            const auto count = static_cast<std::ptrdiff_t>(one.samples.size());
            sheet.strata.push_back({name_of("site", one.site), name_of("vendor", one.vendor), one.has_too_few,
                                    std::vector(next, next + count)});
            next += count;
            told["strata"].push_back({{"site", sheet.strata.back().site},
                                      {"vendor", sheet.strata.back().vendor},
                                      {"images", count},
                                      {"too_few_patients", one.has_too_few}});
        }
        core::AtomicFile file(request_.file, 0600);
        file.write(core::view(contact_sheet_html(sheet)));
        if (!file.commit_new()) refuse_to_replace(request_.file);
        return told;
    }

    const SheetRequest& request_;
    const core::Comm* comm_;
    std::optional<core::Version> version_;
    std::optional<core::SecretKey> key_;
    std::optional<std::size_t> field_;  // whose images are shown
    std::int64_t fewest_ = kFewest, not_images_ = 0;
};

}  // namespace

Json write_contact_sheet(const SheetRequest& request, const core::Comm* comm) {
    return Sheet(request, comm).write();
}

void print_contact_sheet(std::ostream& out, const Json& written) {
    std::vector<std::vector<std::string>> rows{{"site", "vendor", "images"}};
    for (const Json& one : written.at("strata"))
        rows.push_back(
            {one.at("site"), one.at("vendor"),
             one.at("too_few_patients").get<bool>() ? "too few patients" : one.at("images").dump()});
    print_table(out, rows);
    if (written.at("not_images") != 0) out << written.at("not_images") << " samples are no images\n";
    out << written.at("images") << " images of patients are in "
        << written.at("contact_sheet").get<std::string>() << ", which stays inside\n";
}

}  // namespace staging
