#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/shard/manifest.h"
#include "staging/report/data_use.h"

namespace staging {

// What people declare of a dataset (configs/cards/*.toml), beside what its manifest says.
struct Card {
    struct Party {
        std::string name, url, email;  // url and email may be empty
    };
    struct Use {
        const DataUseTerm* term;
        std::string details;
    };
    std::string dataset, title, description, url, licence, published;
    std::int64_t version = 0;          // of which `published` and `identifier` are
    std::string identifier, citation;  // may be empty
    std::vector<std::string> keywords, languages;
    Party creator, contact;
    std::vector<Use> uses;
    std::map<std::string, std::string> answers;  // "motivation" -> words; by the headings of a datasheet
    // What a catalogue of health data asks for besides (HealthDCAT-AP). All addresses are of its controlled vocabularies.
    struct Health {
        Party publisher, access_body;  // with url and email
        std::string publisher_type, publisher_note, sample;
        bool is_trusted_data_holder = false;
        std::vector<std::string> legislation, categories, themes, places;
        std::vector<std::string> legal_basis, personal_data;  // may be empty
        std::string population;                               // may be empty
    };
    std::optional<Health> health;

    // Throws Error(usage) that names the file and the key; unknown keys are refused.
    static Card load(const std::filesystem::path& path);
};

// A version's persistent identifier: a Named Information URI (RFC 6920) of its manifest, which names every page, and so
// every shard, by digest. Whoever has the version can compute it; nobody can change the version and keep it.
std::string identifier_of(const core::Digest& manifest_sha256);

// The card for programs: Croissant 1.1 (MLCommons), with the Responsible AI properties and DUO terms (section "Data Use
// Conditions"). Nothing of the manifest stands in it but names and what is rounded as published() says: sizes
// have two digits and are told from 1000 samples, since those of samples of one size would tell how many there are. Deterministic.
// Throws Error(data) for a manifest whose records are not staging's.
nlohmann::ordered_json croissant(const Card& card, const core::Manifest& manifest,
                                 const core::Digest& manifest_sha256);

// The card for catalogues of health data: a dcat:Dataset of HealthDCAT-AP in JSON-LD, which loads no context, as of data that
// are not public; with the same figures. None: nothing is declared for it.
std::optional<nlohmann::ordered_json> healthdcat(const Card& card, const core::Manifest& manifest,
                                                 const core::Digest& manifest_sha256);

// The card for people: Markdown under the headings of Gebru et al., "Datasheets for Datasets" (2021), with the same figures.
std::string datasheet(const Card& card, const core::Manifest& manifest, const core::Digest& manifest_sha256);

// The figures of all of them: core::version_figures(). Throws Error(data) if the manifest says none of patients.
nlohmann::ordered_json card_figures(const core::Manifest& manifest);

}  // namespace staging
