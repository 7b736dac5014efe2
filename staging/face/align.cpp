#include "staging/face/align.h"

#include <itkAffineTransform.h>
#include <itkImage.h>
#include <itkImageFileReader.h>
#include <itkImageMaskSpatialObject.h>
#include <itkMattesMutualInformationImageToImageMetricv4.h>
#include <itkMultiThreaderBase.h>
#include <itkNiftiImageIO.h>
#include <itkRegistrationParameterScalesFromPhysicalShift.h>
#include <itkRegularStepGradientDescentOptimizerv4.h>
#include <itkVersorRigid3DTransform.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <new>
#include <numbers>
#include <numeric>
#include <vector>

#include "core/base/error.h"

namespace staging {
namespace {

using Point = std::array<double, 3>;
using Image = itk::Image<float, 3>;
using Mask = itk::Image<unsigned char, 3>;
using Rigid = itk::VersorRigid3DTransform<double>;
using Full = itk::AffineTransform<double, 3>;
using Metric = itk::MattesMutualInformationImageToImageMetricv4<Image, Image>;

constexpr double kCoarseMm = 10, kFineMm = 5;
constexpr unsigned kBins = 32;
constexpr double kTopMm = 140;    // of a head's height: what lies below may be neck, shoulders, or not there
constexpr double kOtherWay = 45;  // degrees
constexpr double kMostCoarse = 3e5, kMostFine = 3e6;  // voxels

void one_thread() {
    itk::MultiThreaderBase::SetGlobalMaximumNumberOfThreads(1);
    itk::MultiThreaderBase::SetGlobalDefaultNumberOfThreads(1);
}

Map linear(const Map& a, const Map& b) {  // of a(b(x)), without a translation
    Map out = after(a, b);
    out[3] = out[7] = out[11] = 0;
    return out;
}

// The nearest orthonormal right-handed axes, of a sheared or mirrored volume too: a head's mirror image is a head.
Map turned(const Map& to_lps) {
    std::array<Point, 3> axes;
    for (std::size_t axis = 0; axis < 3; ++axis)
        axes[axis] = {to_lps[axis], to_lps[4 + axis], to_lps[8 + axis]};
    const auto dot = [](const Point& a, const Point& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; };
    const auto unit = [&](Point& a) {
        const double length = std::sqrt(dot(a, a));
        for (double& x : a) x /= length;
    };
    unit(axes[0]);
    const double along = dot(axes[0], axes[1]);
    for (std::size_t n = 0; n < 3; ++n) axes[1][n] -= along * axes[0][n];
    unit(axes[1]);
    const Point &a = axes[0], &b = axes[1];
    axes[2] = {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
    Map out{};
    for (std::size_t axis = 0; axis < 3; ++axis)
        for (std::size_t row = 0; row < 3; ++row) out[row * 4 + axis] = axes[axis][row];
    return out;
}

// The 24 turns of a cube.
std::vector<Map> turns() {
    std::vector<Map> out;
    std::array<std::size_t, 3> order{0, 1, 2};
    do {
        for (unsigned signs = 0; signs < 8; ++signs) {
            Map map{};
            for (std::size_t row = 0; row < 3; ++row) map[row * 4 + order[row]] = signs >> row & 1 ? -1 : 1;
            const bool odd = ((order[0] > order[1]) != (order[0] > order[2])) != (order[1] > order[2]);
            if ((std::popcount(signs) % 2 == 1) == odd) out.push_back(map);
        }
    } while (std::ranges::next_permutation(order).found);
    return out;
}

double degrees_between(const Map& a, const Map& b) {
    double trace = 0;  // of a transposed times b
    for (std::size_t row = 0; row < 3; ++row)
        for (std::size_t column = 0; column < 3; ++column) trace += a[row * 4 + column] * b[row * 4 + column];
    return std::acos(std::clamp((trace - 1) / 2, -1.0, 1.0)) * 180 / std::numbers::pi;
}

// The image of a lattice that is turned by `axes`.
template <class To>
typename To::Pointer image(const Lattice& lattice, const std::vector<typename To::PixelType>& values,
                           const Map& axes, const Point& at) {
    auto out = To::New();
    typename To::SizeType size;
    typename To::SpacingType spacing;
    typename To::PointType origin;
    typename To::DirectionType direction;
    for (unsigned axis = 0; axis < 3; ++axis) {
        size[axis] = static_cast<itk::SizeValueType>(lattice.size[axis]);
        spacing[axis] = lattice.spacing[axis];
        for (unsigned row = 0; row < 3; ++row) direction(row, axis) = axes[row * 4 + axis];
    }
    const Point first = mapped(axes, lattice.origin);
    for (unsigned row = 0; row < 3; ++row) origin[row] = first[row] + at[row];
    out->SetRegions(size);
    out->SetSpacing(spacing);
    out->SetOrigin(origin);
    out->SetDirection(direction);
    out->Allocate();
    std::ranges::copy(values, out->GetBufferPointer());
    return out;
}

// The middle of what is within kTopMm of the top (S) of what is not air, turned by `axes`.
Point middle_of_top(const Lattice& lattice, const Map& axes) {
    const float air = air_threshold(lattice);
    std::vector<Point> points;
    for (std::int64_t k = 0, n = 0; k < lattice.size[2]; ++k)
        for (std::int64_t j = 0; j < lattice.size[1]; ++j)
            for (std::int64_t i = 0; i < lattice.size[0]; ++i, ++n)
                if (lattice.values[static_cast<std::size_t>(n)] > air)
                    points.push_back(
                        mapped(axes, {lattice.origin[0] + lattice.spacing[0] * static_cast<double>(i),
                                      lattice.origin[1] + lattice.spacing[1] * static_cast<double>(j),
                                      lattice.origin[2] + lattice.spacing[2] * static_cast<double>(k)}));
    Point sum{};
    if (points.empty()) return sum;
    std::vector<double> heights;
    for (const Point& point : points) heights.push_back(point[2]);
    const auto top = heights.begin() + static_cast<std::ptrdiff_t>(heights.size() * 199 / 200);
    std::nth_element(heights.begin(), top, heights.end());
    double count = 0;
    for (const Point& point : points)
        if (point[2] > *top - kTopMm) {
            for (std::size_t n = 0; n < 3; ++n) sum[n] += point[n];
            ++count;
        }
    for (double& x : sum) x /= count;
    return sum;
}

struct Found {
    Map map{};  // from the fixed image's points to the moving one's
    double similarity = 0;
};

template <class Transform>
std::optional<Found> optimise(const Image* fixed, const Image* moving, const Mask* uses, Transform* transform,
                              unsigned steps, double step_mm) {
    auto metric = Metric::New();
    metric->SetNumberOfHistogramBins(kBins);
    metric->SetFixedImage(fixed);
    metric->SetMovingImage(moving);
    metric->SetMovingTransform(transform);
    metric->SetMaximumNumberOfWorkUnits(1);
    metric->SetUseMovingImageGradientFilter(false);
    metric->SetUseFixedImageGradientFilter(false);
    if (uses) {
        auto object = itk::ImageMaskSpatialObject<3>::New();
        object->SetImage(uses);
        object->Update();
        metric->SetFixedImageMask(object);
    }
    auto scales = itk::RegistrationParameterScalesFromPhysicalShift<Metric>::New();
    scales->SetMetric(metric);
    auto optimizer = itk::RegularStepGradientDescentOptimizerv4<double>::New();
    optimizer->SetMetric(metric);
    optimizer->SetScalesEstimator(scales);
    optimizer->SetDoEstimateLearningRateOnce(true);
    optimizer->SetMaximumStepSizeInPhysicalUnits(step_mm);
    optimizer->SetMinimumStepLength(0.01);
    optimizer->SetRelaxationFactor(0.6);
    optimizer->SetNumberOfIterations(steps);
    optimizer->SetNumberOfWorkUnits(1);
    Found found;
    try {
        metric->Initialize();
        if (steps > 0) optimizer->StartOptimization();
        found.similarity = -metric->GetValue();
    } catch (const itk::MemoryAllocationError&) {
        throw std::bad_alloc();
    } catch (const itk::ExceptionObject&) {  // too little of the one lies on the other
        return std::nullopt;
    }
    for (unsigned row = 0; row < 3; ++row) {
        for (unsigned column = 0; column < 3; ++column)
            found.map[row * 4 + column] = transform->GetMatrix()(row, column);
        found.map[row * 4 + 3] = transform->GetOffset()[row];
    }
    if (!std::isfinite(found.similarity)) return std::nullopt;
    return found;
}

std::optional<Found> rigid(const Lattice& lattice, const Map& axes, const Image* moving, const Point& to,
                           const Mask::Pointer& uses, unsigned steps) {
    const Point middle = middle_of_top(lattice, axes);
    const auto fixed = image<Image>(lattice, lattice.values, axes, {});
    auto transform = Rigid::New();
    Rigid::InputPointType center;
    Rigid::OutputVectorType translation;
    for (unsigned n = 0; n < 3; ++n) center[n] = middle[n], translation[n] = to[n] - middle[n];
    transform->SetCenter(center);
    transform->SetTranslation(translation);
    return optimise(fixed.GetPointer(), moving, uses.GetPointer(), transform.GetPointer(), steps, 8);
}

std::optional<Found> affine(const Lattice& lattice, const Map& axes, const Image* moving, const Found& start,
                            const Mask::Pointer& uses, unsigned steps) {
    const Point middle = middle_of_top(lattice, axes);
    const auto fixed = image<Image>(lattice, lattice.values, axes, {});
    auto transform = Full::New();
    Full::InputPointType center;
    Full::MatrixType matrix;
    Full::OutputVectorType translation;
    const Point to = mapped(start.map, middle);
    for (unsigned row = 0; row < 3; ++row) {
        center[row] = middle[row], translation[row] = to[row] - middle[row];
        for (unsigned column = 0; column < 3; ++column) matrix(row, column) = start.map[row * 4 + column];
    }
    transform->SetCenter(center);
    transform->SetMatrix(matrix);
    transform->SetTranslation(translation);
    return optimise(fixed.GetPointer(), moving, uses.GetPointer(), transform.GetPointer(), steps, 2);
}

// Air that a head's volume does not show, at its sides, behind and above; before and below there is more of the head.
Lattice with_air(Lattice lattice, const Map& to_lps, double mm) {
    const float air = std::ranges::min(lattice.values);
    std::array<std::int64_t, 3> before{}, size{};
    for (std::size_t axis = 0; axis < 3; ++axis) {
        std::size_t row = 0;
        for (std::size_t n = 1; n < 3; ++n)
            if (std::abs(to_lps[n * 4 + axis]) > std::abs(to_lps[row * 4 + axis])) row = n;
        const bool along = to_lps[row * 4 + axis] > 0;  // towards L, P or S
        const auto more = static_cast<std::int64_t>(mm / lattice.spacing[axis]);
        before[axis] = row == 0 || !along ? more : 0;
        size[axis] = lattice.size[axis] + before[axis] + (row == 0 || along ? more : 0);
    }
    Lattice out{size, lattice.spacing, lattice.origin, {}};
    for (std::size_t axis = 0; axis < 3; ++axis)
        out.origin[axis] -= lattice.spacing[axis] * static_cast<double>(before[axis]);
    out.values.assign(static_cast<std::size_t>(size[0] * size[1] * size[2]), air);
    for (std::int64_t k = 0; k < lattice.size[2]; ++k)
        for (std::int64_t j = 0; j < lattice.size[1]; ++j)
            std::copy_n(
                &lattice.values[static_cast<std::size_t>((k * lattice.size[1] + j) * lattice.size[0])],
                lattice.size[0],
                &out.values[static_cast<std::size_t>(((k + before[2]) * size[1] + j + before[1]) * size[0] +
                                                     before[0])]);
    return out;
}

double overlap_of(const Lattice& lattice, const Map& to_template, const Image* moving) {
    std::int64_t on = 0, n = 0;
    for (std::int64_t k = 0; k < lattice.size[2]; ++k)
        for (std::int64_t j = 0; j < lattice.size[1]; ++j)
            for (std::int64_t i = 0; i < lattice.size[0]; ++i, ++n) {
                const Point at =
                    mapped(to_template, {lattice.origin[0] + lattice.spacing[0] * static_cast<double>(i),
                                         lattice.origin[1] + lattice.spacing[1] * static_cast<double>(j),
                                         lattice.origin[2] + lattice.spacing[2] * static_cast<double>(k)});
                Image::PointType point;
                for (unsigned row = 0; row < 3; ++row) point[row] = at[row];
                Image::IndexType index;
                on += moving->TransformPhysicalPointToIndex(point, index);
            }
    return static_cast<double>(on) / static_cast<double>(std::max<std::int64_t>(n, 1));
}

}  // namespace

Map lattice_axes(const Grid& grid) {
    Map out{};
    for (std::size_t axis = 0; axis < 3; ++axis) {
        const Affine& a = grid.affine;
        const double spacing = std::hypot(a[axis], a[4 + axis], a[8 + axis]);
        for (std::size_t row = 0; row < 3; ++row) out[row * 4 + axis] = a[row * 4 + axis] / spacing;
    }
    for (std::size_t row = 0; row < 3; ++row) out[row * 4 + 3] = grid.affine[row * 4 + 3];
    return out;
}

struct Aligner::Levels {
    Image::Pointer coarse, fine;
    Point middle_coarse{};
};

Aligner::Aligner(const HeadVolume& head) : head_(std::make_unique<Levels>()) {
    one_thread();
    const Map to_lps = lattice_axes(head.grid);
    const Map axes = turned(to_lps);
    const auto prepared = [&](double mm) {
        const Lattice lattice = with_air(coarser(head, mm), to_lps, 80);
        return image<Image>(lattice, lattice.values, axes, {to_lps[3], to_lps[7], to_lps[11]});
    };
    head_->coarse = prepared(kCoarseMm);
    head_->fine = prepared(kFineMm);
    const Point middle = middle_of_top(coarser(head, kCoarseMm), axes);
    for (std::size_t n = 0; n < 3; ++n) head_->middle_coarse[n] = middle[n] + to_lps[n * 4 + 3];
}
Aligner::~Aligner() = default;

bool Aligner::can_hold(const Grid& grid) {
    return voxels_of(grid, kCoarseMm) <= kMostCoarse && voxels_of(grid, kFineMm) <= kMostFine;
}

std::optional<Alignment> Aligner::align(const HeadVolume& volume) const try {
    one_thread();
    const Map to_lps = lattice_axes(volume.grid);
    const Lattice coarse = coarser(volume, kCoarseMm), fine = coarser(volume, kFineMm);
    struct Way {
        Map axes{}, rotation{};
        Found found;
    };
    std::vector<Way> ways;
    const auto by_similarity = [](const Way& a, const Way& b) {
        return a.found.similarity > b.found.similarity;
    };
    for (const Map& turn : turns()) {
        const Map axes = linear(turn, turned(to_lps));
        if (const auto found = rigid(coarse, axes, head_->coarse, head_->middle_coarse, nullptr, 0))
            ways.push_back({axes, axes, *found});
    }
    std::ranges::stable_sort(ways, by_similarity);
    std::erase_if(ways, [&](Way& way) {
        const auto found = rigid(coarse, way.axes, head_->coarse, head_->middle_coarse, nullptr, 25);
        if (found) way.found = *found, way.rotation = linear(found->map, way.axes);
        return !found;
    });
    if (ways.empty()) return std::nullopt;
    std::ranges::stable_sort(ways, by_similarity);
    // The best, and the best of those that lay it another way, are compared when both have been fitted freely.
    const auto other = std::ranges::find_if(ways, [&](const Way& way) {
        return degrees_between(way.rotation, ways.front().rotation) > kOtherWay;
    });
    if (other != ways.end()) std::iter_swap(ways.begin() + 1, other);
    ways.resize(other != ways.end() ? 2 : 1);
    std::erase_if(ways, [&](Way& way) {
        const auto free = affine(coarse, way.axes, head_->coarse, way.found, nullptr, 50);
        if (free) way.found = *free;
        return !free;
    });
    if (ways.empty()) return std::nullopt;
    std::ranges::stable_sort(ways, by_similarity);
    const Way* best = &ways.front();
    const auto found = affine(fine, best->axes, head_->fine, best->found, nullptr, 50);
    if (!found) return std::nullopt;
    Alignment out;
    out.coarse = best->found.similarity;
    out.runner_up = ways.size() > 1 ? ways[1].found.similarity : out.coarse;
    const Map from_lattice = after(found->map, best->axes);
    out.overlap = overlap_of(coarse, from_lattice, head_->coarse);
    out.to_template = after(from_lattice, inverse(to_lps));
    out.similarity = found->similarity;
    return out;
} catch (const itk::MemoryAllocationError&) {
    throw std::bad_alloc();
} catch (const itk::ExceptionObject&) {
    return std::nullopt;
}

std::optional<Alignment> Aligner::align_again(const HeadVolume& volume, const Alignment& near,
                                              const std::function<bool(const Point&)>& uses) const try {
    one_thread();
    const Map to_lps = lattice_axes(volume.grid);
    const Map wanted = linear(near.to_template, to_lps);
    Map axes{};
    double least = 360;
    for (const Map& turn : turns()) {
        const Map one = linear(turn, turned(to_lps));
        const double apart = degrees_between(turned(wanted), one);
        if (apart < least) least = apart, axes = one;
    }
    const auto mask_of = [&](const Lattice& lattice) {
        std::vector<unsigned char> voxels;
        for (std::int64_t k = 0; k < lattice.size[2]; ++k)
            for (std::int64_t j = 0; j < lattice.size[1]; ++j)
                for (std::int64_t i = 0; i < lattice.size[0]; ++i)
                    voxels.push_back(uses(
                        mapped(to_lps, {lattice.origin[0] + lattice.spacing[0] * static_cast<double>(i),
                                        lattice.origin[1] + lattice.spacing[1] * static_cast<double>(j),
                                        lattice.origin[2] + lattice.spacing[2] * static_cast<double>(k)})));
        return image<Mask>(lattice, voxels, axes, {});
    };
    const Lattice coarse = coarser(volume, kCoarseMm), fine = coarser(volume, kFineMm);
    const auto first = rigid(coarse, axes, head_->coarse, head_->middle_coarse, mask_of(coarse), 40);
    if (!first) return std::nullopt;
    const auto found = affine(fine, axes, head_->fine, *first, mask_of(fine), 50);
    if (!found) return std::nullopt;
    Alignment out;
    const Map from_lattice = after(found->map, axes);
    out.to_template = after(from_lattice, inverse(to_lps));
    out.similarity = found->similarity;
    out.overlap = overlap_of(coarse, from_lattice, head_->coarse);
    return out;
} catch (const itk::MemoryAllocationError&) {
    throw std::bad_alloc();
} catch (const itk::ExceptionObject&) {
    return std::nullopt;
}

HeadVolume read_nifti(const std::filesystem::path& path) {
    one_thread();
    try {
        auto reader = itk::ImageFileReader<Image>::New();
        reader->SetImageIO(itk::NiftiImageIO::New());
        reader->SetFileName(path.string());
        reader->Update();
        const Image* read = reader->GetOutput();
        const auto size = read->GetLargestPossibleRegion().GetSize();
        HeadVolume out;
        for (std::size_t axis = 0; axis < 3; ++axis) {
            out.grid.size[2 - axis] = static_cast<std::int64_t>(size[axis]);
            for (std::size_t row = 0; row < 3; ++row)
                out.grid.affine[row * 4 + axis] = read->GetDirection()(row, axis) * read->GetSpacing()[axis];
            out.grid.affine[axis * 4 + 3] = read->GetOrigin()[axis];
        }
        out.values.assign(read->GetBufferPointer(), read->GetBufferPointer() + size[0] * size[1] * size[2]);
        return out;
    } catch (const itk::ExceptionObject&) {
        throw core::Error(core::Fault::system, path.string() + ": no NIfTI volume that can be read");
    }
}

}  // namespace staging
