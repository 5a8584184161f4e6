// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/softrdma/cm/id.h"

namespace softrdma::cm {

/// The life of a connection, message by message. All with the library's lock held, unless said otherwise.

/// Sends `i.own`, or a message without data. If the peer has gone, nothing happens: the engine notices it separately.
void say(id& i, const message& m);
void say(id& i, kind what);
void refuse(watched& to, std::uint16_t why, const void* data = nullptr, std::size_t size = 0);

/// Knocks at the destination with `i.own` and again while it is crowded. Posts REJECTED if there is no listener.
void ask(id& i);

/// Listens at the names that the id holds. False with errno.
bool open_door(id& i);
/// The application has taken one request: there is room for the next.
void request_taken(id& listener);

void set_timer(id& i, std::chrono::milliseconds from_now);
/// A goodbye was said: waits for the other side's.
void await_disconnected(id& i);
void enter_time_wait(id& i);
/// What the end of an id says to the other side.
void say_goodbye(id& i);

/// A device goes: its ids are told, their sockets closed. Takes the lock.
void lose_device(int device);

/// Gives a new connection's id to the application. False: there is no device for it any more. Takes the lock.
bool introduce(id& child, id& listener, channel& taken_from);
/// The active side's last word. False with errno. Takes the lock.
bool make_ready(id& i);

}  // namespace softrdma::cm
