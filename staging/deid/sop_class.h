#pragma once
#include <span>
#include <string>
#include <string_view>

namespace staging {

// What a SOP class holds, as far as it decides what can be seen in it.
enum class Shows {
    projection,  // X-rays through the body: no surface of a face
    volume,      // slices or volumes, from which a surface can be made
    surface,     // photographs and video: what a camera sees
    ultrasound,
    secondary,  // made outside the examination: screens, paper, film
    slide,      // microscopy
    mask,       // segmentations and maps that belong to images
    no_image,   // reports, documents, waveforms, plans, presentation states: never a sample
};

// A row of PS3.6 annex A (2024b), storage classes; names are its keywords.
struct SopClass {
    std::string_view uid, name;
    Shows shows;
};

std::span<const SopClass> sop_classes() noexcept;
const SopClass* find_sop_class(std::string_view uid_or_name) noexcept;  // nullptr: not in the table

}  // namespace staging
