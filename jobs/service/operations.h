#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "jobs/service/fields.h"

// Everything that can be asked of aloftd: one row per operation, in operations.cpp. From a row come the check of
// the fields, the decision whether the caller may, the limits, the tests (tests/jobs/matrix) and the
// documentation (aloftd --operations). What has no row does not exist.

namespace jobs {

class Service;
struct Call;

// A set of kinds of callers. It has no default, so that a row without one does not compile.
class Who {
public:
    constexpr explicit Who(std::uint32_t bits) : bits_(bits) {}
    constexpr Who operator|(Who other) const { return Who(bits_ | other.bits_); }
    constexpr bool meets(Who other) const { return (bits_ & other.bits_) != 0; }
    constexpr bool is_nobody() const { return bits_ == 0; }

private:
    std::uint32_t bits_;
};

namespace who {
inline constexpr Who nobody{0}, anybody{1 << 0},
    enclave{1 << 1};  // enclave: an account of an enclave's policy
inline constexpr Who admin{1 << 2}, steward{1 << 3}, intake{1 << 4}, auditor{1 << 5},
    release_reviewer{1 << 6};
inline constexpr Who technical{1 << 7}, legal{1 << 8}, platform{1 << 9}, research{1 << 10};
inline constexpr Who reviewer = technical | legal | platform | research;
}  // namespace who

struct RoleName {
    const char* role;  // as roles.toml writes it
    Who who;
};
std::span<const RoleName> role_names();
// "the role admin or auditor", "an account of an enclave"; "nobody".
std::string describe(Who who);

// Which thing the operation is about: the row of the state that its field "id" (of a job: "job") names.
enum class Object { none, application, release, grant, job, request };

// What is known of the person behind the caller, by [people] of roles.toml.
enum class Person {
    any,
    known,  // the account has a person
    apart,  // and it is another person than the author of the object
};

enum class Pace { reading, changing, heavy };  // how many a second an account may ask: limits.h

struct Operation {
    std::string_view name;
    std::optional<nlohmann::json> (Service::*handler)(Call&);  // nothing: answered later
    Who who;                                                   // who may ask
    Who others;  // whose right goes beyond what is the caller's own: objects of others, whole lists
    std::string_view about;  // one line
    std::vector<Field> fields = {};
    Object object = Object::none;
    Person person = Person::any;
    Pace rate = Pace::reading;
    std::size_t descriptors_least = 0, descriptors_most = 0;
    // Its command writes what belongs to aloftd's own host (policies, keys): no relay carries it.
    bool own_host = false;
};

std::span<const Operation> operations();
const Operation* find_operation(std::string_view name);

// For `aloftd --operations`.
std::string operations_markdown();
nlohmann::json operations_json();

}  // namespace jobs
