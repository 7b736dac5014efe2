#include "core/policy/enclave.h"

#include <algorithm>
#include <set>

#include "core/base/config.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "core/policy/names.h"

namespace core {
namespace {

bool contains(const std::vector<std::string>& list, std::string_view word) {
    return std::find(list.begin(), list.end(), word) != list.end();
}

std::string toml_list(const std::vector<std::string>& words) {
    std::string out = "[";
    for (const std::string& word : words) out += (out.size() > 1 ? ", \"" : "\"") + word + "\"";
    return out + "]";
}

template <class Parse>
auto checked(const Config& config, std::string_view key, Parse parse) {
    try {
        return parse();
    } catch (const Error& e) {
        config.refuse(key, std::string("an entry is ") + e.what());
    }
}

// Of each node the addresses by which the others reach it.
std::map<std::string, std::vector<std::uint32_t>> read_addresses(const Config& config,
                                                                 const Enclave& enclave) {
    std::map<std::string, std::vector<std::uint32_t>> found;
    const Config table = config.table("addresses");
    for (const std::string& node : table.keys()) {
        if (!contains(enclave.nodes, node)) table.refuse(node, "is not one of the enclave's nodes");
        for (const std::string& text : table.texts(node)) {
            const auto address = checked(table, node, [&] { return parse_ip4(text); });
            if (!enclave.has_address(address)) table.refuse(node, "an address is in none of `networks`");
            found[node].push_back(address);
        }
    }
    return found;
}

Allowance read_allowance(const Config& one) {
    const std::string protocol = one.text("protocol"), direction = one.text_or("direction", "in");
    if (protocol != "tcp" && protocol != "udp") one.refuse("protocol", "must be \"tcp\" or \"udp\"");
    if (direction != "in" && direction != "out") one.refuse("direction", "must be \"in\" or \"out\"");
    Allowance allowance;
    allowance.is_inbound = direction == "in";
    allowance.is_tcp = protocol == "tcp";
    const char* const peer = allowance.is_inbound ? "from" : "to";
    const std::string network = one.text(peer);
    allowance.network = checked(one, peer, [&] { return parse_network(network); });
    const std::int64_t port = one.integer("port");
    if (allowance.is_tcp && !allowance.is_inbound)
        one.refuse("direction", "TCP that the node itself begins needs no allowance");
    if (port < (allowance.is_inbound ? 1024 : 1) || port > 65535)
        one.refuse("port", "must be a port; those below 1024 of a node are not closed");
    allowance.port = static_cast<std::uint16_t>(port);
    return allowance;
}

void read_network(const Config& config, Enclave& enclave) {
    for (const std::string& text : config.texts("networks"))
        enclave.networks.push_back(checked(config, "networks", [&] { return parse_network(text); }));
    enclave.interfaces = config.texts("interfaces");
    for (const std::string& interface : enclave.interfaces)
        if (!is_plain_name(interface) || interface == "lo")
            config.refuse("interfaces", "an entry is not the name of a network interface");
    enclave.addresses = read_addresses(config, enclave);
    for (const Config& one : config.tables("allow")) enclave.allowed.push_back(read_allowance(one));
    if (enclave.allowed.size() > 256) config.refuse("allow", "has more than 256 entries");
}

std::string network_toml(const Enclave& enclave) {
    std::vector<std::string> networks;
    for (const Ip4Network& network : enclave.networks) networks.push_back(network.text());
    std::string out;
    if (!networks.empty()) out += "networks = " + toml_list(networks) + "\n";
    if (!enclave.interfaces.empty()) out += "interfaces = " + toml_list(enclave.interfaces) + "\n";
    if (!enclave.addresses.empty()) out += "\n[addresses]\n";
    for (const auto& [node, addresses] : enclave.addresses) {
        std::vector<std::string> texts;
        for (const std::uint32_t address : addresses) texts.push_back(ip4_text(address));
        out += "\"" + node + "\" = " + toml_list(texts) + "\n";
    }
    for (const Allowance& one : enclave.allowed)
        out += std::string("\n[[allow]]\n") + (one.is_inbound ? "from" : "to") + " = \"" +
               one.network.text() + "\"\nprotocol = \"" + (one.is_tcp ? "tcp" : "udp") +
               "\"\nport = " + std::to_string(one.port) + "\ndirection = \"" +
               (one.is_inbound ? "in" : "out") + "\"\n";
    return out;
}

// An absolute path that needs no escaping in TOML.
bool is_plain_path(const std::filesystem::path& path) {
    return path.is_absolute() && path == path.lexically_normal() && path != "/" &&
           path.string().find_first_of("\"\\\n") == std::string::npos;
}

Image read_image(const Config& one, const Enclave& enclave) {
    Image image{one.text("name"), one.text("file"), one.text("sha256")};
    if (!is_plain_name(image.name)) one.refuse("name", "must be a plain name");
    if (enclave.image(image.name)) one.refuse("name", "is that of an image above");
    if (!is_plain_path(image.file)) one.refuse("file", "must be an absolute, plain path");
    if (image.sha256.size() != 64 || image.sha256.find_first_not_of("0123456789abcdef") != std::string::npos)
        one.refuse("sha256", "must be the file's SHA-256, 64 lower-case hexadecimal digits");
    return image;
}

std::string images_toml(const Enclave& enclave) {
    std::string out;
    for (const Image& image : enclave.images)
        out += "\n[[image]]\nname = \"" + image.name + "\"\nfile = \"" + image.file.string() +
               "\"\nsha256 = \"" + image.sha256 + "\"\n";
    return out;
}

Enclave read(const Config& config, const std::filesystem::path& file) {
    Enclave enclave;
    enclave.name = config.text("name");
    enclave.partition = config.text_or("partition", enclave.name);
    enclave.accounts = config.texts("accounts");
    enclave.nodes = config.texts("nodes");
    for (const std::string& tree : config.texts("software")) enclave.software.emplace_back(tree);
    for (const Config& one : config.tables("image")) enclave.images.push_back(read_image(one, enclave));
    enclave.max_minutes = config.integer_or("max_minutes", 24 * 60);
    const std::int64_t pkey = config.integer_or("infiniband_pkey", 0);
    read_network(config, enclave);
    config.finish();
    if (!is_plain_name(enclave.name) || enclave.name != file.stem().string())
        config.refuse("name", "must be a plain name and the name of its file");
    if (!is_plain_name(enclave.partition)) config.refuse("partition", "must be a plain name");
    for (const std::string& account : enclave.accounts)
        if (!is_plain_name(account)) config.refuse("accounts", "an entry is not a plain name");
    for (const std::string& node : enclave.nodes)
        if (!is_plain_name(node)) config.refuse("nodes", "an entry is not a host name; list them one by one");
    for (const auto& tree : enclave.software)
        if (!is_plain_path(tree)) config.refuse("software", "an entry is not an absolute, plain path");
    // 0x7fff is the default partition, which everybody is in; the highest bit is the membership, a port's
    // matter.
    if (pkey < 0 || pkey > 0x7ffe)
        config.refuse("infiniband_pkey", "must be from 0x0001 to 0x7ffe: a partition of this enclave alone");
    enclave.infiniband_pkey = static_cast<std::uint16_t>(pkey);
    if (enclave.max_minutes < 1) config.refuse("max_minutes", "must be at least 1");
    return enclave;
}

}  // namespace

const Image* Enclave::image(std::string_view wanted) const {
    const auto found = std::ranges::find(images, wanted, &Image::name);
    return found == images.end() ? nullptr : &*found;
}

const Image& Enclave::asked_image(std::string_view asked) const {
    if (const Image* found = image(asked)) return *found;
    std::string names;
    for (const Image& one : images) names += (names.empty() ? "" : ", ") + one.name;
    throw Error(Fault::refused,
                "enclave " + name + " has no image of that name" +
                    (names.empty() ? " (its admin has put none into it)" : "; it has " + names));
}

bool Enclave::has_account(std::string_view account) const {
    return contains(accounts, account);
}
bool Enclave::has_node(std::string_view node) const {
    return contains(nodes, node);
}
bool Enclave::has_address(std::uint32_t address) const {
    return networks.empty() || std::any_of(networks.begin(), networks.end(),
                                           [&](const Ip4Network& one) { return one.contains(address); });
}

Enclave load_enclave(const std::filesystem::path& file) {
    return parse_enclave(read_text(file, 1 << 20), file);
}

Enclave parse_enclave(std::string_view toml, const std::filesystem::path& file) {
    Enclave enclave = read(Config::parse(toml, file.string()), file);
    enclave.source = toml;
    return enclave;
}

Enclave load_enclave(const Site& site, std::string_view name) {
    check_plain_name(name, "enclave");
    return load_enclave(site.config / "enclaves" / (std::string(name) + ".toml"));
}

std::vector<Enclave> load_enclave_sources(const Site& site) {
    std::vector<std::filesystem::path> files;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(site.config / "enclaves", error))
        if (entry.path().extension() == ".toml" && entry.path().filename().string().front() != '.')
            files.push_back(entry.path());
    if (error && error != std::errc::no_such_file_or_directory)
        throw Error(Fault::usage, (site.config / "enclaves").string() + ": " + error.message());
    std::sort(files.begin(), files.end());
    std::vector<Enclave> enclaves;
    for (const auto& file : files) enclaves.push_back(load_enclave(file));
    check_apart(enclaves);
    return enclaves;
}

