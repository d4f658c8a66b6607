#include "train/job.h"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <string>

#include <c10/util/Exception.h>
#include <nlohmann/json.hpp>

#include "shardopt/distributed/mpi_communicator.h"
#include "shardopt/distributed/peer_watch.h"

namespace shardopt::train {
namespace {

constexpr int kFailure = 1;
constexpr std::chrono::milliseconds kFarewellLimit{1000};
constexpr std::chrono::milliseconds kPeersLimit{2000};

std::string one_line(const std::exception& error) {
  const auto* own = dynamic_cast<const c10::Error*>(&error);
  std::string text = own != nullptr ? own->what_without_backtrace() : error.what();
  for (char& c : text) {
    if (c == '\n') c = ' ';
  }
  return text;
}

// What torchrun's agent shows as the cause: torch.distributed.elastic's error file.
void write_error_file(const std::string& path, const std::string& message) {
  const nlohmann::json report = {
      {"message",
       {{"message", message},
        {"extraInfo", {{"timestamp", std::to_string(std::time(nullptr))}}}}}};
  std::ofstream(path) << report.dump(-1, ' ', false,
                                     nlohmann::json::error_handler_t::replace);
}

void abort_mpi_if_used() {
  try {
    distributed::abort_mpi(kFailure);
  } catch (const c10::Error&) {
    // MPI is not in use.
  }
}

}  // namespace

void fail(const Job& job, const std::exception& error) {
  std::string message = one_line(error);
  const bool has_peers = job.launch && job.launch->size > 1;
  const std::string whole =
      has_peers ? "rank " + std::to_string(job.launch->rank) + ": " + message : message;
  std::fprintf(stderr, "shardopt-train: %s\n", whole.c_str());
  // Not from job.launch: what it is made of may be what is wrong.
  const auto error_file = distributed::process_environment()("TORCHELASTIC_ERROR_FILE");
  if (error_file && !error_file->empty()) write_error_file(*error_file, whole);
  if (job.meeting.watch) {
    std::signal(SIGTERM, SIG_IGN);  // A launcher's, since a peer has ended: so do we.
    job.meeting.watch->report_failure(message, kFarewellLimit);
    job.meeting.watch->wait_for_peers(kPeersLimit);
  }
  std::fflush(nullptr);
  // Without a watch peers can be told in no other way; what mpirun started waits in
  // MPI.
  const bool is_mute = has_peers && !job.meeting.watch &&
                       job.launch->meeting == distributed::MeetingKind::kMpi;
  if (is_mute) abort_mpi_if_used();
  std::_Exit(kFailure);
}

}  // namespace shardopt::train
