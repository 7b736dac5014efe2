// aloft watch, aloft logs, aloft jobs.
#include <pwd.h>
#include <unistd.h>

#include <iostream>
#include <map>
#include <optional>

#include "core/base/child.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/message.h"
#include "core/base/printable.h"
#include "jobs/cli/commands.h"
#include "jobs/cli/curves.h"
#include "jobs/cli/table.h"
#include "jobs/shell/exchange.h"
#include "jobs/slurm/client.h"
#include "jobs/wire/channel.h"

namespace jobs {

using core::Error;
using core::failure;
using core::Fault;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

// A file of a job, from here. Slurm names it as nodes see it: in the shared workspaces, of which this session sees its own part at
// /aloft/workspace.
fs::path seen_here(const core::Site& site, const std::string& name) {
    const std::string shared = site.workspaces.string() + "/";
    if (name.starts_with(shared)) {  // ENCLAVE/ACCOUNT/rest
        std::size_t rest = name.find('/', shared.size());
        if (rest != std::string::npos) rest = name.find('/', rest + 1);
        std::error_code none;
        if (rest != std::string::npos && fs::exists("/aloft/workspace", none))
            return "/aloft/workspace" + name.substr(rest);
    }
    return name;
}

fs::path output_of(const core::Site& site, const json& job) {
    std::string name = job.value("standard_output", std::string());
    const std::string id = std::to_string(job.at("job_id").get<std::int64_t>());
    for (const char* pattern : {"%j", "%A"})
        for (std::size_t at; (at = name.find(pattern)) != std::string::npos;) name.replace(at, 2, id);
    return seen_here(site, name);
}

// Where a run of aloft-train writes: as asked for, else as the job's script says, which its owner may see. Nothing if it does not say.
// Throws Error(system) if Slurm does not hand the script over.
std::optional<fs::path> run_folder(const core::Site& site, const json& job, const fs::path& asked) {
    if (!asked.empty()) return asked;
    const std::string id = std::to_string(job.at("job_id").get<std::int64_t>());
    const core::Finished script = core::run_program({"scontrol", "write", "batch_script", id, "-"}, "");
    if (script.code != 0)
        throw failure(Fault::system,
                      "scontrol does not hand over the job's script, exit code {}; "
                      "--out FOLDER says where the run writes",
                      script.code);
    const auto folder = run_folder_of(script.output);
    if (!folder) return std::nullopt;
    const fs::path whole = fs::path(job.value("current_working_directory", std::string())) / *folder;
    if (!whole.is_absolute()) return std::nullopt;  // relative to a folder that Slurm does not name
    return seen_here(site, whole.string());
}

// What a failure says, in the reader's language, as a terminal may have it: it may name files as a job has named them.
std::string words_of(const Error& e) {
    return core::printable_text(core::translated(core::told(e).message()));
}

// The curves of a job's run, drawn again when its log has changed.
class Drawing {
public:
    Drawing(std::int64_t job, fs::path asked) : job_(job), asked_(std::move(asked)) {}

    // On a terminal again and again; elsewhere once, at the end. That there is none ends nothing: it is said at the end.
    void look(const core::Site& site, const json& job, bool is_end) {
        if (!is_end && !is_terminal_) return;
        try {
            draw(site, job, is_end);
        } catch (const Error& e) {
            if (is_end) std::cerr << tr("job {}: no curve: {}", job_, words_of(e)) << '\n';
        }
    }

private:
    void draw(const core::Site& site, const json& job, bool is_end) {
        if (!is_found_) folder_ = run_folder(site, job, asked_);
        is_found_ = true;
        if (!folder_) return say_none(is_end);
        if (!read_on() && !is_end) return;
        const auto lines = curve_lines(reader_.curves(), is_terminal_ ? table_width() : kColumns,
                                       core::reads_utf8() ? Glyphs::unicode : Glyphs::ascii);
        if (lines.empty()) return say_none(is_end);
        if (is_terminal_) std::cout << "\x1b[H\x1b[2J";
        for (const std::string& line : lines) std::cout << line << '\n';
        std::cout.flush();
    }

