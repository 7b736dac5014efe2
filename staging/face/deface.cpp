#include "staging/face/deface.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "staging/face/align.h"

namespace staging {
namespace {

using Point = std::array<double, 3>;

// Directions of the planes from straight ahead, downwards; and how far they keep from the brain.
constexpr std::array<double, Cut::kPlanes> kDegrees{20, 45, 70};
constexpr double kMargin = 6;
// The second registration sees nothing that is nearer to a plane, or beyond it.
constexpr double kUnseen = 8;
// Rays onto the face, in the template's mm: from before the nose, side by side; what they must meet in front of a plane.
constexpr double kRayStep = 3, kAlongRay = 1.5, kFront = -170, kBack = 0, kSide = 48, kLowest = -130,
                 kHighest = 30, kInFront = 6, kSideBelow = 40;
// A head is laid onto the template no worse than this.
constexpr double kSurelyHead = 0.35, kNextBest = 0.95, kLeastOverlap = 0.3;
constexpr double kLeastScale = 0.75, kMostScale = 1.4, kMostApart = 8;
constexpr double kLeastDeterminant = 0.3, kMostTurned = 60;
// Of the rays that fall into the volume this part meets the body, and they are so many; what they meet is not further
// in front of the template's skin (mm, and rays to each side of it).
constexpr double kMeetBody = 0.9, kFewestRays = 300, kFarAhead = 25;
constexpr int kBesides = 3;
constexpr double kMostRemoved = 0.5;  // of the body
// What two registrations lay this differently is no head, where the header says the same.
constexpr double kNoHeadApart = 20;
constexpr double kRayMm = 2, kBrainStep = 2;

// Voxels of a volume, looked up by where they lie.
class Body {
public:
    explicit Body(const HeadVolume& volume)
        : lattice_(coarser(volume, kRayMm)),
          to_lps_(lattice_axes(volume.grid)),
          from_lps_(inverse(to_lps_)),
          air_(air_threshold(lattice_)) {
        std::vector<std::uint8_t> voxels(lattice_.values.size());
        std::ranges::transform(lattice_.values, voxels.begin(), [&](float value) { return value > air_; });
        body_ = largest_component(voxels, lattice_.size);  // not opened first: skin is thin
    }
    float air() const noexcept { return air_; }
    // Outside of the volume, where nothing is told; air; neither; the body.
    enum class Here { outside, air, matter, body };
    Here at(const Point& lps) const {
        const Point q = mapped(from_lps_, lps);
        std::array<std::int64_t, 3> index{};
        for (std::size_t axis = 0; axis < 3; ++axis) {
            const double n = (q[axis] - lattice_.origin[axis]) / lattice_.spacing[axis];
            if (!(n > -0.5 && n < static_cast<double>(lattice_.size[axis]) - 0.5)) return Here::outside;
            index[axis] = std::llround(n);
        }
        const auto n =
            static_cast<std::size_t>((index[2] * lattice_.size[1] + index[1]) * lattice_.size[0] + index[0]);
        return body_[n] ? Here::body : lattice_.values[n] > air_ ? Here::matter : Here::air;
    }
    // Counts the body's voxels, and those that a cut removes.
    void count(const Cut& cut, double& all, double& removed) const {
        std::size_t n = 0;
        for (std::int64_t k = 0; k < lattice_.size[2]; ++k)
            for (std::int64_t j = 0; j < lattice_.size[1]; ++j)
                for (std::int64_t i = 0; i < lattice_.size[0]; ++i, ++n) {
                    if (!body_[n]) continue;
                    ++all;
                    removed += cut.removes(
                        mapped(to_lps_, {lattice_.origin[0] + lattice_.spacing[0] * static_cast<double>(i),
                                         lattice_.origin[1] + lattice_.spacing[1] * static_cast<double>(j),
                                         lattice_.origin[2] + lattice_.spacing[2] * static_cast<double>(k)}));
                }
    }

private:
    Lattice lattice_;
    Map to_lps_{}, from_lps_{};
    float air_;
    std::vector<std::uint8_t> body_;
};

Cut carried(const Cut& cut, const Map& to_template) {
    Cut out;
    out.is_made = 1;
    for (std::size_t p = 0; p < Cut::kPlanes; ++p) {
        const auto& n = cut.planes[p];
        for (std::size_t column = 0; column < 3; ++column)
            out.planes[p][column] =
                n[0] * to_template[column] + n[1] * to_template[4 + column] + n[2] * to_template[8 + column];
        out.planes[p][3] = n[3] - n[0] * to_template[3] - n[1] * to_template[7] - n[2] * to_template[11];
    }
    return out;
}

HeadVolume load(const std::string& path, const std::string& sha256) {
    core::Bytes bytes;
    try {
        bytes = core::read_file(path);
    } catch (const core::Error& e) {
        throw core::Error(core::Fault::system, std::string("the face template: ") + e.what());
    }
    if (core::to_hex(core::sha256(bytes)) != sha256)
        throw core::Error(core::Fault::system,
                          path + ": another file than the profile's face_template names (SHA-256)");
    return read_nifti(path);
}

}  // namespace

struct Defacer::Template {
    std::unique_ptr<Aligner> aligner;
    Cut cut;
    std::vector<Point> brain;
    struct Ray {
        double x, z;
        double skin;  // where the template's begins (y), of the rays beside it the one that is furthest ahead
    };
    std::vector<Ray> rays;

