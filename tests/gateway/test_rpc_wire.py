# SPDX-License-Identifier: Apache-2.0
"""JSON-RPC on the wire, as existing clients rely on it."""

import json

import pytest
from daemon import RpcError


def request(method, id=1, **more):
    return json.dumps({"jsonrpc": "2.0", "id": id, "method": method, **more})


def code_of(client, text):
    client.send(text)
    return client.receive()["error"]["code"]


def test_the_methods_are_listed(client):
    methods = client.call("rpc_get_methods")
    assert methods == sorted(methods)
    for expected in ("spdk_get_version", "framework_get_reactors", "framework_get_config", "thread_get_stats",
                     "log_set_flag", "bdev_get_bdevs", "bdev_get_iostat", "bdev_rbd_create", "bdev_null_create",
                     "nvmf_create_transport", "nvmf_create_subsystem", "nvmf_subsystem_add_ns",
                     "nvmf_subsystem_add_listener", "nvmf_subsystem_get_qpairs", "nvmf_get_stats"):
        assert expected in methods
    assert len(methods) == len(set(methods))


def test_every_listed_method_exists(client):
    """Each method is called with a parameter that no method has: the error must not be 'Method not found'."""
    for method in [m["name"] for m in client.call("rpc_get_method_help") if m["group"] != "no_effect"]:
        with pytest.raises(RpcError) as refused:
            client.call(method, {"no such parameter": 1})
        assert refused.value.code in (-32602, -1), (method, refused.value)


@pytest.mark.parametrize("text, code", [
    (request("no_such_method"), -32601),
    (request("nvmf_set_crdt"), -1),
    (request("spdk_get_version", params={}), -32602),
    (request("spdk_get_version", params=[]), -32602),
    (request("framework_get_config"), -32602),
    (request("framework_get_config", params={"name": 1}), -32602),
    (request("framework_get_config", params=["bdev"]), -32602),
    (request("framework_get_config", params={"name": "bdev", "x": 1}), -32602),
    ('{"id": 1, "method": "framework_get_config", "params": {"name": "bdev", "name": "nvmf"}}', -32602),
    (request("nvmf_subsystem_remove_ns", params={"nqn": "a", "nsid": "1"}), -32602),
    (request("spdk_get_version", params=1), -32600),
    (request("spdk_get_version", more=1), -32600),
    (request("spdk_get_version", id={}), -32600),
    ('{"jsonrpc": "1.0", "id": 1, "method": "spdk_get_version"}', -32600),
    ('{"id": 1}', -32600),
    ("[]", -32600),
    ("1 ", -32600),
    ('"text"', -32600),
    (request("nvmf_get_subsystems", params={"nqn": "nqn.none"}), -19),
])
def test_errors_have_their_codes(client, text, code):
    assert code_of(client, text) == code
    assert client.call("spdk_get_version"), "and the connection lives on"


@pytest.mark.parametrize("text", ["hello", "{]", '{"id": 1,}', '{"id": "\x01"}', b'{"id": "\xff"}', "[" * 70])
def test_invalid_json_ends_the_connection(client, text):
    assert code_of(client, text) == -32700
    assert client.receive() is None


def test_a_request_of_256_kib_is_accepted(client):
    text = request("spdk_get_version")
    client.send(text[:-1] + " " * ((256 << 10) - len(text)) + "}")
    assert "result" in client.receive()


def test_a_longer_request_is_refused(client):
    text = request("spdk_get_version")
    assert code_of(client, text[:-1] + " " * ((256 << 10) - len(text) + 1) + "}") == -32600
    assert client.receive() is None


def test_ids_are_returned_unchanged(client):
    for id in (0, -7, 2**53, "text", "", None):
        client.send(request("spdk_get_version", id=id))
        assert client.receive()["id"] == id


def test_a_notification_is_answered_only_with_an_error(client):
    client.send('{"method": "spdk_get_version"}{"method": "nothing"}')
    answer = client.receive()
    assert (answer["id"], answer["error"]["code"]) == (None, -32601)


def test_pipelined_requests_may_arrive_in_any_pieces(client):
    text = "".join(request("spdk_get_version", id=i) + " \n"[i % 2] for i in range(200))
    for at in range(0, len(text), 97):
        client.send(text[at:at + 97])
    assert sorted(client.receive()["id"] for _ in range(200)) == list(range(200))


def test_a_batch_is_answered_as_one(client):
    client.send(f'[{request("spdk_get_version", id=1)}, {{"method": "spdk_get_version"}}, {request("x", id=2)}, 3]')
    first, second, third = client.receive()
    assert (first["id"], second["id"], third["id"]) == (1, 2, None)
    assert (second["error"]["code"], third["error"]["code"]) == (-32601, -32600)


def test_a_client_that_closes_its_sending_side_is_answered(client):
    client.send(request("framework_get_reactors"))
    client.close_sending_side()
    assert "result" in client.receive()
    assert client.receive() is None


def test_a_new_client_replaces_the_one_that_has_been_idle_longest(daemon):
    clients = [daemon.client() for _ in range(64)]
    for c in clients:
        assert c.call("spdk_get_version")
    late = daemon.client()
    assert late.call("spdk_get_version")
    assert clients.pop(0).receive() is None
    for c in [late, *clients]:
        assert c.call("spdk_get_version")
        c.__exit__()
