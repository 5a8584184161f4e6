// SPDX-License-Identifier: Apache-2.0
#include "bdev_rbd/testing/ceph_fixture.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sys/wait.h>
#include <unistd.h>

namespace causeway::bdev_rbd {

namespace {
/// tests/ceph/test_rbd_device.py sets what the tests need.
const char* needed(const char* variable) {
    const char* const value = std::getenv(variable);
    if (!value) {
        std::fprintf(stderr, "%s is not set: run tests/ceph/test_rbd_device.py\n", variable);
        std::exit(2);
    }
    return value;
}
}  // namespace

std::string ceph_conf() {
    return needed("CEPH_CONF");
}

std::string tool(const std::string& command_line) {
    // The tools are not built with our sanitizers; what is preloaded for us is not for them.
    FILE* pipe = ::popen(("env -u LD_PRELOAD " + command_line + " 2>&1").c_str(), "r");
    std::string output;
    std::array<char, 4096> buffer;
    while (const auto n = std::fread(buffer.data(), 1, buffer.size(), pipe))
        output.append(buffer.data(), n);
    const int status = ::pclose(pipe);
    EXPECT_EQ(status, 0) << command_line << "\n" << output;
    return output;
}

test_image::test_image(std::string name, const std::string& size, const std::string& more) : name_(std::move(name)) {
    tool("rbd create rbd/" + name_ + " --size " + size + " " + more);
}

namespace {
std::vector<std::string> to_be_removed;
}

test_image::~test_image() {
    to_be_removed.push_back(name_);
}

bytes test_image::content() const {
    char path[] = "/tmp/rbd_content_XXXXXX";
    ::close(::mkstemp(path));
    tool("rm -f " + std::string(path) + "; rbd export --no-progress rbd/" + name_ + " " + path);
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    bytes all(static_cast<std::size_t>(file.tellg()));
    file.seekg(0);
    file.read(reinterpret_cast<char*>(all.data()), static_cast<std::streamsize>(all.size()));
    ::unlink(path);
    return all;
}

namespace {
/// A signal stops each thread when it gets to it.
bool all_stopped(int pid) {
    for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
        std::string state;
        std::getline(std::ifstream(task.path() / "stat"), state);
        if (const auto at = state.rfind(") "); at == std::string::npos || state[at + 2] != 'T')
            return false;
    }
    return true;
}
}  // namespace

stopped_osd::stopped_osd() : pid_(std::atoi(needed("OSD_PID"))) {
    ::kill(pid_, SIGSTOP);
    EXPECT_TRUE(eventually([this] { return all_stopped(pid_); }));
}

void stopped_osd::resume() {
    if (pid_)
        ::kill(std::exchange(pid_, 0), SIGCONT);
}

CephTest::CephTest(core::placement_policy policy)
    : group_({0, 1}, clock_, pool_), registry_(group_), clusters_(group_), homes_(group_, policy),
      disks_(registry_, clusters_, homes_) {
    ceph_conf();
    for (const auto& r : group_)
        threads_.emplace_back([&r] { r->run(); });
}

CephTest::~CephTest() {
    std::vector<std::string> names;
    on_control([&] {
        for (const auto& d : registry_.all())
            names.push_back(d->name());
    });
    for (const auto& name : names)
        EXPECT_TRUE(run(registry_.remove(name)));
    std::vector<ceph::clusters::view> views;
    on_control([&] { views = clusters_.all(); });
    for (const auto& v : views)
        EXPECT_TRUE(run(clusters_.remove(v.name)));
    for (const auto& r : group_)
        r->stop();
    for (auto& t : threads_)
        t.join();
    for (const auto& name : std::exchange(to_be_removed, {}))
        tool("rbd rm --no-progress rbd/" + name);
}

void CephTest::on(core::reactor& r, std::function<void()> f) {
    std::promise<void> done;
    r.execute([&] {
        f();
        done.set_value();
    });
    done.get_future().wait();
}

ceph::client_options CephTest::options() const {
    ceph::client_options o;
    o.config_file = ceph_conf();
    return o;
}

disk_params CephTest::params(const test_image& image, std::string name) const {
    disk_params p;
    p.name = std::move(name);
    p.image = image.spec();
    p.cluster_name = "shared";
    return p;
}

std::shared_ptr<rbd_device> CephTest::open(disk_params p) {
    if (p.cluster_name == "shared" && !std::exchange(shared_, true)) {
        const auto r = run(clusters_.add("shared", options()));
        EXPECT_TRUE(r) << r.error().text();
    }
    const auto d = run(disks_.create(std::move(p)));
    if (!d) {
        ADD_FAILURE() << d.error().text();
        return nullptr;
    }
    return *d;
}

