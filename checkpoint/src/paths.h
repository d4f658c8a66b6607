/// Names of files and folders in a checkpoint, and which are safe to open.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace shardopt::checkpoint {

inline constexpr char kManifestName[] = "MANIFEST";
inline constexpr char kStaleManifestName[] = "MANIFEST.stale";
inline constexpr char kLatestName[] = "LATEST";
inline constexpr char kLockName[] = "LOCK";
inline constexpr char kPinName[] = "PIN";
inline constexpr std::size_t kAttemptDigits = 32;
inline constexpr std::size_t kMaxTensorNameBytes = 4096;

/// "step_000000001000" -> 1000; nullopt for every other name.
[[nodiscard]] std::optional<int64_t> parse_step_folder(std::string_view name);

/// "a-<32 hexadecimal digits>", the folder of one attempt.
[[nodiscard]] std::string attempt_folder_name(std::string_view attempt);
[[nodiscard]] bool is_attempt_folder(std::string_view name);
/// 128 random bits.
[[nodiscard]] std::string make_attempt();

/// "rank-00003.safetensors"
[[nodiscard]] std::string data_file_name(int rank);
[[nodiscard]] bool is_data_file(std::string_view name);

/// "MANIFEST.tmp.<attempt>", "LATEST.tmp.<attempt>": left by a crash, to be removed.
[[nodiscard]] std::string temporary_name(std::string_view name,
                                         std::string_view attempt);
[[nodiscard]] bool is_temporary(std::string_view name);

/// What LATEST holds when it names `step_folder`: the name and its CRC.
[[nodiscard]] std::string latest_text(const std::string& step_folder);

/// Empty, or why `name` cannot be a tensor's: UTF-8, 1 to kMaxTensorNameBytes bytes, no
/// control characters, not "__metadata__".
[[nodiscard]] std::string problem_of_tensor_name(std::string_view name);

/// UTF-8 as RFC 3629 has it.
[[nodiscard]] bool is_utf8(std::string_view text);

}  // namespace shardopt::checkpoint
