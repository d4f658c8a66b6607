#include "own_address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <sstream>
#include <string_view>

#include "shardopt/core/error.h"

namespace shardopt::distributed {
namespace {

// "" for what is no IPv4 address, or loopback.
std::string text_of(const sockaddr* address) {
  if (address == nullptr || address->sa_family != AF_INET) return "";
  const auto* ipv4 = reinterpret_cast<const sockaddr_in*>(address);
  char text[INET_ADDRSTRLEN] = "";
  inet_ntop(AF_INET, &ipv4->sin_addr, text, sizeof text);
  const bool is_loopback = std::string_view(text).starts_with("127.");
  return is_loopback ? "" : text;
}

std::string address_of_host_name() {
  char name[256] = "";
  if (gethostname(name, sizeof name - 1) != 0) return "";
  addrinfo hints{};
  hints.ai_family = AF_INET;
  addrinfo* found = nullptr;
  if (getaddrinfo(name, nullptr, &hints, &found) != 0) return "";
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  return found == nullptr ? "" : text_of(found->ai_addr);
}

// Of the interface of this name, or of any if it is empty.
std::string address_of_interface(std::string_view name) {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return "";
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(all, freeifaddrs);
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    const bool is_up = (one->ifa_flags & IFF_UP) != 0;
    const bool is_named = name.empty() || name == one->ifa_name;
    const std::string text = is_up && is_named ? text_of(one->ifa_addr) : "";
    if (!text.empty()) return text;
  }
  return "";
}

}  // namespace

void check_interfaces() {
  const char* names = std::getenv("GLOO_SOCKET_IFNAME");
  std::istringstream list(names == nullptr ? "" : names);
  for (std::string name; std::getline(list, name, ',');) {
    if (if_nametoindex(name.c_str()) != 0) continue;
    std::string known;
    struct if_nameindex* all = if_nameindex();
    for (auto* one = all; one != nullptr && one->if_index != 0; ++one) {
      known += c10::str(known.empty() ? "" : ", ", one->if_name);
    }
    if (all != nullptr) if_freenameindex(all);
    SHARDOPT_THROW(ConfigError, "GLOO_SOCKET_IFNAME is '", names,
                   "'; allowed: interfaces of this machine: ", known);
  }
}

std::string own_address() {
  check_interfaces();
  const char* interfaces = std::getenv("GLOO_SOCKET_IFNAME");
  std::string_view first = interfaces == nullptr ? "" : interfaces;
  first = first.substr(0, first.find(','));
  std::string address = first.empty() ? address_of_host_name() : "";
  if (address.empty()) address = address_of_interface(first);
  if (!address.empty()) return address;
  SHARDOPT_THROW(CommError, "this machine has no address for other machines",
                 first.empty() ? "" : " on the interface of GLOO_SOCKET_IFNAME");
}

}  // namespace shardopt::distributed
