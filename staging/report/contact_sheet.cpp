#include "staging/report/contact_sheet.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "core/base/html.h"

namespace staging {
namespace {

using core::html_escaped;

constexpr char kStyle[] =
    "body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em;color:#222}"
    "h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em;border-bottom:1px solid #ccc}"
    ".note{background:#fff7e0;border-left:4px solid #d9a400;padding:.5em 1em}"
    "figure{display:inline-block;vertical-align:top;width:180px;margin:.5em}"
    "img{background:#000;image-rendering:pixelated}figcaption{font-size:12px}";

}  // namespace

core::Digest sheet_order(std::uint64_t seed, std::int64_t shard, std::int64_t sample) {
    std::string text = "aloft contact sheet";
    for (const std::string& number : {std::to_string(seed), std::to_string(shard), std::to_string(sample)})
        text.append(1, '\0').append(number);
    return core::sha256(core::view(text));
}

void FirstPatients::add(const SheetSample& sample) {
    const auto found = of_patient_.find(sample.patient);
    if (found != of_patient_.end()) {
        if (sample.order >= found->second.order) return;
        order_.erase({found->second.order, sample.patient});
    } else if (of_patient_.size() == most_) {
        if (order_.empty() || sample.order >= order_.rbegin()->first) return;
        of_patient_.erase(order_.rbegin()->second);
        order_.erase(std::prev(order_.end()));
    }
    of_patient_[sample.patient] = sample;
    order_.emplace(sample.order, sample.patient);
}

std::vector<SheetSample> FirstPatients::in_order() const {
    std::vector<SheetSample> out;
    for (const auto& [order, patient] : order_) out.push_back(of_patient_.at(patient));
    return out;
}

void SheetChoice::add(const SheetSample& sample) {
    strata_.try_emplace({sample.site, sample.vendor}, FirstPatients(std::max(fewest_, per_stratum_)))
        .first->second.add(sample);
}

std::vector<SheetSample> SheetChoice::kept() const {
    std::vector<SheetSample> out;
    for (const auto& [codes, patients] : strata_)
        for (const SheetSample& one : patients.in_order()) out.push_back(one);
    return out;
}

std::vector<SheetChoice::Stratum> SheetChoice::strata() const {
    std::vector<Stratum> out;
    std::set<core::Id16> shown;
    for (const auto& [codes, patients] : strata_) {
        const std::vector<SheetSample> first = patients.in_order();
        Stratum one{codes.first, codes.second, first.size() < fewest_, {}};
        if (!one.has_too_few)
            for (const SheetSample& sample : first)
                if (one.samples.size() < per_stratum_ && shown.insert(sample.patient).second)
                    one.samples.push_back(sample);
        out.push_back(std::move(one));
    }
    return out;
}

std::string contact_sheet_html(const ContactSheet& sheet) {
    std::string out =
        "<!DOCTYPE html><!-- This file holds images of patients: it stays inside. -->\n"
        "<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src "
        "'unsafe-inline'\">\n";
    out += fmt::format("<title>{0}: contact sheet</title>\n<style>{1}</style></head><body>\n",
                       html_escaped(sheet.dataset), kStyle);
    out +=
        "<p class=\"note\">This page holds images of patients: it stays inside, with intake account and "
        "stewards, and is never released.</p>\n";
    out += fmt::format("<h1>{}: contact sheet</h1>\n", html_escaped(sheet.dataset));
    if (!sheet.field.empty())
        out += fmt::format(
            "<p>{}, as a program reads it: of each site and vendor {} samples at most, each of another "
            "patient, drawn by the "
            "number {}. Of a volume its middle slice. At most 160 pixels a side, each the mean of its area; "
            "colours of 8 bits as they are, all else from the 1st to the 99th percentile of what is "
            "shown.</p>\n",
            html_escaped(sheet.field), sheet.per_stratum, sheet.seed);
    if (sheet.not_images)
        out += fmt::format("<p>{} samples are no images, and are not shown.</p>\n", sheet.not_images);
    for (const ContactSheet::Stratum& stratum : sheet.strata) {
        out +=
            fmt::format("<h2>{}, {}</h2>\n", stratum.site.empty() ? "(no site)" : html_escaped(stratum.site),
                        stratum.vendor.empty() ? "(no vendor)" : html_escaped(stratum.vendor));
        if (stratum.has_too_few) out += fmt::format("<p>too few: not {} patients</p>\n", sheet.fewest);
        for (const ContactSheet::Picture& one : stratum.pictures)
            out += fmt::format(
                "<figure><img width=\"{}\" height=\"{}\" alt=\"\" src=\"data:image/png;base64,{}\">"
                "<figcaption>{}<br>{}</figcaption></figure>\n",
                one.width, one.height, one.png, html_escaped(one.place), html_escaped(one.shape));
    }
    return out + "</body></html>\n";
}

}  // namespace staging
