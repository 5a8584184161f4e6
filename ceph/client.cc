// SPDX-License-Identifier: Apache-2.0
#include "ceph/client.h"

#include "ceph/client_cpus.h"
#include "core/log_event.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <thread>

namespace causeway::ceph {

namespace {

/// Whatever the configuration file says to other clients; only config_param, which speaks of this gateway, wins over
/// it.
const std::pair<const char*, const char*> always[] = {
    // Hosts outlive a gateway that ends, and believe what it acknowledged. A cache in its memory must not.
    {"rbd_cache", "false"},
    // An image's I/O is submitted by its main thread, not by one of two threads that all images of a client share.
    {"rbd_non_blocking_aio", "false"},
};

std::int64_t seconds_of(core::nanoseconds t) {
    return std::max<std::int64_t>(std::chrono::duration_cast<std::chrono::seconds>(t).count(), 1);
}

/// Replaces defaults of librados by ours. rados_conf_set() would make them overrides, which win over the configuration
/// file and over the monitors' database; "--default-…" is how Ceph's own daemons are given defaults that lose against
/// both.
void set_defaults(rados_t rados, const client_options& o) {
    const std::string words[] = {
        "causeway",  // the program's name, which is skipped
        "--default-client_mount_timeout=" + std::to_string(seconds_of(o.time_limit)),
        // librados blocks a thread that submits more than these, and thereby all images of the client: a hung OSD would
        // take reactors along. What an image may have under way is bounded in its own queue.
        "--default-objecter_inflight_ops=0",
        "--default-objecter_inflight_op_bytes=0",
        // No I/O waits for ever. Below the 30 s after which a Linux host drops the connection with all that is on it,
        // and far below the hour that a blocklist entry lasts: what a gateway that was cut off still has under way
        // never outlives its fence.
        "--default-rados_osd_op_timeout=" + std::to_string(seconds_of(client::operation_time_limit)),
        "--default-rados_mon_op_timeout=" + std::to_string(seconds_of(client::operation_time_limit)),
        // An update of the object map that was too late is tried again with the next write; the map is not wrong for
        // that.
        "--default-rbd_invalidate_object_map_on_timeout=false",
    };
    std::vector<const char*> argv;
    for (const std::string& word : words)
        argv.push_back(word.c_str());
    rados_conf_parse_argv(rados, static_cast<int>(argv.size()), argv.data());
}

std::string setting(rados_t rados, const char* key) {
    std::array<char, 64> value{};
    rados_conf_get(rados, key, value.data(), value.size());
    return value.data();
}

/// The sentence for an operator who has to find out why there is no connection.
tl::unexpected<core::error> connect_failure(int r, rados_t rados, const client_options& o) {
    const std::string user = "client." + (o.user_id.empty() ? "admin" : o.user_id);
    switch (-r) {
    case ETIMEDOUT:
        return core::fail(
            ETIMEDOUT,
            "no monitor of the Ceph cluster answered within " + setting(rados, "client_mount_timeout") + " s", user);
    case EACCES:
    case EPERM: return core::fail(-r, "the Ceph cluster does not accept the user's key", user);
    case ENOENT: return core::fail(ENOENT, "no keyring of the user was found, or no monitor is named", user);
    default: return core::fail(-r, "cannot connect to the Ceph cluster: " + std::string(std::strerror(-r)), user);
    }
}

std::atomic<std::uint64_t> last_id{0};

// The monitors' own default. The predecessor's process is gone, so nothing of it wakes up later; what its sockets have
// sent has arrived or is lost long before.
constexpr std::uint32_t predecessor_fence_seconds = 3600;
// Each takes a round of the monitors; so many are done in one.
constexpr std::size_t fenced_at_once = 16;

}  // namespace

client::client(client_environment environment, unsigned max_outstanding_ops)
    : environment_(std::move(environment)), id_(++last_id),
      operations_(environment_.operations ? environment_.operations
                                          : std::make_shared<outstanding_operations>(max_outstanding_ops)) {}

core::result<std::shared_ptr<client>> client::connect(const client_options& options, client_environment environment) {
    if (options.max_outstanding_ops < operation_share::floor)
        return core::fail(EINVAL,
                          "max_outstanding_ops is at least " + std::to_string(operation_share::floor) +
                              ", which one image may have outstanding in any case",
                          std::to_string(options.max_outstanding_ops));
    std::shared_ptr<client> c(new client(std::move(environment), options.max_outstanding_ops));
    c->time_limit_ = options.time_limit;
    if (options.core_mask.empty()) {
        c->cpus_ = cpus_beside(c->environment_.reactors);
    } else if (const auto cpus = cpus_from_mask(options.core_mask)) {
        c->cpus_ = *cpus;
    } else {
        return tl::make_unexpected(cpus.error());
    }

    const scoped_cpus here(c->cpus_);
    if (const auto configured = c->configure(options); !configured)
        return tl::make_unexpected(configured.error());
    if (const int r = rados_connect(c->rados_); r < 0)
        return connect_failure(r, c->rados_, options);

    std::array<char, 64> fsid{};
    if (const int r = rados_cluster_fsid(c->rados_, fsid.data(), fsid.size()); r < 0)
        return connect_failure(r, c->rados_, options);
    c->fsid_ = fsid.data();
    // Not before there is a connection: the monitors' database may have it, too.
    c->ends_hung_io_ = std::strtod(setting(c->rados_, "rados_osd_op_timeout").c_str(), nullptr) > 0;
    const auto watch_seconds = std::strtoul(setting(c->rados_, "osd_client_watch_timeout").c_str(), nullptr, 10);
    c->watch_timeout_ = std::chrono::seconds(std::max(watch_seconds, 1ul));
    c->read_addresses();
    if (c->environment_.file) {
        c->store_addresses();
        c->fence_predecessor();
    }
    return c;
}

core::result<> client::configure(const client_options& o) {
    if (o.user_id.starts_with("client."))
        return core::fail(EINVAL, "user_id is written without \"client.\"", o.user_id);
    // librados' own default is a user without a name, for which there is no keyring.
    if (const int r = rados_create(&rados_, o.user_id.empty() ? "admin" : o.user_id.c_str()); r < 0)
        return core::fail(-r, "librados refuses the user", o.user_id);

    set_defaults(rados_, o);
    if (o.read_config_file) {
        const char* file = o.config_file.empty() ? nullptr : o.config_file.c_str();
        if (const int r = rados_conf_read_file(rados_, file); r < 0 && file)
            return core::fail(-r, "cannot read the Ceph configuration file", o.config_file);
    }
    const auto set = [&](const std::string& key, const std::string& value) -> core::result<> {
        if (const int r = rados_conf_set(rados_, key.c_str(), value.c_str()); r < 0)
            return core::fail(EINVAL, "librados does not know this setting, or refuses its value", key);
        return {};
    };
    for (const auto& [key, value] : always)
        if (auto r = set(key, value); !r)
            return r;
    for (const auto& [key, value] : o.config_param)
        if (auto r = set(key, value); !r)
            return r;
    if (!o.key_file.empty())
        return set("keyring", o.key_file);
    return {};
}

void client::read_addresses() {
    char* text = nullptr;
    if (const int r = rados_getaddrs(rados_, &text); r < 0) {
        core::log::warning("client {}: its address is not known, so nobody can fence it: {}", id_, std::strerror(-r));
        return;
    }
    addresses_ = text;
    ::free(text);
}

/// Before it does anything else: a client that is not in the file is never fenced.
void client::store_addresses() {
    if (addresses_.empty())
        return;
    if (const auto kept = environment_.file->add({fsid_, addresses_}); !kept)
        core::log::warning(
            "{}: if this gateway dies, the next one cannot fence its Ceph clients, and hosts wait for the OSDs "
            "to miss them",
            kept.error().text());
}

/// One client of a cluster does it while the others wait: none may open an image before.
void client::fence_predecessor() {
    client_file& file = *environment_.file;
    if (!file.had_predecessors(fsid_))
        return;
    const std::lock_guard one_at_a_time(file.fencing(fsid_));
    const auto dead = file.predecessors(fsid_);
    for (std::size_t begin = 0; begin < dead.size(); begin += fenced_at_once) {
        std::vector<std::thread> threads;
        for (std::size_t i = begin; i < std::min(begin + fenced_at_once, dead.size()); ++i)
            threads.emplace_back([this, &address = dead[i]] { fence(address); });
        for (auto& t : threads)
            t.join();
    }
    // The one that fenced them knows the map that says so. This makes it known to this one, too.
    rados_wait_for_latest_osdmap(rados_);
}

void client::fence(const std::string& address) {
    std::string text = address;
    const int r = rados_blocklist_add(rados_, text.data(), predecessor_fence_seconds);
    if (r < 0) {
        core::log::report(
            core::log::event::predecessor_not_fenced, {{"client", address}},
            "{}: cannot put a dead predecessor of this gateway on the blocklist: {}. First writes wait until the "
            "OSDs have missed it. Does the user have the monitors' \"profile rbd\"?",
            address, std::strerror(-r));
        return;
    }
    core::log::notice("{}: a dead predecessor of this gateway is on the blocklist", address);
    if (const auto gone = environment_.file->fenced({fsid_, address}); !gone)
        core::log::warning("{}", gone.error().text());
}

std::vector<std::string> client::fenced_predecessors() const {
    return environment_.file ? environment_.file->fenced_predecessors(fsid_) : std::vector<std::string>();
}

std::uint64_t client::capacity() const noexcept {
    const scoped_cpus here(cpus_);
    rados_cluster_stat_t stat{};
    return rados_cluster_stat(rados_, &stat) < 0 ? 0 : stat.kb << 10;
}

client::~client() {
    if (rados_)
        rados_shutdown(rados_);  // one that has never connected, too: it frees the handle
    if (environment_.file && !addresses_.empty())
        environment_.file->remove({fsid_, addresses_});
}

}  // namespace causeway::ceph
