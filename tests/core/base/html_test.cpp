#include "core/base/html.h"

#include <catch2/catch.hpp>

TEST_CASE("what a page could take for its own signs is written as text") {
    CHECK(core::html_escaped("<a href=\"x\">R&D</a>\n") == "&lt;a href=&quot;x&quot;&gt;R&amp;D&lt;/a&gt; ");
    CHECK(core::html_escaped("\xe9\x99\xb3") == "\xe9\x99\xb3");
}
