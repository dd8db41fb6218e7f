"""redis-py, unmodified, against the server, in RESP2 and RESP3, with values made cold in between.

Run with `python -m unittest discover tests/clients`, in an environment that has redis-py.
"""

import threading
import time
import unittest

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from redis_py_case import ClientTests
from server_process import IS_REDIS, ServerProcess


class Tests(ClientTests):
    """What every protocol version must pass; the classes below choose the version."""

    def test_strings(self):
        value = "v" * 1000
        self.assertTrue(self.redis.set("k", value))
        self.demote("k")
        self.assertEqual(self.redis.get("k"), value)
        self.demote("k")
        self.assertEqual(self.redis.append("k", "tail"), 1004)
        self.demote("k")
        self.assertEqual(self.redis.getrange("k", 998, -1), "vvtail")
        self.assertEqual(self.redis.setrange("k", 0, "START"), 1004)
        self.assertEqual(self.redis.strlen("k"), 1004)
        self.assertIsNone(self.redis.get("none"))
        self.assertEqual(self.redis.set("k", "new", get=True), "START" + value[5:] + "tail")
        self.assertIsNone(self.redis.set("k", "x", nx=True))
        self.assertEqual(self.redis.getdel("k"), "new")
        self.assertEqual(self.redis.exists("k"), 0)

    def test_binary_keys_and_values(self):
        client = self.client()
        everything = bytes(range(256)) * 20
        client.set(everything, everything)
        if not IS_REDIS:
            client.execute_command("TIER", "DEMOTE", everything)
        self.assertEqual(client.get(everything), everything)

    def test_counters(self):
        self.redis.set("i", 10)
        self.demote("i")
        self.assertEqual(self.redis.incr("i"), 11)
        self.assertEqual(self.redis.decrby("i", 20), -9)
        self.assertAlmostEqual(self.redis.incrbyfloat("f", 1.5), 1.5)
        self.demote("f")
        self.assertAlmostEqual(self.redis.incrbyfloat("f", 0.25), 1.75)
        with self.assertRaisesRegex(redis.ResponseError, "not an integer"):
            self.redis.incr("f")

    def test_many_keys_at_once(self):
        values = {f"key:{number}": f"value {number} " * 50 for number in range(200)}
        self.assertTrue(self.redis.mset(values))
        self.demote(*list(values)[::2])
        self.assertEqual(self.redis.mget([*values, "none"]), [*values.values(), None])
        self.assertFalse(self.redis.msetnx({"key:1": "x", "fresh": "y"}))
        self.assertEqual(self.redis.delete(*values), 200)

    def test_pipelines(self):
        with self.redis.pipeline(transaction=False) as pipeline:
            for number in range(2000):
                pipeline.set(f"key:{number}", f"value:{number}" * 20)
            self.assertEqual(pipeline.execute(), [True] * 2000)
        self.demote(*[f"key:{number}" for number in range(0, 2000, 3)])
        with self.redis.pipeline(transaction=False) as pipeline:
            for number in range(2000):
                pipeline.get(f"key:{number}")
            self.assertEqual(pipeline.execute(), [f"value:{number}" * 20 for number in range(2000)])

    def test_an_error_in_a_pipeline_leaves_the_rest_alone(self):
        with self.redis.pipeline(transaction=False) as pipeline:
            pipeline.set("k", "text").incr("k").get("k")
            replies = pipeline.execute(raise_on_error=False)
        self.assertEqual((replies[0], replies[2]), (True, "text"))
        self.assertIsInstance(replies[1], redis.ResponseError)

    def test_expiry(self):
        self.redis.set("k", "v" * 500, ex=1000)
        self.demote("k")
        self.assertTrue(990 <= self.redis.ttl("k") <= 1000)
        self.assertTrue(self.redis.persist("k"))
        self.assertEqual(self.redis.ttl("k"), -1)
        self.assertTrue(self.redis.expire("k", 500, nx=True))
        self.assertFalse(self.redis.expire("k", 100, gt=True))
        self.assertEqual(self.redis.getex("k", persist=True), "v" * 500)
        at = int(time.time()) + 5000
        self.assertTrue(self.redis.expireat("k", at))
        self.assertEqual(self.redis.expiretime("k"), at)
        self.redis.pexpire("k", 20)
        deadline = time.monotonic() + 10
        while self.redis.exists("k") and time.monotonic() < deadline:
            time.sleep(0.005)
        self.assertEqual(self.redis.ttl("k"), -2)
        self.assertIsNone(self.redis.get("k"))

    def test_keys_can_be_iterated(self):
        names = {f"scan:{number}" for number in range(1000)}
        self.redis.mset(dict.fromkeys(names, "v" * 100))
        self.redis.set("other", "x")
        self.demote(*list(names)[:500])
        self.assertEqual(set(self.redis.scan_iter(match="scan:*", count=50)), names)
        self.assertEqual(set(self.redis.scan_iter(_type="string")), names | {"other"})
        self.assertEqual(set(self.redis.keys("scan:?")), {f"scan:{number}" for number in range(10)})
        self.assertEqual(self.redis.dbsize(), 1001)

    def test_bits(self):
        self.redis.set("b", b"\xff\xf0\x00" * 100)
        self.demote("b")
        self.assertEqual(self.redis.bitcount("b"), 1200)
        self.assertEqual(self.redis.bitpos("b", 0), 12)
        self.assertEqual(self.redis.setbit("b", 0, 0), 1)
        self.demote("b")
        replies = self.redis.bitfield("b").get("u8", 0).incrby("i5", 100, 1).set("u4", "#1", 3).execute()
        self.assertEqual(len(replies), 3)
        self.assertEqual(replies[0], 0x7F)
        field = self.redis.bitfield("counter", default_overflow="SAT")
        self.assertEqual(field.incrby("u2", 0, 10).execute(), [3])
        self.redis.bitop("NOT", "n", "b")
        self.assertEqual(self.redis.strlen("n"), 300)

    def test_longest_common_subsequence(self):
        self.redis.mset({"a": "ohmytext", "b": "mynewtext"})
        self.demote("a", "b")
        self.assertEqual(self.redis.lcs("a", "b"), "mytext")
        self.assertEqual(self.redis.lcs("a", "b", len=True), 6)
        found = self.redis.lcs("a", "b", idx=True, withmatchlen=True)
        expected_matches = [[[4, 7], [5, 8], 4], [[2, 3], [0, 1], 2]]
        if isinstance(found, dict):
            self.assertEqual(found, {"matches": expected_matches, "len": 6})
        else:
            self.assertEqual(found, ["matches", expected_matches, "len", 6])

    def test_keys_can_be_renamed_copied_dumped_and_restored(self):
        value = "value " * 200
        self.redis.set("a", value)
        self.demote("a")
        self.assertTrue(self.redis.rename("a", "b"))
        self.assertTrue(self.redis.copy("b", "c"))
        self.demote("b", "c")
        client = self.client()
        payload = client.dump("b")
        self.demote("b")
        client.restore("d", 100000, payload)
        self.assertEqual(self.redis.get("d"), value)
        self.assertTrue(90 <= self.redis.ttl("d") <= 100)
        self.assertEqual(self.redis.type("c"), "string")
        self.assertEqual(self.redis.object("encoding", "c"), "raw")
        self.assertEqual(self.redis.touch("b", "c", "none"), 2)
        self.assertEqual(self.redis.unlink("b", "c", "d"), 3)

    def test_databases(self):
        one, two = self.client(db=1, decode_responses=True), self.client(db=2, decode_responses=True)
        one.set("k", "one")
        two.set("k", "two")
        self.assertIsNone(self.redis.get("k"))
        self.assertFalse(one.move("k", 2))
        self.redis.swapdb(1, 2)
        self.assertEqual((one.get("k"), two.get("k")), ("two", "one"))
        one.flushdb()
        self.assertEqual((one.dbsize(), two.dbsize()), (0, 1))

    def test_info_is_parsed(self):
        self.redis.set("k", "v" * 1000, ex=1000)
        self.demote("k")
        self.redis.get("k")
        info = self.redis.info()
        self.assertEqual(info["tcp_port"], self.server.port)
        self.assertEqual(info["db0"]["keys"], 1)
        self.assertEqual(info["db0"]["expires"], 1)
        self.assertGreaterEqual(info["used_memory"], 1000)
        self.assertIn("redis_version", self.redis.info("server"))
        self.assertGreaterEqual(self.redis.info("commandstats")["cmdstat_get"]["calls"], 1)
        if not IS_REDIS:
            self.assertEqual(info["redis_version"], "7.2.4")
            tiering = self.redis.info("tiering")
            self.assertGreaterEqual(tiering["tier_items_read_from_disk"], 1)
            self.assertIsInstance(tiering["tier_memory_hit_ratio"], (int, float))

    def test_clients_are_parsed(self):
        self.redis.client_setname("me")
        self.assertEqual(self.redis.client_getname(), "me")
        mine = self.redis.client_info()
        self.assertEqual(mine["name"], "me")
        self.assertEqual(int(mine["resp"]), self.protocol)
        listed = self.redis.client_list()
        self.assertIn(str(self.redis.client_id()), [client["id"] for client in listed])

    def test_settings_are_parsed(self):
        self.assertTrue(self.redis.config_set("slowlog-max-len", 99))
        self.assertEqual(self.redis.config_get("slowlog-max-len"), {"slowlog-max-len": "99"})
        self.assertGreater(len(self.redis.config_get()), 30)
        self.assertTrue(self.redis.config_resetstat())

    def test_server_commands_are_parsed(self):
        self.assertTrue(self.redis.ping())
        self.assertEqual(self.redis.echo("hello"), "hello")
        seconds, micros = self.redis.time()
        self.assertLess(abs(seconds + micros / 1e6 - time.time()), 5)
        self.assertGreater(self.redis.command_count(), 80)
        self.assertIn("get", self.redis.command())
        self.assertIsInstance(self.redis.slowlog_get(), list)
        self.redis.set("k", "v" * 1000)
        self.assertGreater(self.redis.memory_usage("k"), 1000)

    def test_a_pool_is_shared_by_threads(self):
        pool = redis.ConnectionPool(
            port=self.server.port, protocol=self.protocol, decode_responses=True, max_connections=50
        )
        failures = []

        def work(thread):
            client = redis.Redis(connection_pool=pool)
            try:
                for number in range(100):
                    key = f"{thread}:{number % 10}"
                    client.set(key, f"{key} " * 100)
                    if not IS_REDIS and number % 3 == 0:
                        client.execute_command("TIER", "DEMOTE", key)
                    if client.get(key) != f"{key} " * 100:
                        failures.append(key)
            except redis.RedisError as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        pool.disconnect()
        self.assertEqual(failures, [])

    def test_a_killed_connection_is_reopened(self):
        client = self.client(decode_responses=True, retry=Retry(NoBackoff(), 3))
        client.set("k", "v")
        self.assertEqual(self.redis.client_kill_filter(_id=str(client.client_id())), 1)
        self.assertEqual(client.get("k"), "v")


class Resp2(Tests, unittest.TestCase):
    """RESP2, the default of old clients."""

    protocol = 2


class Resp3(Tests, unittest.TestCase):
    """RESP3."""

    protocol = 3


class Passwords(unittest.TestCase):
    """AUTH as clients do it on connecting."""

    @classmethod
    def setUpClass(cls):
        cls.server = ServerProcess(requirepass="secret")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def test_clients_authenticate(self):
        for protocol in (2, 3):
            with redis.Redis(port=self.server.port, protocol=protocol, password="secret") as client:
                self.assertTrue(client.set("k", "v"))
            with redis.Redis(port=self.server.port, protocol=protocol, username="default", password="secret") as client:
                self.assertEqual(client.get("k"), b"v")
            with redis.Redis(port=self.server.port, protocol=protocol, password="wrong") as client:
                with self.assertRaises(redis.AuthenticationError):
                    client.ping()


# The mixin has no protocol of its own and must not be collected.
del ClientTests, Tests

if __name__ == "__main__":
    unittest.main()
