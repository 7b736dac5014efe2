#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// What a job of an enclave may ask of Slurm, where that is a text or a moment: whatever others can read of a job must
// not be of its researcher's choice. `aloft submit` asks here before it calls sbatch, and slurmctld's plugin when the job
// comes, however it came: both say the same. Everything here throws Error(refused) with what to do instead.

namespace core {

// Of a job's script, its variables, its arguments: a string of the environment may be 128 KiB, base64 takes a third more.
inline constexpr std::size_t kJobTextLimitBytes = 90 << 10;
// MiB; more than any node has.
inline constexpr std::uint64_t kMostMemoryMib = std::uint64_t{1} << 30;
inline constexpr std::uint64_t kMostSignal = 64, kMostSignalSeconds = 65535;

// --array as it is given on: an array's size only. Numbers of one's choice, kilobytes of them, would stand in the queue
// for everybody. "" for none.
std::string allowed_array(const std::string& asked);

// What one of --gres, --gpus, --gpus-per-node, --gpus-per-task says, as Slurm writes it ("gres:gpu:a100:2"):
// GPUs, of one type, so many; a list of one's choice would be a text. `most`: the largest number (of cores or
// MiB for each GPU, where it is that). "" for none. Whether there is such a type, the controller says
// (slurm/admit/node_words).
inline constexpr std::uint64_t kMostGpus = 9999;
std::string allowed_gpus(const std::string& asked, std::uint64_t most = kMostGpus);

// Names of features, "a100&nvme": each once, in the order of the alphabet, at most four. Whether a node has them,
// the controller says.
std::string allowed_features(const std::string& asked);

// When it may begin, in full hours up to 30 days ahead: a moment of one's choice would be a text. Seconds
// since 1970; 0: at once.
std::int64_t allowed_begin(std::int64_t asked, std::int64_t now);

// "[B:|R:]SIGNAL[@SECONDS]", SIGNAL a name or a number: what the program gets before its time is over.
void check_signal(const std::string& asked);

// What every job gets before its time is over that asks for no other signal: SIGURG, which does nothing to a
// program that does not listen, nor to the shell around it. It comes so many seconds before a limit of
// `minutes`, up to a minute earlier as Slurm does: time to save a model, a fifth of a short job.
inline constexpr int kWarningSignal = 23;
std::uint64_t warning_seconds(std::int64_t minutes);

// "32G", "1500" (MiB) in MiB.
std::uint64_t memory_mib(const std::string& asked);

// "G-12".
bool is_grant_id(std::string_view text);

// The variable by which sbatch is told under which of an account's grants a job is to run (aloft submit
// --grant); and the one by which Slurm carries it on to Prolog, which is the one to look whether that grant
// counts.
inline constexpr std::string_view kGrantVariable = "ALOFT_GRANT", kPrologGrantVariable = "SPANK_ALOFT_GRANT";

// The variable by which sbatch is told in which container image of the enclave's policy a job's tasks are to run
// (aloft submit --image); and the one by which Slurm carries the image that was found, Image::text(), on to Prolog.
inline constexpr std::string_view kImageVariable = "ALOFT_IMAGE", kPrologImageVariable = "SPANK_ALOFT_IMAGE";

}  // namespace core
