#pragma once
#include <hdf5.h>

#include <cerrno>
#include <string>
#include <utility>

#include "core/base/error.h"

namespace core {

// Throws Error(system) "HDF5: cannot <doing>" with errno's reason where there is one (a full disk).
[[noreturn]] inline void fail_h5(const std::string& doing) {
    const std::string what = "HDF5: cannot " + doing;
    throw Error(Fault::system, errno ? with_errno(what, errno) : what);
}
inline void check_h5(herr_t status, const std::string& doing) {
    if (status < 0) fail_h5(doing);
}

// One HDF5 identifier: closes once, never throws from its destructor. close() is for where closing is itself
// the risk.
template <herr_t (*Close)(hid_t)>
class H5Handle {
public:
    H5Handle() = default;
    // Takes ownership. Throws Error(system) if `id` is negative.
    H5Handle(hid_t id, const std::string& doing) : id_(id) {
        if (id < 0) fail_h5(doing);
    }
    H5Handle(H5Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
    H5Handle& operator=(H5Handle&& other) noexcept {
        std::swap(id_, other.id_);
        return *this;
    }
    ~H5Handle() {
        if (id_ >= 0) Close(id_);
    }
    hid_t get() const noexcept { return id_; }
    void close(const std::string& doing) {
        if (id_ >= 0) check_h5(Close(std::exchange(id_, H5I_INVALID_HID)), doing);
    }

private:
    hid_t id_ = H5I_INVALID_HID;
};
using H5File = H5Handle<H5Fclose>;
using H5Group = H5Handle<H5Gclose>;
using H5Dataset = H5Handle<H5Dclose>;
using H5Space = H5Handle<H5Sclose>;
using H5Type = H5Handle<H5Tclose>;
using H5Properties = H5Handle<H5Pclose>;
using H5Attribute = H5Handle<H5Aclose>;

// HDF5 prints its error stack to stderr unless told otherwise, per thread; ours are Errors.
inline void quiet_h5() noexcept {
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    errno = 0;
}

}  // namespace core
