#pragma once
#include <string>
#include <vector>

#include "core/shard/schema.h"

namespace staging {

enum class SampleKind;

// Columns that no rule of a profile names, because they are computed from the pixels' meaning and place. They stand
// at the end of every schema whose samples have pixels, in this order:
//   inverted      MONOCHROME1 was turned around: no, yes
// and of volumes, which image/series.h makes:
//   size_k, size_j, size_i                     slices, rows, columns
//   spacing_k_mm, spacing_j_mm, spacing_i_mm   between slices, rows, columns
//   orientation                                where i, j and k run to: "LPS"
//   part                                       which of several volumes of one place (time points, echoes)
//   affine_xi, affine_xj, affine_xk, affine_x, affine_yi, ... affine_z
//                                              x = xi i + xj j + xk k + x in mm, LPS
// and, where faces are looked for in volumes (`faces`), what was made of it; header_only: the header names parts that
// show none, and the volume is not like a head:
//   face   not_looked_for, header_only, cut_off
std::vector<core::Column> computed_columns(SampleKind kind, bool faces = false);

// Every name that an orientation can have: one letter for each axis, of Left or Right, Posterior or Anterior, Superior
// or Inferior.
std::vector<std::string> orientation_names();

}  // namespace staging
