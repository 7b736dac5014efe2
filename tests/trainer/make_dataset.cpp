// make_dataset canaries - prints, in hex, what stands in every image and in every pseudonym, for who searches them.
// make_dataset DIR images|two|table|apart|elsewhere|mirrored|foreign|unlabelled|miscounted|measured|unmeasured|volumes|scans|unspaced|spots|bodies|wrongly|wrongly-tested|single|large: a small encrypted dataset made
// from a fixed seed, DIR/data and DIR/dataset.key. Images: 8 x 8, two bars whose places tell the class, noise, brightness by hospital.
// Two: images of two classes, with a seventh of the labels wrong, and the patient's age in a column.
// Table: six features of very different sizes, one of them constant, some missing. Apart: the table, with the first and the
// last class exchanged in the south. Elsewhere: the table, as another dataset. Mirrored: a table of other samples and patients, as another dataset whose categories stand
// in the opposite order. Foreign: the table as another dataset whose last class has another name. Unlabelled: the images, each
// thirty-first without a label. Miscounted: one of them for training has none, and the manifest does not know.
// Measured: the images with a dose that the bar's place tells (80, 100 or 120 mg, and noise), a count, and whether the bar
// is left, is on top, and the image is bright, each for some of them; unmeasured: each thirty-first without a dose.
// Volumes: each of a shape of its own, a ball in noise and its mask. Scans: the same, flatter, of 96 patients, with a spacing of 3 x
// 0.8 x 0.8 mm and smaller; unspaced: one of them for the test has none. Spots: images of 17 x 16 with a bright disc and, in two of
// three, a dark bar, in noise, and their mask: 1 the disc, 2 the bar; of 320 patients. Bodies: volumes of 9 x 17 x 16, the
// same in three dimensions, of 80. Wrongly: the spots, and one of them for training has a 3 in its mask; wrongly-tested: one for the test. Single: the images, one of them for the test. Large: 4096 images of 224 x 224 (0.2 GB).
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <random>

#include "core/shard/version.h"
#include "core/shard/writer.h"

