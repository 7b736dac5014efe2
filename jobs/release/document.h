#pragma once
#include <optional>
#include <string>
#include <vector>

#include "jobs/release/number.h"

namespace jobs {

// A JSON text as the gate understood it: no bytes of the author's are left in it, only numbers, words of the
// vocabulary, and how they are nested.
struct Value {
    enum class Kind { null, boolean, number, word, list, object };
    struct Key {
        std::string text;
        bool is_name = false;  // of the vocabulary's names, not the gate's terms
    };

    Kind kind = Kind::null;
    bool flag = false;             // boolean
    std::optional<Number> number;  // number
    std::string text;              // word
    std::vector<Value> items;      // list: elements; object: values
    std::vector<Key> keys;         // object: of the items, sorted by text
    std::string where;  // position in the author's file: "/2/1 (accuracy)" is the first part of the second

    // The member of an object; nullptr: none, or no object.
    const Value* member(std::string_view key) const;
    Value* member(std::string_view key);
};

}  // namespace jobs