    // What the run has logged since the last look; all of a log that is shorter than it was. False if that is nothing.
    bool read_on() {
        bool is_more = false;
        const auto take = [&](std::string_view piece) {
            if (at_ < read_ + piece.size()) reader_ = CurveReader(), read_ = 0;
            read_ += piece.size();
            reader_.take(piece);
        };
        while (shell::follow(*folder_ / "log.jsonl", at_, take)) is_more = true;
        return is_more;
    }

    static constexpr std::size_t kColumns = 80;

    void say_none(bool is_end) const {
        if (!is_end) return;
        std::cerr << (folder_ ? tr("job {}: no curve: its run has logged no step", job_)
                              : tr("job {}: no curve: its script does not say where aloft-train writes; "
                                   "--out FOLDER does",
                                   job_))
                  << '\n';
    }

    std::int64_t job_;
    fs::path asked_;
    const bool is_terminal_ = ::isatty(STDOUT_FILENO) == 1;
    bool is_found_ = false;
    std::optional<fs::path> folder_;   // once it is found
    std::uint64_t at_ = 0, read_ = 0;  // bytes of its log
    CurveReader reader_;
};

// Prints what has been added since `at`. A file that shrank (a requeued job that begins anew) is read from
// its start. False if it is no regular file that this account may read.
bool follow(const fs::path& file, std::uint64_t& at) {
    try {
        while (shell::follow(file, at, [](std::string_view piece) { std::cout << piece; })) {
        }
    } catch (const Error&) {
        return false;
    }
    std::cout.flush();
    std::error_code none;
    return fs::is_regular_file(fs::symlink_status(file, none));
}

// What the fence stopped, once every node has said so: their records arrive a few seconds after the end.
// Nothing for a job that aloftd does not know.
json blocked_of(const core::Site& site, std::int64_t number) {
    constexpr int kTries = 20;  // half a second each
    json known = json::object();
    try {
        for (int i = 0; i < kTries; ++i) {
            known = ask(site.socket, {{"op", "job.show"}, {"job", number}}).body;
            if (known.at("complete") == true) break;
            ::usleep(500'000);
        }
    } catch (const Error& e) {
        if (e.fault() != Fault::usage)
            std::cerr << tr("what was blocked is not known: {}", words_of(e)) << '\n';
    }
    return {{"blocked", known.value("blocked", json::object())},
            {"attempts", known.value("attempts", json::array())}};
}

// The last words: what became of the job. Throws Error(data) unless it completed.
void tell_end(const Common& common, std::int64_t number, const SlurmJob& job, const fs::path& output) {
    json end = blocked_of(common.site(), number);
    const std::string blocked = describe_blocked(end.at("blocked"), end.at("attempts"));
    end.update({{"job", number},
                {"state", job.state},
                {"exit", job.exit},
                {"output", output.string()},
                {"words", job.words.empty() ? json() : json(job.words)}});
    if (!job.words.empty()) std::cerr << tr("job {}: {}", number, printable(job.words)) << '\n';
    if (!blocked.empty())
        std::cerr << blocked
                  << tr("an enclave has no network but the job's own nodes; how often is in the ledger")
                  << '\n';
    if (common.json) print(common, end, "");
    if (job.state == "COMPLETED") return;
    std::error_code none;
    if (fs::status(output, none).type() == fs::file_type::not_found)
        throw failure(Fault::data, "job {} ended as {}, exit code {}, and left no output", number, job.state,
                      job.exit);
    throw failure(Fault::data, "job {} ended as {}, exit code {}; its output: {}", number, job.state,
                  job.exit, output.string());
}

struct WatchWish {
    std::int64_t job = 0;
    bool curves = false;
    fs::path out;
};

void watch(const Common& common, const WatchWish& wish) {
    const std::int64_t number = wish.job;
    Drawing drawing(number, wish.out);
    const core::Site site = common.site();
    std::string last;
    std::uint64_t at = 0;
    fs::path output;
    for (;;) {
        const auto job = find_job(number);
        if (!job) {
            if (last.empty()) throw failure(Fault::usage, "Slurm knows no job {}; see: aloft jobs", number);
            throw failure(Fault::system,
                          "Slurm has forgotten job {} while it was watched; its output is in the workspace",
                          number);
        }
        const SlurmJob now = read_job(*job);
        const std::string& state = now.state;
        if (output.empty() || state != last) output = output_of(site, *job);
        if (wish.curves)
            drawing.look(site, *job, is_final(state));
        else if (!common.json)
            follow(output, at);
        if (state != last) {
            std::cerr << tr("job {}: {}", number, printable(state))
                      << (now.reason.empty() || now.reason == "None" ? ""
                                                                     : " (" + printable(now.reason) + ")")
                      << '\n';
            last = state;
        }
        if (is_final(state)) {
            if (!common.json && !wish.curves) follow(output, at);
            return tell_end(common, number, now, output);
        }
        ::usleep(500'000);
    }
}

// The output as it is now. What Slurm has forgotten lies where admission puts every job's.
void print_log(const Common& common, std::int64_t number) {
    if (common.json)
        throw failure(Fault::usage, "a job's output is what it wrote, and no JSON; leave --json out");
    const core::Site site = common.site();
    std::optional<json> job;
    try {
        job = find_job(number);
    } catch (const Error&) {  // no Slurm here
    }
    fs::path output = "/aloft/workspace/slurm-" + std::to_string(number) + ".out";
    if (job) output = output_of(site, *job);
    std::uint64_t at = 0;
    if (follow(output, at)) return;
    if (const std::string words = job ? read_job(*job).words : ""; !words.empty())
        throw failure(Fault::usage, "job {} has no output here: {}", number, printable(words));
    throw failure(Fault::usage,
                  "job {} has no output here: it has not begun, is another's, or its file was removed",
                  number);
}

// Names are their author's own words: shown to nobody else (they are in no record either).
void list_jobs(const Common& common, bool all) {
    Listing jobs = list_of(common, "job.list", all ? Pages::all : Pages::first);
    std::map<std::int64_t, SlurmJob> known;
    try {
        known = known_jobs();
    } catch (const Error&) {  // no Slurm here: the ledger's view stands
    }
    const passwd* own = ::getpwuid(::getuid());
    for (json& row : jobs.rows) {
        row["name"] = row["exit"] = json();
        const auto found = known.find(row.at("job").get<std::int64_t>());
        // Slurm begins its numbers again some day: what ended, or is another's, is not the job that it knows by this number.
        if (found == known.end() || row.at("account") != found->second.account) continue;
        if (!row.value("ended", json()).is_null() && !is_final(found->second.state) &&
            found->second.restarts == 0)
            continue;
        row["state"] = found->second.state;
        row["restarts"] = found->second.restarts;
        if (!found->second.exit.empty()) row["exit"] = found->second.exit;
        if (own && row.at("account") == own->pw_name) row["name"] = found->second.name;
    }
    print_rows(common, "jobs", jobs.rows,
               {"job", "name", "account", "enclave", "state", "exit", "outcome", "exit_class", "nodes",
                "submitted", "started", "ended", "node_seconds", "gpu_seconds", "blocked", "grant"});
    if (jobs.has_more && !common.json) std::cout << tr("there are older ones: aloft jobs --all") << '\n';
}

}  // namespace

void add_watch(CLI::App& app, Common& common) {
    static WatchWish wish;
    CLI::App* follow_one = add_verb(app, common, "watch",
                                    "Follow a job's state and output until it ends; exit 0 if it completed",
                                    "aloft watch 17", Changes::nothing, [&common] { watch(common, wish); });
    follow_one->add_option("job", wish.job, "Its number")->required();
    follow_one
        ->add_flag("--curves", wish.curves,
                   "Draw the loss and the score of a run of aloft-train, in place of the output: again and "
                   "again on a terminal, else once at its end")
        ->excludes(follow_one->get_option("--json"));
    follow_one
        ->add_option("--out", wish.out, "Folder that the run writes to (default: as the job's script says)")
        ->needs(follow_one->get_option("--curves"))
        ->type_name("FOLDER");
    static std::int64_t job = 0;
    CLI::App* log = add_verb(app, common, "logs", "A job's output as it is now, also after its end",
                             "aloft logs 17", Changes::nothing, [&common] { print_log(common, job); });
    log->add_option("job", job, "Its number")->required();
    static bool all = false;
    CLI::App* list =
        add_verb(app, common, "jobs",
                 "Your jobs, as the ledger knows them, with how each ended; name, state and exit code "
                 "(CODE:SIGNAL) while Slurm knows them",
                 "aloft jobs", Changes::nothing, [&common] { list_jobs(common, all); });
    list->add_flag("--all", all, "The older ones, too");
}

}  // namespace jobs