namespace {

using namespace core;

constexpr int kSamples = 640, kPerPatient = 4, kShards = 3;
const std::vector<std::string> kClasses{"left", "right", "top"}, kSites{"north", "south", "tiny"},
    kVendors{"acme", "zeta"};

// The last row of every image, and the end of every pseudonym.
constexpr std::array<std::uint8_t, 8> kRow{0x9e, 0x11, 0xd7, 0x42, 0x6b, 0xf3, 0x2c, 0x85};
constexpr std::array<std::uint8_t, 15> kPseudonym{0xc1, 0x5a, 0x93, 0x0e, 0xb7, 0x28, 0xfd, 0x64,
                                                  0x81, 0xde, 0x39, 0xa2, 0x4f, 0x16, 0xeb};

// Uniform in [0, 1) from the generator's bits: std's distributions differ between libraries.
double uniform(std::mt19937_64& random) {
    return static_cast<double>(random() >> 11) * 0x1p-53;
}

Array image(std::mt19937_64& random, int label, int site, int side) {
    Array out;
    out.bytes.resize(static_cast<std::size_t>(side * side));
    const int edge = side / 4;
    for (int y = 0; y < side; ++y)
        for (int x = 0; x < side; ++x) {
            const bool bar = label == 0 ? x < edge : label == 1 ? x >= side - edge : y < edge;
            const double value = 40 + 30 * site + (bar ? 60 : 0) + 70 * (uniform(random) - 0.5);
            out.bytes[static_cast<std::size_t>(y * side + x)] = static_cast<std::uint8_t>(value);
        }
    std::copy(kRow.begin(), kRow.end(), out.bytes.end() - kRow.size());
    return out;
}

Array features(std::mt19937_64& random, int label) {
    const float values[6] = {static_cast<float>(1000 * label + 500 * uniform(random)),
                             static_cast<float>(1e-4 * (uniform(random) - 0.4 * label)),
                             7.5F,
                             random() % 10 ? static_cast<float>(uniform(random)) : NAN,
                             static_cast<float>(1e6 + uniform(random)),
                             static_cast<float>(uniform(random) - label)};
    Array out;
    out.bytes.resize(sizeof values);
    std::memcpy(out.bytes.data(), values, sizeof values);
    return out;
}

// Image and mask.
std::vector<Array> volume(std::mt19937_64& random, int number, bool flat) {
    const std::vector<std::int64_t> shape{1, (flat ? 9 : 20) + number % 9, 24 + number % 7, 22 + number % 5};
    const double radius = (flat ? 3 : 5) + (flat ? 1 : 2) * uniform(random);
    double centre[3];
    for (std::size_t i = 0; i < 3; ++i)
        centre[i] = radius + uniform(random) * (static_cast<double>(shape[i + 1]) - 2 * radius);
    Array image{{}, shape}, mask{{}, shape};
    for (std::int64_t z = 0; z < shape[1]; ++z)
        for (std::int64_t y = 0; y < shape[2]; ++y)
            for (std::int64_t x = 0; x < shape[3]; ++x) {
                const double dz = static_cast<double>(z) - centre[0], dy = static_cast<double>(y) - centre[1],
                             dx = static_cast<double>(x) - centre[2];
                const bool is_inside = dz * dz + dy * dy + dx * dx < radius * radius;
                const auto value = static_cast<std::int16_t>(-200 + 300 * is_inside + 300 * uniform(random));
                image.bytes.push_back(static_cast<std::uint8_t>(value & 0xff));
                image.bytes.push_back(static_cast<std::uint8_t>((value >> 8) & 0xff));
                mask.bytes.push_back(is_inside);
            }
    return {image, mask};
}

// A bright ball and, in two of three, a dark beam, and their mask. `size`: of the axes, slowest first.
std::vector<Array> spots(std::mt19937_64& random, const std::vector<int>& size) {
    const std::size_t axes = size.size();
    const bool has_beam = random() % 3 != 0;
    const double radius = 2.5 + 1.5 * uniform(random);
    std::vector<double> centre;
    for (const int axis : size) centre.push_back(radius + uniform(random) * (axis - 2 * radius));
    const int beam = static_cast<int>(uniform(random) * (size[axes - 2] - 3));  // 3 rows high
    Array image, mask;
    std::vector<int> at(axes, 0);
    for (bool is_there = true; is_there;) {
        double distance = 0;
        for (std::size_t a = 0; a < axes; ++a) distance += (at[a] - centre[a]) * (at[a] - centre[a]);
        const bool is_ball = distance < radius * radius;
        const bool is_beam = !is_ball && has_beam && at[axes - 2] >= beam && at[axes - 2] < beam + 3;
        const double value = 100 + 50 * is_ball - 50 * is_beam + 70 * (uniform(random) - 0.5);
        image.bytes.push_back(static_cast<std::uint8_t>(value));
        mask.bytes.push_back(is_ball ? 1 : is_beam ? 2 : 0);
        std::size_t a = axes;
        while (a > 0 && ++at[a - 1] == size[a - 1]) at[--a] = 0;
        is_there = a > 0;
    }
    return {image, mask};
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    if (std::strcmp(argv[1], "canaries") == 0) {
        std::printf("%s\n%s\n", to_hex(kRow).c_str(), to_hex(kPseudonym).c_str());
        return 0;
    }
    const std::filesystem::path dir = std::filesystem::path(argv[1]) / "data";
    const bool apart = std::strcmp(argv[2], "apart") == 0, elsewhere = std::strcmp(argv[2], "elsewhere") == 0,
               mirrored = std::strcmp(argv[2], "mirrored") == 0,
               foreign = std::strcmp(argv[2], "foreign") == 0,
               table = apart || elsewhere || mirrored || foreign || std::strcmp(argv[2], "table") == 0,
               unlabelled = std::strcmp(argv[2], "unlabelled") == 0,
               miscounted = std::strcmp(argv[2], "miscounted") == 0,
               unspaced = std::strcmp(argv[2], "unspaced") == 0,
               scans = unspaced || std::strcmp(argv[2], "scans") == 0,
               volumes = scans || std::strcmp(argv[2], "volumes") == 0,
               large = std::strcmp(argv[2], "large") == 0, single = std::strcmp(argv[2], "single") == 0,
               wrongly = std::strcmp(argv[2], "wrongly") == 0,
               wrongly_tested = std::strcmp(argv[2], "wrongly-tested") == 0,
               bodies = std::strcmp(argv[2], "bodies") == 0,
               masked = wrongly || wrongly_tested || bodies || std::strcmp(argv[2], "spots") == 0,
               two = std::strcmp(argv[2], "two") == 0, unmeasured = std::strcmp(argv[2], "unmeasured") == 0,
               measured = unmeasured || std::strcmp(argv[2], "measured") == 0;
    const int samples = scans     ? 96
                        : volumes ? 40
                        : large   ? 4096
                        : bodies  ? 160
                                  : kSamples,
              side = large ? 224 : 8;
    const SecretKey key = SecretKey::from(Bytes(32, 0x5a));
    std::filesystem::create_directories(dir / "shards");
    key.save(dir.parent_path() / "dataset.key");

    Manifest manifest;
    manifest.dataset = elsewhere || mirrored || foreign ? elsewhere ? "others" : argv[2]
                       : table ? "blobs"
                       : volumes                        ? "balls"
                       : masked                         ? "spots"
                                                        : "bars";
    manifest.version = "1";
    manifest.key_id = key.id();
    manifest.schema.fields = {table ? Field{"features", DType::f32, {6}, ""}
                                    : Field{"image", DType::u8, {1, side, side}, "arbitrary"}};
    if (volumes)
        manifest.schema.fields = {Field{"image", DType::i16, {}, ""}, Field{"mask", DType::u8, {}, ""}};
    const std::vector<int> size = bodies ? std::vector{9, 17, 16} : std::vector{17, 16};
    if (masked) {
        std::vector<std::int64_t> shape{1};
        shape.insert(shape.end(), size.begin(), size.end());
        manifest.schema.fields = {Field{"image", DType::u8, shape, "arbitrary"},
                                  Field{"mask", DType::u8, shape, ""}};
    }
    manifest.schema.columns = {{"patient", ColumnType::id16, {}},
                               {"site", ColumnType::category, kSites},
                               {"vendor", ColumnType::category, kVendors},
                               {"label", ColumnType::category, kClasses},
                               {"split", ColumnType::category, {"train", "validation", "test", "hidden"}}};
    std::vector<std::string> classes = kClasses;
    if (foreign) classes[2] = "below";
    manifest.schema.columns[3].names = classes;
    if (mirrored)
        for (std::size_t i = 1; i < 4; ++i)
            std::reverse(manifest.schema.columns[i].names.begin(), manifest.schema.columns[i].names.end());
    if (two) {
        manifest.schema.columns[3].names = {kClasses[0], kClasses[1]};
        manifest.schema.columns.push_back({"age", ColumnType::i64, {}});
    }
    if (scans)
        for (const char* name : {"spacing_k_mm", "spacing_j_mm", "spacing_i_mm"})
            manifest.schema.columns.push_back({name, ColumnType::f64, {}});
    if (measured) {
        manifest.schema.columns.push_back({"dose", ColumnType::f64, {}});
        manifest.schema.columns.push_back({"count", ColumnType::i64, {}});
        manifest.schema.columns.push_back({"is_left", ColumnType::i64, {}});
        manifest.schema.columns.push_back({"is_top", ColumnType::category, {"no", "yes"}});
        manifest.schema.columns.push_back({"is_bright", ColumnType::f64, {}});
    }
    manifest.deidentification = manifest.risk = manifest.splits = nlohmann::ordered_json::object();
    manifest.parents = nlohmann::ordered_json::array();

    ManifestWriter pages(dir, manifest, key);
    std::mt19937_64 random(mirrored ? 20261129 : 20261123);
    for (int shard = 0; shard < kShards; ++shard) {
        const auto entry = shard_file(shard);
        ShardWriter writer(dir / "shards" / entry, manifest.schema, manifest.id(), shard, key, {});
        for (int i = shard; i < samples; i += kShards) {
            const int patient = volumes  ? i
                                : masked ? i / 2
                                         : i / kPerPatient,
                      label = static_cast<int>(random() % (two ? 2 : 3));
            const int site = patient % 40 == 0 ? 2 : patient % 2;
            Id16 id{};
            id[0] = static_cast<std::uint8_t>(patient + 1);
            std::copy(kPseudonym.begin(), kPseudonym.end(), id.begin() + 1);
            if (mirrored) id[1] ^= 0xff;  // other patients
            if (large || masked) id[1] = static_cast<std::uint8_t>(patient >> 8);
            const char* split = single && i > 0 && patient % 5 == 0 ? "hidden"
                                : patient % 5 == 0                  ? "test"
                                : patient % 5 == 1                  ? "validation"
                                                                    : "train";
            Sample sample;
            if (volumes)
                sample.fields = volume(random, i, scans);
            else if (masked)
                sample.fields = spots(random, size);
            else
                sample.fields = {table ? features(random, apart && site == 1 ? 2 - label : label)
                                       : image(random, label, site, side)};
            if ((wrongly && i == 335) || (wrongly_tested && i == 600)) sample.fields[1].bytes[40] = 3;
            sample.columns = {id, kSites[static_cast<std::size_t>(site)],
                              kVendors[static_cast<std::size_t>(patient % 3 == 0)],
                              (unlabelled && i % 31 == 10) || (miscounted && i == 330)
                                  ? Cell()
                                  : Cell(classes[static_cast<std::size_t>(label)]),
                              std::string(split)};
            if (scans)
                for (const double length : {3.0 - 0.1 * (i % 5), 0.8, 0.8})
                    sample.columns.push_back(unspaced && i == 10 ? Cell() : Cell(length));
            if (two) {
                if (i % 7 == 3) sample.columns[3] = Cell(kClasses[static_cast<std::size_t>(1 - label)]);
                sample.columns.push_back(std::int64_t{40 + 20 * (patient % 3 == 1)});
            }
            if (measured) {
                const double dose = 80 + 20 * label + 4 * uniform(random);
                sample.columns.push_back(unmeasured && i % 31 == 10 ? Cell() : Cell(dose));
                sample.columns.push_back(std::int64_t{label + 5});
                sample.columns.push_back(i % 5 == 2 ? Cell() : Cell(std::int64_t{label == 0}));
                sample.columns.push_back(i % 7 == 3 ? Cell() : Cell(std::string(label == 2 ? "yes" : "no")));
                sample.columns.push_back(i % 3 == 1 ? Cell() : Cell(site == 1 ? 1.0 : 0.0));
            }
            writer.append(std::move(sample));
        }
        ShardEntry written = writer.finish();
        if (miscounted) {
            auto& counts = written.counts.at("label");
            counts[kClasses[0]] += counts[""];
            counts.erase("");
        }
        pages.add(std::move(written));
    }
    pages.finish();
}
