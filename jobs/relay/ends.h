#pragma once
#include "core/base/site.h"

// The two ends of aloft-relay. Both run as root, hold no state, and serve until `ended` becomes readable.

namespace jobs {

// A login host's: listens where aloftd would (site.socket), learns who asks, and carries the request to aloftd's host.
// Throws Error if it cannot begin, Error(refused) if somebody else answers at that socket.
void run_login_end(const core::Site& site, int ended);

// The one on aloftd's host: takes requests of the login hosts that relay.toml names to aloftd. Throws Error if it
// cannot begin.
void run_serve_end(const core::Site& site, int ended);

// How long an answer may take: aloftd forgets a request after that, too.
inline constexpr int kAnswerSeconds = 3600;

}  // namespace jobs