std::shared_ptr<bdev::memory_device> CephTest::memory(core::reactor& home, std::uint64_t blocks) {
    bdev::device_geometry g;
    g.block_size = 512;
    g.blocks = blocks;
    auto d = bdev::memory_device::create(home, "memory", g, bdev::random_uuid());
    return *d;
}

nvme::status CephTest::io(bdev::device& d, core::reactor& from, request r, std::vector<iovec> data,
                          std::vector<iovec> write_data) {
    std::promise<void> ended;
    bdev::io i;
    i.operation = r.operation;
    i.offset_blocks = r.offset_blocks;
    i.length_blocks = r.length_blocks;
    i.force_unit_access = r.force_unit_access;
    i.data = data;
    i.write_data = write_data;
    i.context = &ended;
    i.done = [](bdev::io& i) noexcept {
        EXPECT_EQ(core::reactor::current(), i.origin);
        static_cast<std::promise<void>*>(i.context)->set_value();
    };
    from.execute([&] { d.start(i); });
    ended.get_future().wait();
    return i.status;
}

nvme::status CephTest::read(bdev::device& d, core::reactor& from, std::uint64_t offset, bytes& into) {
    return io(d, from, {bdev::op::read, offset, into.size() / d.geometry().block_size}, scattered(into));
}

nvme::status CephTest::write(bdev::device& d, core::reactor& from, std::uint64_t offset, const bytes& from_bytes,
                             bool force_unit_access) {
    bytes copy = from_bytes;
    return io(d, from, {bdev::op::write, offset, copy.size() / d.geometry().block_size, force_unit_access},
              scattered(copy));
}

load::load(bdev::device& d, core::reactor& from, bdev::op operation, unsigned depth, std::uint32_t block_count)
    : device_(d), from_(from), operation_(operation), block_count_(block_count) {
    for (unsigned n = 0; n < depth; ++n) {
        auto s = std::make_unique<slot>();
        s->owner = this;
        s->memory.resize(std::size_t{block_count} * d.geometry().block_size);
        s->vector = {s->memory.data(), s->memory.size()};
        slots_.push_back(std::move(s));
    }
    from_.execute([this] {
        last_ = steady::now();
        for (auto& s : slots_)
            issue(*s);
    });
}

void load::issue(slot& s) {
    s.io.operation = operation_;
    s.io.offset_blocks = next_block_;
    s.io.length_blocks = block_count_;
    s.io.data = {&s.vector, 1};
    s.io.context = &s;
    s.io.done = [](bdev::io& i) noexcept {
        auto& s = *static_cast<slot*>(i.context);
        s.owner->ended(s);
    };
    next_block_ = (next_block_ + block_count_) % (device_.blocks() / block_count_ * block_count_);
    started_.fetch_add(1);
    device_.start(s.io);
}

void load::ended(slot& s) {
    const auto now = steady::now();
    longest_gap_ = std::max<std::int64_t>(longest_gap_, (now - last_).count());
    last_ = now;
    done_.fetch_add(1);
    if (!s.io.status.ok())
        failed_.fetch_add(1);
    if (stopping_) {
        retired_.fetch_add(1);
        return;
    }
    // A turn later: a device that ends its I/O at once would never release the reactor.
    s.io.handle = [](core::message& m) noexcept {
        auto& s = *static_cast<slot*>(static_cast<bdev::io&>(m).context);
        s.owner->issue(s);
    };
    from_.post(s.io);
}

void load::stop() {
    stopping_ = true;
    while (retired_ < slots_.size())
        std::this_thread::sleep_for(1ms);
}

bytes pattern(std::size_t size, unsigned seed) {
    bytes b(size);
    std::uint32_t x = seed * 2654435761u + 1;
    for (auto& byte : b) {
        x = x * 1664525 + 1013904223;
        byte = static_cast<std::byte>(x >> 24);
    }
    return b;
}

std::vector<iovec> scattered(bytes& memory, std::size_t piece) {
    std::vector<iovec> v;
    for (std::size_t at = 0; at < memory.size(); at += piece)
        v.push_back({memory.data() + at, std::min(piece, memory.size() - at)});
    return v;
}

bool eventually(const std::function<bool()>& so, steady::duration limit) {
    const auto end = steady::now() + limit;
    while (!so()) {
        if (steady::now() > end)
            return false;
        std::this_thread::sleep_for(5ms);
    }
    return true;
}

}  // namespace causeway::bdev_rbd
