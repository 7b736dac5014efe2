// Searches what staging wrote, and anything else, for planted identifiers. Exit code 3 if one is found.
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/base/error.h"
#include "core/base/tool.h"
#include "identifiers/identifiers.h"

int main(int argc, char** argv) {
    CLI::App app{
        "Looks for planted identifiers in every form (character sets, hex, base64, plain digests). Prints "
        "kinds and "
        "places, never a value.\nExample: find_identifiers --planted planted.json --dataset "
        "datasets/digits/1 "
        "--key keys/digits@1.key --tree logs"};
    std::string planted;
    std::vector<std::string> versions, keys, trees, sealed;
    bool every_form = false;
    app.add_option("--planted", planted, "The list that deliveries.py wrote")->required();
    app.add_option("--dataset", versions,
                   "A dataset version, to be decrypted; its files as they lie are searched too");
    app.add_option("--key", keys, "The key of each --dataset, in the same order");
    app.add_option("--tree", trees, "A file or folder");
    app.add_option("--sealed", sealed,
                   "A folder of sealed files: noise, in which nothing of less than six bytes is looked for");
    app.add_flag("--every-form", every_form,
                 "More forms, in bits and in compressed streams; for a few hundred identifiers");
    return core::run_tool(app, argc, argv, [&] {
        if (versions.size() != keys.size())
            throw core::Error(core::Fault::usage, "each --dataset needs its --key");
        identifiers::Search search(identifiers::load_planted(planted),
                                   every_form ? identifiers::Breadth::every : identifiers::Breadth::usual);
        std::map<std::string, std::set<std::string>> by_tree;
        const auto look = [&](const std::string& tree, const auto& search_it) {
            const std::size_t before = search.findings().size();
            search_it();
            for (std::size_t i = before; i < search.findings().size(); ++i)
                by_tree[tree].insert(search.findings()[i].kind);
        };
        for (std::size_t i = 0; i < versions.size(); ++i)
            look(versions[i], [&] {
                search.dataset(versions[i], keys[i]);
                search.tree(versions[i]);
            });
        for (const std::string& tree : sealed)
            look(tree, [&] { search.tree(tree, identifiers::Search::Contents::sealed); });
        for (const std::string& tree : trees) look(tree, [&] { search.tree(tree); });
        std::map<std::string, std::map<std::string, int>> by_form;
        nlohmann::json places = nlohmann::json::array();
        for (const auto& finding : search.findings()) {
            ++by_form[finding.kind][finding.form];
            if (places.size() < 20)
                places.push_back({{"kind", finding.kind}, {"form", finding.form}, {"where", finding.where}});
        }
        std::cout << nlohmann::json{{"patterns", search.patterns()},
                                    {"searched_bytes", search.searched_bytes()},
                                    {"searched_files", search.searched_files()},
                                    {"found", search.findings().size()},
                                    {"by_form", by_form},
                                    {"by_tree", by_tree},
                                    {"places", places}}
                  << '\n';
        if (!search.findings().empty())
            throw core::Error(core::Fault::data,
                              std::to_string(search.findings().size()) +
                                  " planted identifiers were found; see the places on stdout");
    });
}
