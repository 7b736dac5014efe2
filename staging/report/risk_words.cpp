#include "staging/report/risk_words.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace staging {
namespace {

using Json = nlohmann::ordered_json;

// A count, or what stands for a small one in what is published.
std::string count(const Json& value) {
    return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string percent(const Json& part) {
    return fmt::format("{:.3g} %", 100 * part.get<double>());
}

std::string one_in(const Json& chance) {
    const double value = chance.get<double>();
    return value > 0 ? fmt::format("1 in {:.4g}", 1 / value) : "none";
}

std::string list(const Json& names) {
    std::string out;
    for (std::size_t i = 0; i < names.size(); ++i)
        out += (i == 0 ? "" : i + 1 == names.size() ? " and " : ", ") + names[i].get<std::string>();
    return out.empty() ? "nothing" : out;
}

std::string what_is_asked(const Json& risk) {
    std::string out = "at least " + count(risk.at("k")) + " patients who look alike";
    if (!risk.contains("sensitive")) return out;
    const Json& sensitive = risk.at("sensitive");
    const auto name = sensitive.at("column").get<std::string>();
    if (sensitive.value("l", 0) > 0) out += ", " + count(sensitive.at("l")) + " different values of " + name;
    if (sensitive.contains("entropy_l"))
        out += fmt::format(", entropy {}-diverse", sensitive.at("entropy_l").get<double>());
    if (sensitive.contains("recursive"))
        out += fmt::format(", recursive ({}, {})-diverse", sensitive.at("recursive").at("c").get<double>(),
                           sensitive.at("recursive").at("l").get<int>());
    if (sensitive.value("t", 0.0) > 0)
        out += fmt::format(", distance at most {}", sensitive.at("t").get<double>());
    return out;
}

void add_attacks(const Json& risk, std::vector<std::string>& out) {
    if (!risk.contains("prosecutor_risk_max")) return;
    out.push_back(
        "Somebody who is known to be in the dataset is picked out with a chance of " +
        one_in(risk.at("prosecutor_risk_max")) + " at worst (prosecutor); somebody who may not be in it, " +
        one_in(risk.at("journalist_risk_max")) +
        (risk.contains("population") ? ", by the population given" : ", no population having been given") +
        " (journalist). Who links all records to names is right for " + percent(risk.at("marketer_risk")) +
        " of them (marketer).");
    if (risk.contains("population") && risk.at("population").at("patients_it_lacks") != 0)
        out.push_back(
            "The population has too few people for " + count(risk.at("population").at("patients_it_lacks")) +
            " of the patients: for them the dataset itself was taken, which is the worst there is.");
    if (risk.contains("presence"))
        out.push_back("That somebody of the register is in the dataset can be said with a certainty of " +
                      percent(risk.at("presence").at("least")) + " to " +
                      percent(risk.at("presence").at("most")) + " (delta-presence).");
}

void add_sensitive(const Json& risk, std::vector<std::string>& out) {
    if (!risk.contains("sensitive")) return;
    const Json& sensitive = risk.at("sensitive");
    std::string text = "Who finds somebody's group finds at least " +
                       count(sensitive.at("fewest_categories")) + " different values of " +
                       sensitive.at("column").get<std::string>() + " in it";
    if (sensitive.contains("least_entropy_l"))  // what is published has none
        text += fmt::format(" (as good as {:.3g} equally frequent ones)",
                            sensitive.at("least_entropy_l").get<double>());
    if (sensitive.contains("greatest_distance"))
        text += fmt::format("; their distribution is at most {:.3g} of 1 away from that of all patients",
                            sensitive.at("greatest_distance").get<double>());
    else if (sensitive.contains("distance_holds"))  // what is published
        text +=
            fmt::format("; their distribution is {} {:.3g} away from that of all patients",
                        sensitive.at("distance_holds").get<bool>() ? "at most" : "in some group more than",
                        sensitive.at("t").get<double>());
    out.push_back(text + ".");
}

void add_given_up(const Json& risk, std::vector<std::string>& out) {
    if (!risk.contains("generalisation")) return;
    const Json& made = risk.at("generalisation");
    if (made.contains("not_found_in_steps")) {
        out.push_back("Of the " + count(made.at("not_found_in_steps")) +
                      " generalisations that may be tried (most_steps) none holds what is asked for; not all "
                      "were tried.");
        return;
    }
    if (made.contains("impossible")) {
        out.push_back(
            "No generalisation of the quasi-identifiers that the rules allow holds what is asked for.");
        return;
    }
    const Json& before = made.at("before");
    std::string coarser;
    for (const auto& [column, level] : made.at("levels").items())
        if (level != "as it is") {
            coarser += (coarser.empty() ? "" : "; ") + column + ": ";
            coarser += level == "*" ? std::string("nothing is left") : level.get<std::string>();
        }
    // A table lies as it was; a version has been made coarser.
    const bool is_table = risk.contains("would_hold");
    const std::string was = "Before, there were " + count(before.at("groups")) + " groups, the smallest of " +
                            count(before.at("smallest_group")) + ", and " +
                            count(before.at("patients_below")) + " patients stood out. ";
    const std::string nothing = is_table ? "Nothing would be made coarser" : "Nothing was made coarser";
    out.push_back(
        (is_table ? "" : was) +
        (coarser.empty() ? nothing : (is_table ? "Would be made coarser: " : "Made coarser: ") + coarser) +
        "; " + count(made.at("patients_left_out")) + " patients " + (is_table ? "would be" : "are") +
        " left out. Given up: " +
        (made.contains("loss") ? percent(made.at("loss")) + " of what the quasi-identifiers tell, " : "") +
        (made.at("is_least").get<bool>() ? "the least that is possible."
                                         : "the least that was found; not all ways were tried."));
}

// What the rules would leave of a table.
void add_after(const Json& risk, std::vector<std::string>& out) {
    if (!risk.contains("after")) return;
    const Json& after = risk.at("after");
    if (after.at("groups") == 0) {
        out.push_back("After that nobody would be left.");
        return;
    }
    std::string text = "After that " + count(after.at("patients")) + " patients would be left, in " +
                       count(after.at("groups")) + " groups, the smallest of " +
                       count(after.at("smallest_group"));
    if (after.contains("prosecutor_risk_max"))  // what is shown has none
        text += "; picked out with a chance of " + one_in(after.at("prosecutor_risk_max")) +
                " at worst (prosecutor), " + one_in(after.at("journalist_risk_max")) +
                " (journalist), and rightly linked " + percent(after.at("marketer_risk")) +
                " of them (marketer)";
    out.push_back(text + ".");
}

std::string what_becomes_of_them(const Json& risk) {
    if (!risk.contains("would_hold"))
        return risk.at("suppressed").get<bool>() ? "They are left out." : "They are not left out.";
    if (risk.at("holds").get<bool>()) return "The table holds.";
    std::string out = "The table does not hold.";
    if (risk.at("would_suppress").get<bool>() && !risk.contains("generalisation"))
        out += " They would be left out.";
    return out;
}

std::string unit_of(const Json& risk) {
    const auto unit = risk.at("unit").get<std::string>();
    return unit.starts_with("row") ? "No column says whose a row is: each row is taken for another patient."
                                   : "Counted by " + unit + ".";
}

std::string each(const Json& releases, const char* key) {
    std::string out;
    for (std::size_t i = 0; i < releases.size(); ++i)
        out += (i == 0 ? "" : i + 1 == releases.size() ? " and " : ", ") + count(releases[i].at(key));
    return out;
}

// What the releases tell together.
void add_linked(const Json& risk, std::vector<std::string>& out) {
    if (!risk.contains("linked")) return;
    const Json& linked = risk.at("linked");
    const Json &releases = linked.at("releases"), &together = linked.at("together"),
               &only = linked.at("only_together");
    const bool by_columns = linked.at("by") == "columns";
    Json names = Json::array();
    for (const Json& one : releases) names.push_back(one.at("release"));
    out.push_back(
        "Judged together: " + list(names) +
        ". An attacker is taken to hold all of them, to know of a person "
        "what was said above, as each of them has it, and in which of them the person is. " +
        (by_columns
             ? "No identifier joins them: a person's value can only be one that the person's groups in all "
               "of them have."
             : "A person's records are found by their identifiers, which are the same in all of them."));
    std::string asked = "fewer than " + count(linked.at("k")) + " patients";
    if (linked.at("l") != 0) asked += " or " + count(linked.at("l")) + " different values";
    out.push_back("Each by itself, they have " + each(releases, "patients") + " patients, of whom " +
                  each(releases, "patients_below") + " stand out (" + asked + "). Together they have " +
                  count(together.at("patients")) + " patients, " + count(linked.at("patients_in_all")) +
                  " of them in all; " + count(together.at("patients_below")) + " stand out, " +
                  count(only.at("patients_below")) +
                  " of them only together: " + count(only.at("of_them_not_in_all")) +
                  " because they were left out of one, or have come with another.");
    if (releases[0].contains("sensitive"))
        out.push_back("A value of a sensitive column is sure of " + each(releases, "values_sure") +
                      " patients by one of them, and of " + count(together.at("values_sure")) +
                      " together; of " + count(only.at("values_sure")) + " only together.");
    if (together.contains("prosecutor_risk_max")) {
        std::string text = "Somebody known is picked out with a chance of ";
        for (std::size_t i = 0; i < releases.size(); ++i)
            if (releases[i].contains("prosecutor_risk_max"))
                text += one_in(releases[i].at("prosecutor_risk_max")) + " at worst by " +
                        releases[i].at("release").get<std::string>() + ", ";
        out.push_back(text + "and " + one_in(together.at("prosecutor_risk_max")) +
                      " by all together (the mean of all: " + percent(together.at("prosecutor_risk_mean")) +
                      ").");
    }
    const double most = linked.at("most_below").get<double>();
    out.push_back(
        std::string(linked.at("holds").get<bool>() ? "Together they hold" : "Together they do not hold") +
        " what is asked for: " +
        (most > 0 ? "at most " + percent(linked.at("most_below")) + " of the patients may stand out."
                  : "nobody may stand out."));
}

}  // namespace

std::vector<std::string> risk_words(const Json& risk) {
    std::vector<std::string> out;
    out.push_back("An attacker is taken to know of a person: " + list(risk.at("quasi_identifiers")) +
                  ". That tells the " + count(risk.at("patients")) + " patients apart into " +
                  count(risk.at("groups")) + " groups; the smallest has " + count(risk.at("smallest_group")) +
                  ".");
    out.push_back(count(risk.at("patients_below_k")) +
                  " patients stand out: they are in groups that break what is asked for (" +
                  what_is_asked(risk) + "). " + what_becomes_of_them(risk));
    out.push_back(unit_of(risk));
    add_attacks(risk, out);
    add_sensitive(risk, out);
    add_given_up(risk, out);
    add_after(risk, out);
    add_linked(risk, out);
    return out;
}

}  // namespace staging
