# SPDX-License-Identifier: Apache-2.0
"""A key that an operator passes by value is used, and is not shown anywhere."""

import json

import pytest
from daemon import Daemon, RpcError, run_to_end

KEY = "AQDwf8db7zR1GRAA5k7NKXjS5S5V4mntwUDnGQ=="
SILENT = {"mon_host": "v2:127.0.0.1:1", "key": KEY}


def test_no_answer_and_no_log_contains_a_key(tmp_path):
    with Daemon(tmp_path) as daemon, daemon.client() as client:
        client.call("framework_wait_init")
        client.send(json.dumps({"id": "register", "method": "bdev_rbd_register_cluster",
                                "params": {"name": "c", "config_param": SILENT}}))
        assert client.call_meanwhile("spdk_get_version")
        with daemon.client() as other:
            saved = other.call("framework_get_config", {"name": "bdev"})
            assert other.call("bdev_rbd_unregister_cluster", {"name": "c"}) is True
        assert [c["params"]["config_param"]["mon_host"] for c in saved] == [SILENT["mon_host"]]
        answers = [saved, client.receive()]
        for method, params in [
            ("bdev_rbd_register_cluster", {"name": "c", "config_param": {"kye": KEY}}),
            ("bdev_rbd_create", {"pool_name": "p", "rbd_name": "i", "block_size": 512, "config": {"kye": KEY}}),
        ]:
            with pytest.raises(RpcError, match="kye") as refused:
                client.call(method, params)
            answers.append(refused.value.message)
        with pytest.raises(RpcError, match="key_file"):    # a saved configuration does not contain the key itself
            client.call(saved[0]["method"], saved[0]["params"])
        client.send('{"id": 1, "method": "m", "params": {"key" "%s"}}' % KEY)
        answers.append(client.receive())
        assert KEY not in json.dumps(answers)
        assert KEY not in daemon.log.read_text()


def test_a_key_is_not_quoted_from_a_configuration_that_is_refused(tmp_path):
    (tmp_path / "c.json").write_text('{"subsystems": [{"subsystem": "bdev", "config": [{"key" "%s"}]}]}' % KEY)
    result = run_to_end("-c", str(tmp_path / "c.json"), path=tmp_path / "rpc.sock")
    assert result.returncode == 1 and "line 1, column" in result.stderr
    assert KEY not in result.stderr
