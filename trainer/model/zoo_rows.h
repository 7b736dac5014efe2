#pragma once
#include <string>
#include <vector>

#include "trainer/keys/key.h"

// What each model of the zoo knows but for its name: one function per file.
namespace trainer {

void add_resnet2d_rows(std::vector<KeyRow>& out, const std::string& name);
void add_mlp_rows(std::vector<KeyRow>& out, const std::string& name);
void add_densenet_rows(std::vector<KeyRow>& out, const std::string& name);
void add_unet_rows(std::vector<KeyRow>& out, const std::string& name);

}  // namespace trainer
