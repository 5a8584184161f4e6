// SPDX-License-Identifier: Apache-2.0
#include "tests/softrdma/cm/link.h"

#include "tests/softrdma/cm/names.h"
#include "tests/softrdma/settings.h"

#include <cstring>
#include <sys/epoll.h>

namespace softrdma::cm {

using namespace std::chrono_literals;

namespace {

// After it has said that it needs time: what InfiniBand's message of that kind asks for at most.
constexpr auto long_patience = 90s;
constexpr auto disconnect_patience = 5s;
constexpr auto crowd_check = 50ms;
// Packets do not linger here. It is only long enough for an event that is one of its own.
constexpr auto time_wait = 10ms;

std::chrono::milliseconds patience() {
    static const int ms = std::atoi(setting("SOFTRDMA_CM_PATIENCE_MS", "20000").c_str());
    return std::chrono::milliseconds(ms);
}

message reject_for(std::uint16_t why) {
    message m;
    m.what = kind::reject;
    m.why = why;
    return m;
}

void end_refused(id& i, const message& m) {
    i.at = state::over;
    ++i.timer;
    i.link.close();
    post(i, RDMA_CM_EVENT_REJECTED, m.why, &m, reject_data);
}

void end_disconnected(id& i, int status = 0) {
    ++the_library().count.disconnected;
    post(i, RDMA_CM_EVENT_DISCONNECTED, status);
}

void refused(id& i, const message& m) {
    switch (i.at) {
    case state::request_sent:
    case state::reply_received:
    case state::request_received:
    case state::reply_sent: end_refused(i, m); break;
    case state::established:
        i.at = state::disconnect_received;
        end_disconnected(i);
        break;
    default: break;
    }
}

void disconnect_asked(id& i) {
    switch (i.at) {
    case state::reply_sent:
    case state::established:
        i.at = state::disconnect_received;
        end_disconnected(i);
        break;
    case state::disconnect_sent:  // both at once
        say(i, kind::disconnected);
        end_disconnected(i);
        enter_time_wait(i);
        break;
    default: break;
    }
}

void receive(id& i, const message& m) {
    switch (m.what) {
    case kind::more_time:
        if (i.at == state::request_sent)
            set_timer(i, long_patience);
        break;
    case kind::reply:
        if (i.at != state::request_sent)
            break;
        i.at = state::reply_received;
        i.peer = m;
        ++i.timer;
        post(i, RDMA_CM_EVENT_CONNECT_RESPONSE, 0, &m, reply_data);
        break;
    case kind::ready:
        if (i.at != state::reply_sent)
            break;
        i.at = state::established;
        ++i.timer;
        ++the_library().count.established;
        post(i, RDMA_CM_EVENT_ESTABLISHED);
        break;
    case kind::reject: refused(i, m); break;
    case kind::disconnect: disconnect_asked(i); break;
    case kind::disconnected:
        if (i.at != state::disconnect_sent)
            break;
        end_disconnected(i);
        enter_time_wait(i);
        break;
    case kind::request: break;
    }
}

/// A process that ends says nothing. The kernel would say for it what the end of each id says.
void hung_up(id& i) {
    switch (i.at) {
    case state::request_sent:
    case state::reply_received: refused(i, reject_for(reason::consumer)); break;
    case state::request_received:
    case state::reply_sent: refused(i, reject_for(reason::timeout)); break;
    case state::established: disconnect_asked(i); break;
    case state::disconnect_sent:
        end_disconnected(i);
        enter_time_wait(i);
        break;
    default: break;
    }
    i.link.close();
}

enum class heard { message, nothing, end };

heard listen_to(const watched& socket, message& out) {
    for (int attempt = 0; attempt < 3; ++attempt) {
        const ssize_t n = ::recv(socket.fd(), &out, sizeof out, MSG_DONTWAIT | MSG_TRUNC);
        if (n < 0 && errno == EAGAIN)
            return heard::nothing;
        // The other side has left something unread. What it sent before comes with the next read.
        if (n < 0 && (errno == ECONNRESET || errno == EINTR))
            continue;
        const bool good = n == static_cast<ssize_t>(sizeof out) && out.magic == message_magic &&
                          out.what >= kind::request && out.what <= kind::disconnected && out.data_size <= reply_data;
        return good ? heard::message : heard::end;
    }
    return heard::end;
}

void link_ready(id& i) {
    while (i.link) {
        message m;
        switch (listen_to(i.link, m)) {
        case heard::message: receive(i, m); break;
        case heard::nothing: return;
        case heard::end: hung_up(i); return;
        }
    }
}

void watch_link(id& i) {
    i.link.watch([serial = i.serial](std::uint32_t) {
        if (id* const found = the_library().find(serial))
            link_ready(*found);
    });
}

void expired(id& i) {
    switch (i.at) {
    case state::request_sent:
        if (!i.link && engine::clock::now() < i.give_up)
            return ask(i);
        [[fallthrough]];
    case state::reply_sent:
        refuse(i.link, reason::timeout);
        i.link.close();
        i.at = state::over;
        post(i, RDMA_CM_EVENT_UNREACHABLE, -ETIMEDOUT);
        break;
    case state::disconnect_sent:
        end_disconnected(i, -ETIMEDOUT);
        enter_time_wait(i);
        break;
    case state::time_wait:
        i.at = state::over;
        post(i, RDMA_CM_EVENT_TIMEWAIT_EXIT);
        break;
    default: break;
    }
}

/// A knock becomes a connection of its own, and an event of the listener.
void admit(id& listener, knock& k) {
    const message& request = *k.request;
    const int device = devices::of(reinterpret_cast<const sockaddr&>(request.to));
    if (device < 0) {
        refuse(k.socket, reason::no_such_service);
        return;
    }
    id& child = *make_id(listener.ps, static_cast<ibv_qp_type>(request.qp_type), nullptr);
    child.at = state::request_received;
    child.deaf = true;
    child.events = listener.events;
    child.device = device;
    child.tos = listener.tos;
    child.ack_timeout = listener.ack_timeout;
    child.route.addr.src_storage = request.to;
    child.route.addr.dst_storage = request.from;
    child.peer = request;
    child.responder_resources = request.initiator_depth;
    child.initiator_depth = request.responder_resources;
    child.link = std::move(k.socket);
    watch_link(child);
    say(child, kind::more_time);

    cm_event* const e = make_event(child, RDMA_CM_EVENT_CONNECT_REQUEST, 0, &request, request_data);
    e->counted = &listener;
    e->listen_id = &listener;
    ++listener.untaken;
    push(*listener.events, e);
}

/// Who has given up, or gone, has said so behind its request; its turn to be heard is still to come.
bool still_asks(const watched& socket) {
    char first;
    return ::recv(socket.fd(), &first, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

void admit_while_room(id& listener) {
    for (auto k = listener.knocks.begin(); k != listener.knocks.end() && listener.untaken < listener.backlog;) {
        if (k->request && still_asks(k->socket)) {
            admit(listener, *k);
            k = listener.knocks.erase(k);
        } else {
            ++k;
        }
    }
}

bool is_request(const message& m) {
    return m.what == kind::request && is_ip(reinterpret_cast<const sockaddr&>(m.from)) &&
           is_ip(reinterpret_cast<const sockaddr&>(m.to));
}

void knock_ready(id& listener, knock& k) {
    message m;
    const heard h = listen_to(k.socket, m);
    if (h == heard::nothing)
        return;
    if (h == heard::message && !k.request && is_request(m)) {
        k.request = m;
        admit_while_room(listener);
        return;
    }
    listener.knocks.remove_if([&](const knock& other) { return &other == &k; });
}

void door_ready(id& listener, int door) {
    for (;;) {
        const int fd = ::accept4(door, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        knock& k = listener.knocks.emplace_back(knock{watched(fd), std::nullopt});
        k.socket.watch([serial = listener.serial, &k](std::uint32_t) {
            if (id* const found = the_library().find(serial))
                knock_ready(*found, k);
        });
    }
}

}  // namespace

void say(id& i, const message& m) {
    if (i.link)
        ::send(i.link.fd(), &m, sizeof m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void say(id& i, kind what) {
    message m;
    m.what = what;
    say(i, m);
}

void refuse(watched& to, std::uint16_t why, const void* data, std::size_t size) {
    message m = reject_for(why);
    m.data_size = static_cast<std::uint16_t>(size);
    if (size != 0)
        std::memcpy(m.data.data(), data, size);
    if (to)
        ::send(to.fd(), &m, sizeof m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void ask(id& i) {
    if (i.at != state::request_sent) {
        i.at = state::request_sent;
        i.give_up = engine::clock::now() + patience();
    }
    sockaddr_storage any = any_of(i.destination().sa_family);
    set_port(reinterpret_cast<sockaddr&>(any), port_of(i.destination()));
    for (const sockaddr* name : {&i.destination(), static_cast<const sockaddr*>(reinterpret_cast<sockaddr*>(&any))}) {
        const int fd = reach_name(i.ps, *name);
        if (fd >= 0) {
            i.link = watched(fd);
            say(i, i.own);
            set_timer(i, std::chrono::ceil<std::chrono::milliseconds>(i.give_up - engine::clock::now()));
            watch_link(i);
            return;
        }
        if (errno != ECONNREFUSED)  // too many wait there, or this process has no descriptor left
            return set_timer(i, crowd_check);
    }
    end_refused(i, reject_for(reason::no_such_service));
}

bool open_door(id& i) {
    // As many as the system allows: the application's own limit is counted later, by requests and not by sockets.
    constexpr int most = 4096;
    for (const watched& name : i.names)
        if (::listen(name.fd(), most) != 0)
            return false;
    for (watched& name : i.names)
        name.watch([serial = i.serial, door = name.fd()](std::uint32_t) {
            if (id* const found = the_library().find(serial))
                door_ready(*found, door);
        });
    return true;
}

void request_taken(id& listener) {
    --listener.untaken;
    admit_while_room(listener);
}

void set_timer(id& i, std::chrono::milliseconds from_now) {
    the_library().background.call_at(engine::clock::now() + from_now, [serial = i.serial, mine = ++i.timer] {
        id* const found = the_library().find(serial);
        if (found && found->timer == mine)
            expired(*found);
    });
}

void await_disconnected(id& i) {
    i.at = state::disconnect_sent;
    set_timer(i, disconnect_patience);
}

void enter_time_wait(id& i) {
    i.at = state::time_wait;
    i.link.close();
    set_timer(i, time_wait);
}

void say_goodbye(id& i) {
    switch (i.at) {
    case state::request_sent:
    case state::reply_sent: refuse(i.link, reason::timeout); break;
    case state::reply_received:
    case state::request_received: refuse(i.link, reason::consumer); break;
    case state::established: say(i, kind::disconnect); break;
    case state::disconnect_received: say(i, kind::disconnected); break;
    default: break;
    }
    i.link.close();
}

void lose_device(int device) {
    locked l = lock_library();
    for (const auto& [serial, i] : the_library().ids) {
        if (i->device != device || i->at == state::idle)
            continue;
        i->names.clear();
        i->knocks.clear();
        i->link.close();
        i->at = state::over;
        ++i->timer;
        post(*i, RDMA_CM_EVENT_DEVICE_REMOVAL);
    }
}

bool introduce(id& child, id& listener, channel& taken_from) {
    child.context = listener.context;
    const bool placed = put_on_device(child, child.device);
    locked l = lock_library();
    channel* const own = listener.synchronous ? make_channel() : nullptr;
    if (!placed || (listener.synchronous && !own)) {
        child.events = &taken_from;
        retire(child, l);
        return false;
    }
    child.synchronous = own != nullptr;
    child.events = own ? own : &taken_from;
    child.channel = child.events;
    return true;
}

bool make_ready(id& i) {
    locked l = lock_library();
    if (i.at != state::reply_received) {
        errno = EINVAL;
        return false;
    }
    i.at = state::established;
    ++the_library().count.established;
    say(i, kind::ready);
    return true;
}

}  // namespace softrdma::cm
