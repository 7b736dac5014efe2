#pragma once

namespace core {

// Tells the service manager that this service now does what it is for, so that what is ordered after it may begin: READY=1 to
// the socket in NOTIFY_SOCKET (systemd, sd_notify(3), "Notes"). Does nothing where no manager asked. The first call counts.
// For the main thread of a service; never throws.
void tell_started() noexcept;

}  // namespace core
