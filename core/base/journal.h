#pragma once
#include <string>

namespace core {

// From here on events of this process whose stderr is the journal's (systemd.exec(5), JOURNAL_STREAM) become entries with
// fields of their own, for `journalctl ALOFT_EVENT=job_refused`: MESSAGE is the line without its time, PRIORITY 3, 4 or 6
// (syslog(3)), ALOFT_EVENT the event's name, ALOFT_<KEY> each value. Elsewhere, and where the journal does not take one at
// once, they stay lines on stderr, as do those of a child and the last ones: the journal asks /proc whose an entry is, and
// one whose process is gone by then has no unit, which a line on stderr has. For services, at the start of main, before
// threads; a sandbox that allows no socket must not have called it. Source: systemd, "Native Journal Protocol".
void log_to_journal(std::string socket = "/run/systemd/journal/socket");
void end_log_to_journal() noexcept;  // this process is about to end

// Has this line of an Event gone to the journal? If not, and stderr is the journal's, it begins with its priority now
// (sd-daemon(3)). For Event alone.
bool was_sent_to_journal(std::string& line) noexcept;

}  // namespace core
