#include "staging/report/quarantine.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <tuple>

#include "core/base/files.h"

namespace staging {
namespace {

std::string text_of(const char* from, std::size_t limit) {
    return {from, ::strnlen(from, limit)};
}

std::string line_of(const Rejected& one, const std::vector<std::string>& sites) {
    nlohmann::ordered_json json{{"number", one.origin.file}};
    if (one.origin.row) json["row"] = one.origin.row;
    json["site"] = sites.at(one.site);
    json["name"] = text_of(one.file_name, sizeof one.file_name);
    json["reason"] = text_of(one.reason, sizeof one.reason);
    if (one.pieces != 1) json["pieces"] = one.pieces;
    if (one.detail[0]) json["detail"] = text_of(one.detail, sizeof one.detail);
    return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::filesystem::path part_of(const std::filesystem::path& folder, std::int64_t partition) {
    return folder / ("quarantine-" + std::to_string(partition) + ".part");
}

}  // namespace

QuarantineWriter::QuarantineWriter(const core::Comm& comm, const std::filesystem::path& folder,
                                   const core::SecretKey& run_key, const Options& options,
                                   std::vector<std::string> sites, std::uint64_t files)
    : comm_(comm),
      folder_(folder),
      sites_(std::move(sites)),
      files_(std::max<std::uint64_t>(files, 1)),
      shuffle_(comm, folder, "quarantine", static_cast<std::int64_t>(files / options.partition_records + 1),
               run_key, options) {}

ReasonCounts QuarantineWriter::write(
    const std::filesystem::path& path,
    const std::function<bool(const std::function<void(const Rejected&)>&)>& step) {
    const auto partitions = static_cast<std::uint64_t>(shuffle_.partitions());
    shuffle_.fill([&](const Shuffle<Rejected>::Put& put) {
        return step([&](const Rejected& one) {
            put(static_cast<std::int64_t>(
                    std::min(one.origin.file / (files_ / partitions + 1), partitions - 1)),
                one);
        });
    });
    ReasonCounts mine;
    core::together(comm_, [&] {
        for (std::int64_t p = comm_.rank(); p < shuffle_.partitions(); p += comm_.size()) {
            std::vector<Rejected> all = shuffle_.records(p);
            // A file of many frames can be left out for several reasons, and of several volumes.
            const auto key = [](const Rejected& one) {
                return std::tuple(one.origin, text_of(one.reason, sizeof one.reason),
                                  text_of(one.detail, sizeof one.detail), one.pieces);
            };
            std::sort(all.begin(), all.end(),
                      [&](const Rejected& a, const Rejected& b) { return key(a) < key(b); });
            core::AtomicFile part(part_of(folder_, p));
            for (const Rejected& one : all) {
                part.write(core::view(line_of(one, sites_)));
                mine[text_of(one.reason, sizeof one.reason)][sites_.at(one.site)] += one.pieces;
            }
            part.commit();
        }
    });
    const std::string counts = nlohmann::json(mine).dump();
    const std::vector<core::Bytes> from_all = comm_.gather(core::view(counts));
    ReasonCounts sum;
    for (const core::Bytes& one : from_all)
        for (const auto& [reason, sites] : nlohmann::json::parse(core::text(one)).get<ReasonCounts>())
            for (const auto& [site, count] : sites) sum[reason][site] += count;
    const std::string text = nlohmann::json(sum).dump();
    core::Bytes all(text.begin(), text.end());
    comm_.broadcast(all);
    sum = nlohmann::json::parse(core::text(all)).get<ReasonCounts>();
    core::together(comm_, [&] {
        if (!comm_.is_root()) return;
        core::AtomicFile out(path, 0640);
        for (std::int64_t p = 0; p < shuffle_.partitions(); ++p)
            out.write(core::read_file(part_of(folder_, p), UINT64_MAX));
        out.commit();
    });
    return sum;
}

}  // namespace staging
