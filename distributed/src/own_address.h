/// Where other machines reach this one.
#pragma once

#include <string>

namespace shardopt::distributed {

/// That of the first interface named by GLOO_SOCKET_IFNAME if it is set, else what this
/// machine's host name resolves to, else that of any interface that is up; IPv4, never
/// loopback. Throws CommError if there is none.
[[nodiscard]] std::string own_address();

}  // namespace shardopt::distributed
