#include "train/failure.h"

#include <cstdio>
#include <ctime>
#include <fstream>
#include <string>

#include <c10/util/Exception.h>
#include <nlohmann/json.hpp>

namespace shardopt::train {
namespace {

constexpr int kFailure = 1;

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

}  // namespace

int report_failure(const std::optional<distributed::Launch>& launch,
                   const std::exception& error) {
  std::string message = one_line(error);
  if (launch && launch->size > 1) {
    message = "rank " + std::to_string(launch->rank) + ": " + message;
  }
  std::fprintf(stderr, "shardopt-train: %s\n", message.c_str());
  if (launch && !launch->error_file.empty())
    write_error_file(launch->error_file, message);
  return kFailure;
}

}  // namespace shardopt::train
