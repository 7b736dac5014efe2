#pragma once
#include <array>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "staging/face/map.h"
#include "staging/face/volume.h"

namespace staging {

// From mm along a volume's i, j and k, from its first voxel on, to LPS.
Map lattice_axes(const Grid& grid);

// A volume laid onto the template head.
struct Alignment {
    Map to_template{};      // from the volume's LPS mm to the template's
    double similarity = 0;  // mutual information, nats, of what lies on the template
    double coarse = 0;      // the same, where ways to lay it were compared
    double runner_up =
        0;  // of the best other way there, turned by more than 45 degrees; this one's own if there is none
    double overlap = 0;  // part of the volume's voxels that lie on the template
};

// Affine registration by mutual information (Mattes et al. 2003, as ITK has it), from each of the 24 ways in which a
// head can lie along a volume's axes, since headers err: so those that turn the best one front to back and upside down
// are among its rivals. ITK runs on one thread: the same volume gives the same alignment whatever else runs. What ITK
// cannot work with is not laid; throws std::bad_alloc where there is no memory.
class Aligner {
public:
    explicit Aligner(const HeadVolume& head);
    ~Aligner();
    // Whether the volume has so few voxels on the lattices that are compared that both take minutes at most.
    static bool can_hold(const Grid& grid);
    // Nothing if no start leads to an overlap.
    std::optional<Alignment> align(const HeadVolume& volume) const;
    // Once more, begun anew: of `near` only the nearest of the 24 ways is taken. Points of the volume count of which
    // `uses` says so (LPS mm).
    std::optional<Alignment> align_again(const HeadVolume& volume, const Alignment& near,
                                         const std::function<bool(const std::array<double, 3>&)>& uses) const;

private:
    struct Levels;
    std::unique_ptr<Levels> head_;
};

// A NIfTI file of one volume, read by ITK. Throws Error(system): the template is the machine's.
HeadVolume read_nifti(const std::filesystem::path& path);

}  // namespace staging
