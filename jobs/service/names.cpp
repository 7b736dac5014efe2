#include "jobs/service/names.h"

#include "core/base/accounts.h"
#include "core/base/event.h"

namespace jobs {
namespace {

constexpr std::int64_t kFreshMs = 60'000, kOldMs = 3'600'000, kNamelessMs = 1'000, kSilenceMs = 3'000;
constexpr std::size_t kMost = 100'000;

bool is_nameless(const std::string& name) {
    return name.starts_with("uid:");
}

}  // namespace

Names::Names(Ask ask, std::filesystem::path own_file)
    : ask_(std::move(ask)), own_file_(std::move(own_file)) {}

Names::Answer Names::of(uid_t uid, std::int64_t now_ms) {
    using State = Answer::State;
    const auto heard = heard_.find(uid);
    const std::int64_t age = heard == heard_.end() ? kOldMs : now_ms - heard->second.at_ms;
    if (heard != heard_.end() && age < (is_nameless(heard->second.name) ? kNamelessMs : kFreshMs))
        return {State::known, heard->second.name};
    if (const auto silent = silent_.find(uid);
        silent != silent_.end() && now_ms - silent->second < kSilenceMs) {
        if (age < kOldMs && !is_nameless(heard->second.name)) return {State::known, heard->second.name};
        return {State::silent, {}};
    }
    if (!asked_.insert(uid).second) return {};
    worker_.post([this, uid, before = silences_.load()]() -> Worker::Finish {
        std::optional<std::string> name;
        try {
            if (silences_ == before) name = ask_(uid);
        } catch (const std::exception& e) {
            ++silences_;
            core::Event("warning", "name_service_silent").with("uid", uid).with("text", e.what());
        }
        if (!name)  // who is this host's own needs no directory
            if (const auto own = core::account_in_file(uid, own_file_)) name = own->name;
        return [this, uid, name] { keep(uid, name); };
    });
    return {};
}

Names::Answer::State Names::name(Peer& peer, std::int64_t now_ms) {
    using State = Answer::State;
    State state = State::known;
    const auto look = [&](uid_t uid, std::string& name) {
        if (!name.empty()) return;
        const Answer answer = of(uid, now_ms);
        if (answer.state == State::known)
            name = answer.name;
        else if (state != State::silent)
            state = answer.state;
    };
    look(peer.uid, peer.account);
    if (peer.login_uid) look(*peer.login_uid, peer.login);
    return state;
}

void Names::keep(uid_t uid, const std::optional<std::string>& name) {
    asked_.erase(uid);
    if (heard_.size() >= kMost) heard_.clear();
    if (silent_.size() >= kMost) silent_.clear();
    if (name) {
        silent_.erase(uid);
        heard_[uid] = {*name, now_ms_};
    } else {
        silent_[uid] = now_ms_;
    }
}

void Names::hear(std::int64_t now_ms) {
    now_ms_ = now_ms;
    for (const Worker::Finish& finish : worker_.done()) finish();
}

}  // namespace jobs
