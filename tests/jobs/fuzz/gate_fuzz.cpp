// libFuzzer's entry: the first byte chooses the type, the rest is the author's file. Whatever it is, the gate ends
// with a verdict, and what it lets leave it reads again.
#include <cstdlib>

#include "jobs/release/gate.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const jobs::Context context = [] {
        jobs::Context out;
        out.patients = 40;
        for (const char* word : {"north", "south", "digits@1", "Vendor A", "3"}) out.vocabulary.add(word);
        out.rules.picture_pixels = 1 << 16;
        out.earlier.push_back(
            {"R-1", {{".patients", {}, 100}, {"samples", {"total"}, 70}, {"*", {"north", "total"}, 33}}});
        return out;
    }();
    if (size == 0) return 0;
    const auto& type = jobs::gate_types()[data[0] % jobs::gate_types().size()];
    const auto leaving = type.prepare({data + 1, size - 1}, context);
    if (leaving.refused()) {
        if (!leaving.canonical.empty() || !leaving.rendered.empty()) std::abort();
        return 0;
    }
    if (leaving.canonical.empty() || leaving.bits > 8 * leaving.canonical.size()) std::abort();
    (void)jobs::earlier_table("R-2", leaving.type, leaving.canonical, context);
    for (const char c : leaving.rendered)
        if (static_cast<unsigned char>(c) < 32 && c != '\n') std::abort();
    return 0;
}
