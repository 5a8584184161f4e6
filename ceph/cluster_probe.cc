// SPDX-License-Identifier: Apache-2.0
#include "ceph/cluster_probe.h"

#include <array>
#include <condition_variable>
#include <cstring>
#include <fmt/format.h>
#include <mutex>
#include <thread>

namespace causeway::ceph {

namespace {

/// The report that a thread fills, and that its reader may take before it is complete.
struct shared_report {
    std::mutex mutex;
    std::condition_variable changed;
    cluster_report report;
};

using io_context = std::unique_ptr<void, decltype(&rados_ioctx_destroy)>;

constexpr const char* absent_object = "causeway_doctor.absent";

core::result<> outcome(int r) {
    if (r < 0 && r != -ENOENT)
        return core::fail_errno(-r);
    return {};
}

core::result<std::string> ask_monitors(rados_t rados, const std::string& command) {
    const char* words[] = {command.c_str()};
    char *out = nullptr, *status = nullptr;
    std::size_t out_size = 0, status_size = 0;
    const int r = rados_mon_command(rados, words, 1, nullptr, 0, &out, &out_size, &status, &status_size);
    std::string text(out ? out : "", out ? out_size : 0);
    rados_buffer_free(out);
    rados_buffer_free(status);
    if (r < 0)
        return core::fail_errno(-r);
    return text;
}

core::result<> try_to_read(rados_ioctx_t io) {
    std::uint64_t size = 0;
    std::time_t time = 0;
    return outcome(rados_stat(io, "rbd_directory", &size, &time));
}

core::result<> try_to_write(rados_ioctx_t io) {
    rados_write_op_t op = rados_create_write_op();
    rados_write_op_assert_exists(op);
    rados_write_op_remove(op);
    const int r = rados_write_op_operate(op, io, absent_object, nullptr, 0);
    rados_release_write_op(op);
    return outcome(r);
}

/// `rbd_id.NAME` has the image's id behind its length; `features` of `rbd_header.ID` is a number.
core::result<std::uint64_t> read_features(rados_ioctx_t io, const std::string& image) {
    std::array<char, 256> id{};
    const int read = rados_read(io, ("rbd_id." + image).c_str(), id.data(), id.size(), 0);
    if (read == -ENOENT)
        return core::fail(ENOENT, "there is no such image, or it has the format 1 of old", image);
    constexpr int length_bytes = 4;
    if (read < length_bytes)
        return core::fail_errno(read < 0 ? -read : EPROTO, image);
    const std::string header =
        "rbd_header." + std::string(id.data() + length_bytes, static_cast<std::size_t>(read - length_bytes));

    const char* key = "features";
    const std::size_t key_size = std::strlen(key);
    rados_read_op_t op = rados_create_read_op();
    rados_omap_iter_t values = nullptr;
    int inner = 0;
    rados_read_op_omap_get_vals_by_keys2(op, &key, 1, &key_size, &values, &inner);
    const int r = rados_read_op_operate(op, io, header.c_str(), 0);
    char *found = nullptr, *value = nullptr;
    std::size_t found_size = 0, value_size = 0;
    if (r >= 0 && inner >= 0)
        rados_omap_get_next2(values, &found, &value, &found_size, &value_size);
    std::uint64_t features = 0;
    const bool is_there = value && value_size == sizeof features;
    if (is_there)
        std::memcpy(&features, value, sizeof features);  // little endian, as the machines that this runs on
    if (values)
        rados_omap_get_end(values);
    rados_release_read_op(op);
    if (!is_there)
        return core::fail_errno(r < 0 ? -r : EPROTO, image);
    return features;
}

client_options limited(const probe_options& o) {
    client_options c = o.client;
    const std::string seconds = std::to_string(std::max<std::chrono::seconds::rep>(1, o.time_limit.count() * 2 / 3));
    for (const char* limit : {"client_mount_timeout", "rados_mon_op_timeout", "rados_osd_op_timeout"})
        c.config_param.try_emplace(limit, seconds);
    return c;
}

/// Asks one question after the other; each answer is in the report at once.
class prober {
  public:
    prober(probe_options o, shared_report& to) : options_(std::move(o)), to_(to) {}

    void run() {
        ask_as_client();
        // Not before the client is closed: who reads the report may end the process, and librados must not be within
        // it then.
        answer([](cluster_report& r) { r.in_time = true; });
    }

  private:
    template <class F>
    void answer(F f) {
        const std::lock_guard lock(to_.mutex);
        f(to_.report);
        to_.changed.notify_all();
    }
    void begin(const char* step) {
        answer([&](cluster_report& r) { r.step = step; });
    }

    void ask_as_client() {
        const auto connected = client::connect(limited(options_), {});
        const bool is_connected = connected.has_value();
        answer([&](cluster_report& r) {
            if (is_connected)
                r.fsid = core::result<std::string>((*connected)->fsid());
            else
                r.fsid = core::result<std::string>(tl::make_unexpected(connected.error()));
        });
        if (!is_connected)
            return;
        ask((*connected)->handle());
        begin(closing_step);
    }

    void ask(rados_t rados) {
        begin("asking the monitors");
        const std::string user = options_.client.user_id.empty() ? "admin" : options_.client.user_id;
        auto caps = ask_monitors(
            rados, fmt::format(R"({{"prefix": "auth get", "entity": "client.{}", "format": "json"}})", user));
        answer([&](cluster_report& r) { r.caps = std::move(caps); });
        auto dump = ask_monitors(rados, R"({"prefix": "osd dump", "format": "json"})");
        answer([&](cluster_report& r) { r.osd_dump = std::move(dump); });
        if (!options_.pool.empty())
            ask_pool(rados);
    }

    void ask_pool(rados_t rados) {
        rados_ioctx_t raw = nullptr;
        const int opened = rados_ioctx_create(rados, options_.pool.c_str(), &raw);
        answer([&](cluster_report& r) {
            r.pool = opened < 0 ? core::result<>(core::fail_errno(-opened, options_.pool)) : core::result<>();
        });
        if (opened < 0)
            return;
        const io_context io(raw, &rados_ioctx_destroy);
        begin("reading from the pool");
        const auto readable = try_to_read(raw);
        answer([&](cluster_report& r) { r.readable = readable; });
        begin("writing to the pool");
        const auto writable = try_to_write(raw);
        answer([&](cluster_report& r) { r.writable = writable; });
        if (options_.image.empty())
            return;
        begin("reading the image's header");
        const auto features = read_features(raw, options_.image);
        answer([&](cluster_report& r) { r.image_features = features; });
    }

    const probe_options options_;
    shared_report& to_;
};

}  // namespace

cluster_report probe_cluster(const probe_options& options) {
    const auto shared = std::make_shared<shared_report>();
    std::thread([options, shared] { prober(options, *shared).run(); }).detach();
    std::unique_lock lock(shared->mutex);
    shared->changed.wait_for(lock, options.time_limit, [&] { return shared->report.in_time; });
    return shared->report;
}

}  // namespace causeway::ceph