    // What becomes of a ray: where it falls into the volume, and whether into air; where it meets the body. kBack: nowhere.
    struct Met {
        double enters = kBack, body = kBack;
        bool through_air = false;
    };
    template <class Lps>
    static Met meets(const Body& body, double x, double z, Lps lps) {
        Met met;
        for (double y = kFront; y < kBack; y += kAlongRay) {
            const Body::Here here = body.at(lps(Point{x, y, z}));
            if (here == Body::Here::outside) continue;
            if (met.enters == kBack) met.enters = y, met.through_air = here == Body::Here::air;
            if (here != Body::Here::body) continue;
            met.body = y;
            break;
        }
        return met;
    }

    void set_rays(const Body& head, double lowest);
};

void Defacer::Template::set_rays(const Body& head, double lowest) {
    const auto columns = static_cast<int>(2 * kSide / kRayStep) + 1,
               rows = static_cast<int>((kHighest - kLowest) / kRayStep) + 1;
    const auto x_of = [](int column) { return -kSide + kRayStep * column; };
    const auto z_of = [](int row) { return kLowest + kRayStep * row; };
    const auto is_shown = [&](int row) { return z_of(row) >= lowest + kRayStep; };
    std::vector<double> skin(static_cast<std::size_t>(columns * rows), kBack);
    const auto at = [&](int row, int column) -> double& {
        return skin[static_cast<std::size_t>(row * columns + column)];
    };
    int first = rows;  // that the template shows
    for (int row = 0; row < rows; ++row) {
        if (!is_shown(row)) continue;
        first = std::min(first, row);
        for (int column = 0; column < columns; ++column)
            at(row, column) =
                meets(head, x_of(column), z_of(row), [](const Point& point) { return point; }).body;
    }
    for (int row = 0; row < rows; ++row)
        for (int column = 0; column < columns; ++column) {
            const double x = x_of(column), z = z_of(row), own = at(row, column);
            if (is_shown(row) ? own >= kBack || !cut.removes({x, own + kInFront, z})
                              : std::abs(x) > kSideBelow || first == rows)
                continue;
            // Below what the template shows nothing is further ahead than where it ends.
            const int middle = std::max(row, first);
            double least = kBack;
            for (int r = std::max(middle - kBesides, first); r <= std::min(middle + kBesides, rows - 1); ++r)
                for (int c = std::max(column - kBesides, 0); c <= std::min(column + kBesides, columns - 1);
                     ++c)
                    least = std::min(least, at(r, c));
            rays.push_back({x, z, least});
        }
}

Defacer::Defacer(const FaceTemplate& files) : template_(std::make_unique<Template>()) {
    const HeadVolume head = load(files.head, files.head_sha256),
                     brain = load(files.brain, files.brain_sha256);
    if (head.grid.size != brain.grid.size || !is_same_grid(head.grid, brain.grid))
        throw core::Error(core::Fault::system, "the face template's head and brain are not on one grid");
    template_->aligner = std::make_unique<Aligner>(head);
    const std::array<std::int64_t, 3> size{brain.grid.size[2], brain.grid.size[1], brain.grid.size[0]};
    std::vector<std::uint8_t> voxels(brain.values.size());
    std::ranges::transform(brain.values, voxels.begin(), [](float value) { return value > 0; });
    voxels = largest_component(opened(voxels, size, 2), size);
    Cut& cut = template_->cut;
    cut.is_made = 1;
    for (std::size_t p = 0; p < Cut::kPlanes; ++p) {
        const double angle = kDegrees[p] * std::numbers::pi / 180;
        cut.planes[p] = {0, -std::cos(angle), -std::sin(angle), -1e9};
    }
    const Affine& a = brain.grid.affine;
    std::size_t n = 0;
    for (std::int64_t k = 0; k < size[2]; ++k)
        for (std::int64_t j = 0; j < size[1]; ++j)
            for (std::int64_t i = 0; i < size[0]; ++i, ++n) {
                if (!voxels[n]) continue;
                const Point at =
                    mapped(a, {static_cast<double>(i), static_cast<double>(j), static_cast<double>(k)});
                for (auto& plane : cut.planes)
                    plane[3] = std::max(plane[3], plane[1] * at[1] + plane[2] * at[2] + kMargin);
                if (i % 2 == 0 && j % 2 == 0 && k % 2 == 0) template_->brain.push_back(at);
            }
    if (template_->brain.empty())
        throw core::Error(core::Fault::system, "the face template's brain is empty");
    template_->set_rays(Body(head), mapped(a, {0, 0, 0})[2]);
    if (static_cast<double>(template_->rays.size()) < kFewestRays)
        throw core::Error(core::Fault::system, "the face template shows no face where MNI space has it");
}
Defacer::~Defacer() = default;

namespace {

// Whether front or top of the head lies elsewhere than the header says, and by how much: degrees. Left and right count
// for nothing, since a head's mirror image is a head.
double turned_by(const Map& to_template) {
    double least = 1;
    for (const Point& along : {Point{0, -1, 0}, {0, 0, 1}}) {
        Point to{};
        for (std::size_t row = 0; row < 3; ++row)
            to[row] = to_template[row * 4 + 1] * along[1] + to_template[row * 4 + 2] * along[2];
        least = std::min(least, (to[1] * along[1] + to[2] * along[2]) / std::hypot(to[0], to[1], to[2]));
    }
    return std::acos(std::clamp(least, -1.0, 1.0)) * 180 / std::numbers::pi;
}

struct Scales {
    double low = 1e9, high = 0, determinant = 0;
    explicit Scales(const Map& map) : determinant(std::abs(staging::determinant(map))) {
        for (std::size_t axis = 0; axis < 3; ++axis) {
            const double scale = std::hypot(map[axis], map[4 + axis], map[8 + axis]);
            low = std::min(low, scale), high = std::max(high, scale);
        }
    }
    bool are_a_head_s() const {
        return low >= kLeastScale && high <= kMostScale && determinant >= kLeastDeterminant;
    }
};

}  // namespace

FaceMeasures Defacer::measure(HeadVolume volume, double forward) const {
    FaceMeasures m;
    m.is_too_large = !Aligner::can_hold(volume.grid);
    if (m.is_too_large || !(std::abs(determinant(lattice_axes(volume.grid))) > 0.1)) return m;
    float lowest = std::numeric_limits<float>::infinity();
    for (const float value : volume.values)
        if (std::isfinite(value)) lowest = std::min(lowest, value);
    if (!std::isfinite(lowest)) return m;
    std::ranges::replace_if(
        volume.values, [](float value) { return !std::isfinite(value); }, lowest);
    const auto first = template_->aligner->align(volume);
    if (!first) return m;
    m.similarity = first->similarity;
    m.runner_up = first->runner_up / first->coarse;
    m.overlap = first->overlap;
    const Scales scales(first->to_template);
    m.scale_low = scales.low, m.scale_high = scales.high, m.determinant = scales.determinant;
    if (!(m.similarity >= kSurelyHead) || !scales.are_a_head_s()) return m;
    m.turned = turned_by(first->to_template);

    Cut planes = template_->cut;
    for (auto& plane : planes.planes) plane[3] += forward;
    m.cut = carried(planes, first->to_template);
    const auto second = template_->aligner->align_again(volume, *first, [&](const Point& lps) {
        const Point at = mapped(first->to_template, lps);
        return !template_->cut.removes({at[0], at[1] - kUnseen, at[2] - kUnseen});
    });
    if (!second || !Scales(second->to_template).are_a_head_s()) return m;
    m.is_laid_again = true;
    const Map from_first = inverse(first->to_template), from_second = inverse(second->to_template);
    for (const Point& at :
         {Point{0, -100, -50}, {60, -60, -60}, {-60, -60, -60}, {0, -80, 20}, {0, 100, 0}, {0, 0, 80}}) {
        const Point other = mapped(second->to_template, mapped(from_first, at));
        m.apart_mm = std::max(m.apart_mm, std::hypot(other[0] - at[0], other[1] - at[1], other[2] - at[2]));
    }
    for (const Point& at : template_->brain) m.brain += m.cut.removes(mapped(from_second, at));
    const Body body(volume);
    body.count(m.cut, m.body, m.removed);
    double left = 0;
    const auto lps = [&](const Point& at) { return mapped(from_second, at); };
    for (const auto& ray : template_->rays) {
        const Template::Met met = Template::meets(body, ray.x, ray.z, lps);
        m.expected += met.enters < kBack;
        if (met.body >= kBack) continue;
        ++m.rays;
        // Where the volume begins behind the skin, no air is there to come through.
        const bool is_told =
            met.body >= ray.skin - kFarAhead && (met.through_air || met.enters > ray.skin + kFarAhead);
        left += !is_told || !m.cut.removes(lps({ray.x, met.body, ray.z}));
    }
    if (m.rays > 0) m.skin_left = left / m.rays;
    // What is air, as the volume has it most.
    const auto is_air = [&](float value) { return value <= body.air(); };
    std::vector<float> air;
    air.reserve(static_cast<std::size_t>(std::ranges::count_if(volume.values, is_air)));
    std::ranges::copy_if(volume.values, std::back_inserter(air), is_air);
    if (air.empty()) return m;
    const auto middle = air.begin() + static_cast<std::ptrdiff_t>(air.size() / 2);
    std::ranges::nth_element(air, middle);
    m.cut.value = *middle;
    return m;
}

std::variant<Cut, Rejection> Defacer::verdict(const FaceMeasures& m, HeaderSays header) {
    const auto refused = [](const char* what) { return Rejection{Reason::face_not_removed, what}; };
    if (m.is_too_large) return refused("size");
    const bool is_unlike = m.similarity < kSurelyHead || m.scale_low < kLeastScale ||
                           m.scale_high > kMostScale || m.determinant < kLeastDeterminant ||
                           !m.is_laid_again || m.apart_mm > kNoHeadApart;
    if (header == HeaderSays::no_face && is_unlike) return Cut{};
    if (!(m.similarity >= kSurelyHead && m.runner_up <= kNextBest && m.overlap >= kLeastOverlap &&
          m.scale_low >= kLeastScale && m.scale_high <= kMostScale && m.determinant >= kLeastDeterminant &&
          m.turned <= kMostTurned))
        return refused("alignment");
    if (!m.is_laid_again || !(m.apart_mm <= kMostApart)) return refused("agreement");
    if (m.brain > 0) return refused("brain");
    if (!(m.rays >= kFewestRays && m.rays >= kMeetBody * m.expected && m.skin_left <= 0 && m.removed > 0))
        return refused("surface");
    if (!(m.removed <= kMostRemoved * m.body)) return refused("body");
    return m.cut;
}

}  // namespace staging
