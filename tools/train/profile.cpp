#include "train/profile.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "shardopt/core/error.h"
#include "shardopt/core/shard.h"
#include "shardopt/distributed/layout.h"
#include "train/agreement.h"

namespace shardopt::train {
namespace {

using nlohmann::json;

json metadata(const char* what, int rank, int thread, const std::string& name) {
  return {{"name", what},
          {"ph", "M"},
          {"pid", rank},
          {"tid", thread},
          {"args", {{"name", name}}}};
}

// Times are in microseconds, as the format has them.
json events_of(const std::vector<distributed::Timeline::Span>& spans, int rank) {
  json events = json::array();
  events.push_back(metadata("process_name", rank, 0, "rank " + std::to_string(rank)));
  std::map<std::string, int> threads;
  for (const auto& span : spans) {
    const auto [track, is_new] =
        threads.emplace(span.track, static_cast<int>(threads.size()));
    if (is_new) {
      events.push_back(metadata("thread_name", rank, track->second, span.track));
    }
    events.push_back({{"name", span.name},
                      {"ph", "X"},
                      {"ts", span.begin_us},
                      {"dur", span.end_us - span.begin_us},
                      {"pid", rank},
                      {"tid", track->second}});
  }
  return events;
}

// The texts of all ranks, on every rank.
std::vector<std::string> gather(distributed::Communicator& communicator,
                                const std::string& text) {
  const int ranks = communicator.size();
  const Shard one_each(distributed::chunk_offsets(ranks, ranks), communicator.rank());
  at::Tensor lengths = at::zeros({ranks}, at::kLong);
  lengths[communicator.rank()] = static_cast<int64_t>(text.size());
  communicator.all_gather(lengths, one_each)->wait();
  std::vector<int64_t> offsets{0};
  for (int rank = 0; rank < ranks; ++rank) {
    offsets.push_back(offsets.back() + lengths[rank].item<int64_t>());
  }
  const Shard cut(offsets, communicator.rank());
  at::Tensor bytes = at::empty({cut.global_rows()}, at::kByte);
  auto* data = static_cast<char*>(bytes.mutable_data_ptr());
  std::memcpy(data + cut.local_begin(), text.data(), text.size());
  communicator.all_gather(bytes, cut)->wait();
  std::vector<std::string> texts;
  for (int rank = 0; rank < ranks; ++rank) {
    texts.emplace_back(data + offsets[rank], data + offsets[rank + 1]);
  }
  return texts;
}

}  // namespace

void Profile::prepare() const {
  if (!options_.path.empty()) write_file("");
}

void Profile::before_step(int64_t step) {
  if (options_.path.empty() || step != options_.first_step) return;
  mesh_.world().barrier()->wait();  // One time zero for all ranks.
  timeline_.start();
}

void Profile::after_step(int64_t step, bool is_last) {
  if (!timeline_.is_on()) return;
  if (!is_last && step + 1 < options_.first_step + options_.steps) return;
  timeline_.stop();
  write();
}

void Profile::write() const {
  const std::string own = events_of(timeline_.spans(), mesh_.rank()).dump();
  const std::vector<std::string> of_ranks = gather(mesh_.world(), own);
  run_agreed(mesh_.world(), [&] {
    if (mesh_.rank() != 0) return;
    json events = json::array();
    for (const std::string& text : of_ranks) {
      for (json& event : json::parse(text)) events.push_back(std::move(event));
    }
    const json trace{{"traceEvents", std::move(events)}, {"displayTimeUnit", "ms"}};
    write_file(trace.dump() + "\n");
  });
}

void Profile::write_file(const std::string& text) const {
  std::ofstream file(options_.path);
  file << text;
  file.close();
  if (file) return;
  SHARDOPT_THROW(ConfigError, "profile.path '", options_.path,
                 "' cannot be written: ", std::strerror(errno));
}

}  // namespace shardopt::train
