#include "core/base/json.h"

#include "core/base/error.h"

namespace core {

nlohmann::json parse_json(std::string_view text, int most_depth) {
    return nlohmann::json::parse(text,
                                 [most_depth](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
                                     if (depth > most_depth)
                                         throw Error(Fault::data, "JSON that is nested too deeply");
                                     return true;
                                 });
}

}  // namespace core
