// A plugin of the site's that takes its time in the extern step, before ours is called: for as long the step
// answers who asks it to take a session in. For sshd_test.
#include <unistd.h>

#include <cstdint>

extern "C" {
#include <slurm/slurm.h>
#include <slurm/spank.h>

extern const char plugin_name[] __attribute__((visibility("default"))) = "slow_plugin";
extern const char plugin_type[] __attribute__((visibility("default"))) = "spank";
extern const unsigned int plugin_version __attribute__((visibility("default"))) = SLURM_VERSION_NUMBER;
extern const unsigned int spank_plugin_version __attribute__((visibility("default"))) = 1;

__attribute__((visibility("default"))) int slurm_spank_init(spank_t spank, int, char**) {
    std::uint32_t step = 0;
    if (spank_remote(spank) == 1 && spank_get_item(spank, S_JOB_STEPID, &step) == ESPANK_SUCCESS &&
        step == SLURM_EXTERN_CONT)
        ::sleep(3);
    return 0;
}
}
