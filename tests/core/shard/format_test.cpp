// FORMAT.md's worked example, computed here from its text with OpenSSL, must be what is in the file and what
// is in the document.
#include <openssl/evp.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <numeric>
#include <sstream>

#include "core/shard/made.h"
#include "support/document.h"
#include "support/scratch.h"

using namespace core;

namespace {

Bytes concat(std::initializer_list<ByteView> parts) {
    Bytes all;
    for (const ByteView part : parts) all.insert(all.end(), part.begin(), part.end());
    return all;
}

template <class T>
Bytes little(T value) {
    Bytes bytes(sizeof value);
    std::memcpy(bytes.data(), &value, sizeof value);
    return bytes;
}

Bytes aes_gcm(ByteView key, ByteView nonce, ByteView header, ByteView plain) {
    EVP_CIPHER_CTX* const context = EVP_CIPHER_CTX_new();
    Bytes out(plain.size() + 16);
    int length = 0;
    EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), nullptr, key.data(), nonce.data());
    EVP_EncryptUpdate(context, nullptr, &length, header.data(), static_cast<int>(header.size()));
    EVP_EncryptUpdate(context, out.data(), &length, plain.data(), static_cast<int>(plain.size()));
    EVP_EncryptFinal_ex(context, out.data() + length, &length);
    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, 16, out.data() + plain.size());
    EVP_CIPHER_CTX_free(context);
    return out;
}

// FORMAT.md's lines "NAME HEX...", without spaces between the digits; a line that begins with a space goes
// on.
std::map<std::string, std::string> document() {
    std::istringstream text(test::worked_examples("core/shard/FORMAT.md").at("shard"));
    std::map<std::string, std::string> found;
    std::string line, name, word;
    while (std::getline(text, line)) {
        std::istringstream words(line);
        if (!line.starts_with(" ")) words >> name;
        while (words >> word) found[name] += word;
    }
    return found;
}

}  // namespace

TEST_CASE("the worked example of FORMAT.md is true") {
    Bytes key(32);
    std::iota(key.begin(), key.end(), std::uint8_t{0});
    const Schema schema{{{"image", DType::u8, {1, 2, 3}, "arbitrary"}, {"volume", DType::i16, {}, ""}},
                        {{"patient", ColumnType::id16, {}},
                         {"site", ColumnType::category, {"north", "south"}},
                         {"split", ColumnType::category, {"train", "validation", "test", "hidden"}}}};
    const test::Scratch folder;
    ShardWriter writer(folder / shard_file(0), schema, "example@1", 0, SecretKey::from(key), {});
    for (std::uint8_t i = 0; i < 2; ++i) {
        Id16 patient{};
        patient.fill(static_cast<std::uint8_t>(0xA0 + i));
        Array image, volume;
        image.bytes.resize(6);
        std::iota(image.bytes.begin(), image.bytes.end(), static_cast<std::uint8_t>(10 * (i + 1)));
        volume.shape = i ? std::vector<std::int64_t>{1, 1, 3} : std::vector<std::int64_t>{2, 2};
        volume.bytes =
            little(i ? std::array<std::int16_t, 4>{-1, -2, -3} : std::array<std::int16_t, 4>{1, 2, 3, 4});
        if (i) volume.bytes.resize(6);
        writer.append({{image, volume}, {patient, std::string(i ? "south" : "north"), std::string("train")}});
    }
    const ShardEntry entry = writer.finish();
    const Bytes file = read_file(folder / entry.file);

    // By the document's words alone.
    const auto id_of = [](const char* kind) {
        const Digest named = sha256(concat({view(kind), Bytes{0}, view("example@1"), Bytes{0}, view("0")}));
        return Bytes(named.begin(), named.begin() + 16);
    };
    const Bytes id = id_of("aloft shard 2");
    const Digest cipher_key = hkdf_sha256(key, id, "aloft shard 2 cipher");
    const Digest nonce_key = hkdf_sha256(key, id, "aloft shard 2 nonce");
    const auto chunk = [&](std::uint8_t element, std::uint64_t index, std::uint32_t dataset,
                           std::array<std::uint32_t, 4> shape, const Bytes& payload) {
        const Bytes start = concat({view("ALFT"), little<std::uint16_t>(2), Bytes{0, element}, id,
                                    little(index), little<std::uint64_t>(payload.size()), little(dataset),
                                    little(shape), little<std::uint32_t>(0), Bytes(4, 0)});
        const Digest mac = hmac_sha256(nonce_key, {start, Bytes(12, 0), payload});
        const Bytes nonce(mac.begin(), mac.begin() + 12), header = concat({start, nonce});
        return concat({header, aes_gcm(cipher_key, nonce, header, payload)});
    };
    const Bytes image = chunk(1, 1, 3, {1, 2, 3, 0}, {20, 21, 22, 23, 24, 25});
    const Bytes volume = chunk(4, 1, 4, {1, 1, 3, 0}, {0xff, 0xff, 0xfe, 0xff, 0xfd, 0xff});
    const Bytes site =
        chunk(131, 0, 1, {0, 0, 0, 0}, concat({little(std::int32_t{0}), little(std::int32_t{1})}));
    const Bytes volume_line =
        concat({little<std::uint64_t>(8), little(std::array<std::uint32_t, 4>{1, 1, 3, 0})});
    std::map<std::string, std::string> computed = {
        {"dataset_key", to_hex(key)},
        {"key_id", SecretKey::from(key).id()},
        {"shard_id", to_hex(id)},
        {"cipher_key", to_hex(cipher_key)},
        {"nonce_key", to_hex(nonce_key)},
        {"image_1_header", to_hex(ByteView(image).first(80))},
        {"image_1_payload", to_hex(ByteView(image).subspan(80, 6))},
        {"image_1_tag", to_hex(ByteView(image).last(16))},
        {"volume_1_chunk", to_hex(volume)},
        {"site_chunk", to_hex(site)},
        {"index_line_6", to_hex(volume_line)},
        {"page_id", to_hex(id_of("aloft page 2"))},
        {"manifest_key", to_hex(hkdf_sha256(key, view("example@1"), "aloft manifest 2"))},
    };

    // In the file, where the index says.
    const ByteView index = ByteView(file).subspan(entry.index_offset, entry.index_bytes);
    CHECK(entry.index_bytes == 24 * (3 + 2 * 2 + 2));
    CHECK(sha256(index) == entry.index_sha256);
    const auto at_line = [&](std::size_t line) {
        std::uint64_t place[3];
        std::memcpy(place, index.data() + 24 * line, sizeof place);
        return ByteView(file).subspan(place[0], place[1]);
    };
    CHECK(to_hex(at_line(3 + 1)) == to_hex(image));
    CHECK(to_hex(at_line(1)) == to_hex(site));
    CHECK(to_hex(index.subspan(24 * 6, 24)) == to_hex(volume_line));
    CHECK(to_hex(at_line(8)) == to_hex(volume));

    // In the document.
    computed["index_line_4"] = to_hex(index.subspan(24 * 4, 24));
    computed["index_line_8"] = to_hex(index.subspan(24 * 8, 24));
    computed["index_sha256"] = to_hex(entry.index_sha256);
    std::string lines;
    for (const auto& [name, value] : computed) lines += name + " " + value + "\n";
    INFO(lines);
    CHECK(document() == computed);
}
