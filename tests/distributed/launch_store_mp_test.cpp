#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include <gtest/gtest.h>
#include <torch/csrc/distributed/c10d/FileStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "shardopt/core/error.h"
#include "shardopt/distributed/c10d_communicator.h"
#include "shardopt/distributed/launch.h"
#include "support/rank_launcher.h"

namespace shardopt::distributed {
namespace {

constexpr std::chrono::seconds kTimeout{20};
constexpr std::chrono::milliseconds kShort{1500};

// A port of this machine, held until destroyed.
class TakenPort {
 public:
  TakenPort() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_ANY);
    auto* bare = reinterpret_cast<sockaddr*>(&address);
    socklen_t length = sizeof address;
    EXPECT_EQ(::bind(socket_, bare, length), 0);
    EXPECT_EQ(::listen(socket_, 1), 0);
    EXPECT_EQ(::getsockname(socket_, bare, &length), 0);
    number_ = ntohs(address.sin_port);
  }
  ~TakenPort() { ::close(socket_); }
  TakenPort(const TakenPort&) = delete;
  TakenPort& operator=(const TakenPort&) = delete;

  [[nodiscard]] int number() const noexcept { return number_; }

 private:
  int socket_;
  int number_ = 0;
};

int free_port() { return TakenPort().number(); }

Launch launch_of(int rank, int size, int port) {
  Launch launch;
  launch.launcher = "environment";
  launch.rank = rank;
  launch.size = size;
  launch.meeting = MeetingKind::kAddress;
  launch.master_address = "127.0.0.1";
  launch.master_port = port;
  return launch;
}

// Rank 0 chooses a port and tells the others by way of the scratch folder.
int agree_on_port(const test::RankEnvironment& env) {
  ::c10d::FileStore file(env.scratch_dir + "/port", env.size);
  ::c10d::Store& store = file;
  if (env.rank == 0) store.set("port", std::to_string(free_port()));
  const std::vector<uint8_t> text = store.get("port");
  return std::stoi(std::string(text.begin(), text.end()));
}

template <typename Error>
std::string failure_of(const Launch& launch) {
  try {
    (void)make_store(launch, kShort);
  } catch (const Error& error) {
    return error.what_without_backtrace();
  }
  return "no error of that type";
}

TEST(LaunchStoreMpTest, RanksMeetAtHostOfRankZero) {
  test::run_ranks(3, [](const test::RankEnvironment& env) {
    const auto store =
        make_store(launch_of(env.rank, env.size, agree_on_port(env)), kTimeout);
    const auto comm =
        make_c10d_communicator(store, "all", {.rank = env.rank, .size = env.size});
    EXPECT_NO_THROW(comm->barrier()->wait());
  });
}

TEST(LaunchStoreMpTest, RanksAreClientsOfTheAgentBelowAPrefixOfTheirAttempt) {
  ::c10d::TCPStoreOptions options;
  options.port = 0;
  options.isServer = true;
  options.waitWorkers = false;
  const auto agent = c10::make_intrusive<::c10d::TCPStore>("127.0.0.1", options);
  for (const char* attempt : {"1", "2"}) {
    c10::intrusive_ptr<::c10d::Store> stores[2];
    const auto join = [&](int rank) {
      Launch launch = launch_of(rank, 2, agent->getPort());
      launch.agent_store = true;
      launch.restart_count = rank;  // as agents may that count differently
      stores[rank] = make_store(launch, kTimeout);
    };
    std::thread other([&] { join(1); });
    join(0);
    other.join();

    EXPECT_FALSE(stores[0]->check({"key"}));
    stores[1]->set("key", attempt);
    EXPECT_EQ(stores[0]->get_to_str("key"), attempt);
    EXPECT_TRUE(agent->check({c10::str("/attempt/", attempt, "//key")}));
  }
}

TEST(LaunchStoreMpTest, TakenPortIsNamedError) {
  const TakenPort port;
  EXPECT_EQ(failure_of<ConfigError>(launch_of(0, 2, port.number())),
            c10::str("MASTER_PORT is ", port.number(),
                     ", which is taken on this machine; allowed: a free port"));
}

TEST(LaunchStoreMpTest, AbsentHostIsNamedErrorAfterTimeout) {
  const int port = free_port();
  const std::string failure = failure_of<CommError>(launch_of(1, 2, port));
  const std::string words = c10::str(
      "rank 1 of 2 did not meet the others at 127.0.0.1:", port, " within 1500 ms: ");
  EXPECT_EQ(failure.substr(0, words.size()), words) << failure;
  EXPECT_EQ(failure.find('\n'), std::string::npos) << failure;
}

// The kernel accepts for it; nobody reads or writes.
TEST(LaunchStoreMpTest, HostThatNeverAnswersIsNamedErrorAfterTimeout) {
  const TakenPort port;
  const auto start = std::chrono::steady_clock::now();
  const std::string failure = failure_of<CommError>(launch_of(1, 2, port.number()));
  EXPECT_EQ(failure.substr(0, 25), "rank 1 of 2 did not meet ") << failure;
  // LibTorch's client connects once more after its first failure.
  EXPECT_LT(std::chrono::steady_clock::now() - start, 4 * kShort);
}

TEST(LaunchStoreMpTest, AbsentClientsAreNamedErrorAfterTimeout) {
  const std::string failure = failure_of<CommError>(launch_of(0, 2, free_port()));
  EXPECT_EQ(failure.substr(0, 11), "rank 0 of 2") << failure;
}

TEST(LaunchStoreMpTest, OneRankNeedsNoStore) {
  EXPECT_THROW((void)make_store(Launch(), kShort), c10::Error);
}

}  // namespace
}  // namespace shardopt::distributed
