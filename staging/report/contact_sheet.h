#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/shard/schema.h"

namespace staging {

// A sample that a contact sheet may show. Plain bytes: ranks send it as it is.
struct SheetSample {
    core::Digest order{};  // sheet_order()
    core::Id16 patient{};
    std::int64_t shard = 0, sample = 0;
    std::int32_t site = -1, vendor = -1;  // as the columns' categories, -1: none
};
static_assert(sizeof(SheetSample) == 72);

// SHA-256("aloft contact sheet" 00 seed 00 shard 00 sample), numbers in decimal: drawn by nobody, and the same for anybody.
core::Digest sheet_order(std::uint64_t seed, std::int64_t shard, std::int64_t sample);

// Of a stratum's patients the `most` who come first, each with the sample that makes them so. The same for any order in which
// samples come, and for any ranks among which they are divided and then joined.
class FirstPatients {
public:
    explicit FirstPatients(std::size_t most) : most_(most) {}
    void add(const SheetSample& sample);
    std::vector<SheetSample> in_order() const;

private:
    std::size_t most_;
    std::map<core::Id16, SheetSample> of_patient_;
    std::set<std::pair<core::Digest, core::Id16>> order_;
};

// The strata of a sheet, site x vendor, in the order of the categories.
class SheetChoice {
public:
    // A stratum is shown if it has `fewest` patients, and of it `per_stratum` samples at most.
    SheetChoice(std::size_t fewest, std::size_t per_stratum) : fewest_(fewest), per_stratum_(per_stratum) {}
    void add(const SheetSample& sample);
    std::vector<SheetSample> kept() const;  // to be added to another

    struct Stratum {
        std::int32_t site = -1, vendor = -1;
        bool has_too_few = false;  // then it has no samples
        std::vector<SheetSample> samples;
    };
    // No patient twice: who is in several strata stands in the first, and the others show the next who comes, as far as they
    // keep any.
    std::vector<Stratum> strata() const;

private:
    std::size_t fewest_, per_stratum_;
    std::map<std::pair<std::int32_t, std::int32_t>, FirstPatients> strata_;
};

// What stands on the page.
struct ContactSheet {
    struct Picture {
        std::string place, shape;  // "shard-000003.h5, sample 17", "1 x 512 x 512"
        std::int64_t width = 0, height = 0;
        std::string png;  // base64
    };
    struct Stratum {
        std::string site, vendor;  // "": none
        bool has_too_few = false;
        std::vector<Picture> pictures;
    };
    std::string dataset, field;
    std::int64_t fewest = 0, per_stratum = 0, not_images = 0;
    std::uint64_t seed = 0;
    std::vector<Stratum> strata;
};

// One page that loads nothing and runs nothing.
std::string contact_sheet_html(const ContactSheet& sheet);

}  // namespace staging
