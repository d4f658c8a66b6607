/// Where other machines reach this one.
#pragma once

#include <string>

namespace shardopt::distributed {

/// Throws ConfigError, naming those that there are, if GLOO_SOCKET_IFNAME names an
/// interface that this machine does not have: Gloo's own message says neither.
void check_interfaces();

/// That of the first interface named by GLOO_SOCKET_IFNAME if it is set, else what this
/// machine's host name resolves to, else that of any interface that is up; IPv4, never
/// loopback. Throws CommError if there is none.
[[nodiscard]] std::string own_address();

}  // namespace shardopt::distributed
