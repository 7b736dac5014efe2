#include "trainer/loader/wording.h"

#include <catch2/catch.hpp>

using trainer::without_paths;

TEST_CASE("an error text keeps the names of files and of what is in a shard, and loses every folder") {
    CHECK(without_paths("cannot open /a/b/made@1.key: No such file or directory", {}) ==
          "cannot open made@1.key: No such file or directory");
    CHECK(without_paths("shard-000003.h5: /fields/image sample 17: authentication failed", {}) ==
          "shard-000003.h5: /fields/image sample 17: authentication failed");
    CHECK(without_paths("/x/shards/shard-000000.h5: /index: has lines of no sample", {}) ==
          "shard-000000.h5: /index: has lines of no sample");
    CHECK(without_paths("\"/x/y\" (/z/w), 'a/b'; /", {}) == "\"y\" (w), 'b'; ");
    CHECK(without_paths("/fields/../x/secret", {}) == "/fields/../x/secret");  // no file: nobody opens it
    CHECK(without_paths("", {""}) == "");
}

TEST_CASE("a known path is taken out whole, also with spaces, and more than once") {
    CHECK(without_paths("/my data/v 1/manifest.json: bad; see /my data/v 1: bad", {"/my data/v 1"}) ==
          "manifest.json: bad; see v 1: bad");
    CHECK(without_paths("/my data/v 1: bad", {"/my data/v 1/"}) == "v 1: bad");
    CHECK(without_paths("data/x: bad", {"data"}) == "x: bad");
}
