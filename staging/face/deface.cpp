#include "staging/face/deface.h"

#include <algorithm>
#include <cmath>
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
constexpr double kLeastScale = 0.75, kMostScale = 1.4, kMostApart = 8, kMostSkin = 0.02;
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
    bool at(const Point& lps) const {
        const Point q = mapped(from_lps_, lps);
        std::array<std::int64_t, 3> index{};
        for (std::size_t axis = 0; axis < 3; ++axis) {
            const double n = (q[axis] - lattice_.origin[axis]) / lattice_.spacing[axis];
            if (!(n > -0.5 && n < static_cast<double>(lattice_.size[axis]) - 0.5)) return false;
            index[axis] = std::llround(n);
        }
        return body_[static_cast<std::size_t>((index[2] * lattice_.size[1] + index[1]) * lattice_.size[0] +
                                              index[0])] != 0;
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
    std::vector<std::array<double, 2>> rays;  // x, z

    // Where the ray begins to be in the body; kBack if nowhere.
    template <class Lps>
    static double meets(const Body& body, const std::array<double, 2>& ray, Lps lps) {
        for (double y = kFront; y < kBack; y += kAlongRay)
            if (body.at(lps(Point{ray[0], y, ray[1]}))) return y;
        return kBack;
    }
};

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
    const Body body(head);
    const double lowest = mapped(a, {0, 0, 0})[2];
    for (double x = -kSide; x <= kSide; x += kRayStep)
        for (double z = kLowest; z <= kHighest; z += kRayStep) {
            const double y = Template::meets(body, {x, z}, [](const Point& at) { return at; });
            if (z < lowest + kRayStep ? std::abs(x) <= kSideBelow
                                      : y < kBack && cut.removes({x, y + kInFront, z}))
                template_->rays.push_back({x, z});
        }
}
Defacer::~Defacer() = default;

FaceMeasures Defacer::measure(HeadVolume volume) const {
    std::ranges::replace_if(
        volume.values, [](float value) { return !std::isfinite(value); }, 0.0F);
    FaceMeasures m;
    const auto first = template_->aligner->align(volume);
    if (!first) return m;
    m.similarity = first->similarity;
    m.runner_up = first->runner_up / first->coarse;
    m.overlap = first->overlap;
    m.scale_low = 1e9;
    for (std::size_t axis = 0; axis < 3; ++axis) {
        const Map& t = first->to_template;
        const double scale = std::hypot(t[axis], t[4 + axis], t[8 + axis]);
        m.scale_low = std::min(m.scale_low, scale), m.scale_high = std::max(m.scale_high, scale);
    }
    if (m.similarity < kSurelyHead) return m;

    m.cut = carried(template_->cut, first->to_template);
    const auto second = template_->aligner->align_again(volume, *first, [&](const Point& lps) {
        const Point at = mapped(first->to_template, lps);
        return !template_->cut.removes({at[0], at[1] - kUnseen, at[2] - kUnseen});
    });
    if (!second) return m;
    m.is_laid_again = true;
    const Map from_first = inverse(first->to_template), from_second = inverse(second->to_template);
    for (const Point& at :
         {Point{0, -100, -50}, {60, -60, -60}, {-60, -60, -60}, {0, -80, 20}, {0, 100, 0}, {0, 0, 80}}) {
        const Point other = mapped(second->to_template, mapped(from_first, at));
        m.apart_mm = std::max(m.apart_mm, std::hypot(other[0] - at[0], other[1] - at[1], other[2] - at[2]));
    }
    for (const Point& at : template_->brain) m.brain += m.cut.removes(mapped(from_second, at));
    const Body body(volume);
    double left = 0;
    for (const auto& ray : template_->rays) {
        const auto lps = [&](const Point& at) { return mapped(from_second, at); };
        const double y = Template::meets(body, ray, lps);
        if (y >= kBack) continue;
        ++m.rays;
        left += !m.cut.removes(lps({ray[0], y, ray[1]}));
    }
    if (m.rays > 0) m.skin_left = left / m.rays;
    // What is air, as the volume has it most.
    std::vector<float> air;
    std::ranges::copy_if(volume.values, std::back_inserter(air),
                         [&](float value) { return value <= body.air(); });
    if (air.empty()) return m;
    const auto middle = air.begin() + static_cast<std::ptrdiff_t>(air.size() / 2);
    std::ranges::nth_element(air, middle);
    m.cut.value = *middle;
    return m;
}

std::variant<Cut, Rejection> Defacer::verdict(const FaceMeasures& m, HeaderSays header) {
    const auto refused = [](const char* what) { return Rejection{Reason::face_not_removed, what}; };
    const bool is_unlike = m.similarity < kSurelyHead || m.scale_low < kLeastScale ||
                           m.scale_high > kMostScale || !m.is_laid_again || m.apart_mm > kNoHeadApart;
    if (header == HeaderSays::no_face && is_unlike) return Cut{};
    if (!(m.similarity >= kSurelyHead && m.runner_up <= kNextBest && m.overlap >= kLeastOverlap &&
          m.scale_low >= kLeastScale && m.scale_high <= kMostScale))
        return refused("alignment");
    if (!m.is_laid_again || !(m.apart_mm <= kMostApart)) return refused("agreement");
    if (m.brain > 0) return refused("brain");
    if (!(m.skin_left <= kMostSkin)) return refused("surface");
    return m.cut;
}

}  // namespace staging
