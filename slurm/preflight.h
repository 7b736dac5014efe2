#pragma once
#include <string>
#include <vector>

#include "core/base/site.h"

namespace slurm {

enum class Verdict { good, warning, bad };

struct Check {
    std::string what, found, advice;  // advice: empty if good
    Verdict verdict = Verdict::good;
};

// What a node needs for the fence to hold, looked at now. `slurm_conf`: path of slurm.conf.
std::vector<Check> preflight(const core::Site& site, const std::string& slurm_conf);

}  // namespace slurm
