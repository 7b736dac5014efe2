#pragma once
#include <algorithm>
#include <span>
#include <string>

#include "staging/build/cases.h"
#include "staging/build/stage1.h"
#include "staging/pool/pool.h"

// What joining images with rows (labels) and with masks have in common; cases.cpp has both.
namespace staging {

struct Image {
    core::Id16 key;
    Origin origin;
    SampleRef ref;
};

// The images of one case and what is beside them, in the deliveries' order.
struct Together {
    std::span<const Image> images;
    std::span<const Beside> beside;
};

// What both ways of joining need.
class Joiner {
public:
    Joiner(const CaseWork& work, const Spill& images, const Identities& identities, SpillWriter& writer)
        : work_(work), images_(images), identities_(identities), writer_(writer) {}
    virtual ~Joiner() = default;
    // Cases and what was left out, of one case.
    void join(const Together& all) const {
        if (!all.images.empty()) return join_images(all);
        for (const Beside& one : all.beside) leave_out(one, Reason::unmatched_label);
    }

protected:
    // There is one image at least.
    virtual void join_images(const Together& all) const = 0;
    // Who is meant, with all that the dataset knows of who is one person.
    core::Id16 person(const core::Id16& patient) const {
        const Moved* moved = identities_.find(patient);
        return moved ? moved->to : patient;
    }
    bool is_one_person(std::span<const Image> images) const {
        return std::ranges::all_of(images,
                                   [&, first = person(images.front().ref.patient)](const Image& image) {
                                       return person(image.ref.patient) == first;
                                   });
    }
    static bool is_one_content(std::span<const Image> images) {
        return std::ranges::all_of(
            images, [&](const Image& image) { return image.ref.content == images.front().ref.content; });
    }
    void leave_out(const Image& image, const Rejection& why) const {
        work_.left_out.each_record(images_, image.ref, why,
                                   [&](const Rejected& one) { writer_.reject(one); });
    }
    void leave_out(const Image& image, Reason reason) const { leave_out(image, Rejection{reason, detail()}); }
    void leave_out(const Beside& beside, const Rejection& why) const {
        Rejected one;
        one.origin = beside.origin;
        one.site = beside.site;
        std::copy(std::begin(beside.file_name), std::end(beside.file_name), one.file_name);
        set_reason(one, why.reason, why.detail);
        writer_.reject(one);
    }
    void leave_out(const Beside& beside, Reason reason) const {
        leave_out(beside, Rejection{reason, detail()});
    }
    void leave_all_out(const Together& all, const Rejection& why) const {
        for (const Image& image : all.images) leave_out(image, why);
        for (const Beside& one : all.beside) leave_out(one, why);
    }
    void leave_all_out(const Together& all, Reason reason) const {
        leave_all_out(all, Rejection{reason, detail()});
    }
    static Companion companion(const Beside& beside) {
        Companion with{beside.origin.file, beside.origin.row, {}};
        std::copy(std::begin(beside.file_name), std::end(beside.file_name), with.file_name);
        return with;
    }
    virtual std::string detail() const = 0;

    const CaseWork& work_;
    const Spill& images_;
    const Identities& identities_;
    SpillWriter& writer_;
};

}  // namespace staging