void check_apart(const std::vector<Enclave>& enclaves) {
    std::set<std::string> accounts, partitions;
    std::map<std::uint32_t, std::string> names;
    for (const Enclave& enclave : enclaves) {
        if (!partitions.insert(enclave.partition).second)
            throw Error(Fault::usage, "enclave " + enclave.name + ": partition: another enclave has it too");
        for (const std::string& account : enclave.accounts)
            if (!accounts.insert(account).second)
                throw Error(Fault::usage, "enclave " + enclave.name +
                                              ": accounts: an account stands in two enclaves, or twice here");
        for (const auto& [account, uid] : enclave.uids)
            if (!names.emplace(uid, account).second)
                throw Error(Fault::usage, "enclave " + enclave.name + ": accounts: " + account +
                                              " is another name of uid " + std::to_string(uid) +
                                              ", which an enclave has already");
    }
}

std::string Enclave::account_of(std::uint32_t uid) const {
    for (const auto& [account, number] : uids)
        if (number == uid) return account;
    return {};
}

std::optional<Enclave> source_of_account(const Site& site, std::string_view account) {
    for (Enclave& enclave : load_enclave_sources(site))
        if (enclave.has_account(account)) return std::move(enclave);
    return std::nullopt;
}

std::string to_toml(const Enclave& enclave) {
    std::vector<std::string> software;
    for (const auto& tree : enclave.software) software.push_back(tree.string());
    return "name = \"" + enclave.name + "\"\npartition = \"" + enclave.partition +
           "\"\naccounts = " + toml_list(enclave.accounts) + "\nnodes = " + toml_list(enclave.nodes) +
           "\nsoftware = " + toml_list(software) + "\nmax_minutes = " + std::to_string(enclave.max_minutes) +
           (enclave.infiniband_pkey ? "\ninfiniband_pkey = " + std::to_string(enclave.infiniband_pkey) : "") +
           "\n" + network_toml(enclave) + images_toml(enclave);
}

}  // namespace core
