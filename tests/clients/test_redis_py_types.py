"""Every data type with redis-py, in RESP2 and RESP3, with values made cold in between."""

import math
import unittest

import redis

from redis_py_case import ClientTests


class Tests(ClientTests):
    """What every protocol version must pass; the classes below choose the version."""

    def test_hashes(self):
        self.assertEqual(self.redis.hset("h", mapping={"a": 1, "b": "x" * 100, "c": 3}), 3)
        self.demote("h")
        self.assertEqual(self.redis.hgetall("h"), {"a": "1", "b": "x" * 100, "c": "3"})
        self.demote("h")
        self.assertEqual(self.redis.hincrby("h", "a", 41), 42)
        self.assertAlmostEqual(self.redis.hincrbyfloat("h", "c", 0.5), 3.5)
        self.demote("h")
        self.assertEqual(self.redis.hmget("h", "a", "none"), ["42", None])
        self.assertEqual(set(self.redis.hkeys("h")), {"a", "b", "c"})
        self.assertEqual(self.redis.hstrlen("h", "b"), 100)
        self.assertEqual(self.redis.hdel("h", "b", "none"), 1)
        self.assertEqual(self.redis.hsetnx("h", "a", 0), 0)
        self.assertIn(self.redis.hrandfield("h"), ("a", "c"))
        self.assertEqual(dict(self.redis.hscan_iter("h")), {"a": "42", "c": "3.5"})
        with self.assertRaisesRegex(redis.ResponseError, "WRONGTYPE"):
            self.redis.get("h")

    def test_lists(self):
        self.assertEqual(self.redis.rpush("l", *"abcdef"), 6)
        self.demote("l")
        self.assertEqual(self.redis.lrange("l", 0, -1), list("abcdef"))
        self.assertEqual(self.redis.lpop("l"), "a")
        self.demote("l")
        self.assertEqual(self.redis.rpop("l", 2), ["f", "e"])
        self.assertEqual(self.redis.linsert("l", "before", "c", "x"), 4)
        self.demote("l")
        self.assertEqual(self.redis.lpos("l", "c"), 2)
        self.assertEqual(self.redis.lmove("l", "m", "LEFT", "RIGHT"), "b")
        self.assertTrue(self.redis.lset("l", 0, "y"))
        self.assertEqual(self.redis.lrem("l", 1, "d"), 1)
        self.assertTrue(self.redis.ltrim("l", 0, 0))
        self.assertEqual(self.redis.lmpop(2, "none", "l", direction="LEFT"), ["l", ["y"]])
        self.assertEqual(self.redis.exists("l"), 0)

    def test_sets(self):
        self.assertEqual(self.redis.sadd("s", 1, 2, 3), 3)
        self.assertEqual(self.redis.sadd("t", "two", 2, 3), 3)
        self.demote("s", "t")
        self.assertEqual(self.redis.smembers("s"), {"1", "2", "3"})
        self.assertEqual(set(self.redis.sinter("s", "t")), {"2", "3"})
        self.demote("s", "t")
        self.assertEqual(self.redis.sdiffstore("d", "s", "t"), 1)
        self.assertEqual(self.redis.sunionstore("u", "s", "t"), 4)
        self.assertEqual(self.redis.sintercard(2, ["s", "t"]), 2)
        self.assertEqual(self.redis.smismember("s", [1, 9]), [1, 0])
        self.assertTrue(self.redis.smove("s", "t", 1))
        self.demote("t")
        self.assertEqual(set(self.redis.sscan_iter("t")), {"1", "2", "3", "two"})
        self.assertEqual(len(self.redis.spop("t", 2)), 2)
        self.assertEqual(self.redis.scard("t"), 2)

    def test_sorted_sets(self):
        self.assertEqual(self.redis.zadd("z", {"a": 1, "b": 2.5, "c": math.inf}), 3)
        self.demote("z")
        ranked = self.redis.zrange("z", 0, -1, withscores=True)
        self.assertEqual([tuple(pair) for pair in ranked], [("a", 1.0), ("b", 2.5), ("c", math.inf)])
        self.demote("z")
        self.assertEqual(self.redis.zincrby("z", 2, "a"), 3.0)
        self.assertEqual(self.redis.zrangebyscore("z", "(2.5", "+inf"), ["a", "c"])
        self.assertEqual(self.redis.zscore("z", "b"), 2.5)
        self.assertIsNone(self.redis.zscore("z", "none"))
        self.demote("z")
        self.assertEqual(self.redis.zrank("z", "a"), 1)
        self.assertEqual(self.redis.zcount("z", 2, 3), 2)
        self.assertEqual(self.redis.zadd("y", {"a": 10}), 1)
        self.assertEqual(self.redis.zunionstore("u", {"z": 2, "y": 1}), 3)
        self.assertEqual(self.redis.zscore("u", "a"), 16.0)
        # What the client makes of it depends on the protocol.
        self.assertIn(self.redis.zpopmin("z"), ([("b", 2.5)], ["b", 2.5]))
        self.assertEqual(dict(self.redis.zscan_iter("u"))["a"], 16.0)

    def test_streams_and_consumer_groups(self):
        first = self.redis.xadd("x", {"f": "1"}, id="1-1")
        self.redis.xadd("x", {"f": "2", "g": "3"}, id="1-2")
        self.demote("x")
        self.assertEqual(self.redis.xrange("x"), [(first, {"f": "1"}), ("1-2", {"f": "2", "g": "3"})])
        self.assertTrue(self.redis.xgroup_create("x", "g", id="0"))
        self.demote("x")
        read = self.redis.xreadgroup("g", "me", {"x": ">"}, count=1)
        messages = read["x"][0] if isinstance(read, dict) else read[0][1]
        self.assertEqual(messages, [("1-1", {"f": "1"})])
        self.demote("x")
        self.assertEqual(self.redis.xpending("x", "g")["pending"], 1)
        self.assertEqual(self.redis.xclaim("x", "g", "you", 0, ["1-1"]), [("1-1", {"f": "1"})])
        self.assertEqual(self.redis.xack("x", "g", "1-1"), 1)
        self.assertEqual(self.redis.xinfo_stream("x")["length"], 2)
        self.assertEqual(self.redis.xinfo_groups("x")[0]["entries-read"], 1)
        self.assertEqual(self.redis.xdel("x", "1-1"), 1)
        self.demote("x")
        self.assertEqual(self.redis.xtrim("x", maxlen=0, approximate=False), 1)
        self.assertEqual(self.redis.xlen("x"), 0)

    def test_hyperloglogs_and_geo(self):
        self.redis.pfadd("p", *range(1000))
        self.redis.pfadd("q", *range(500, 1500))
        self.demote("p", "q")
        self.assertTrue(950 <= self.redis.pfcount("p") <= 1050)
        self.assertTrue(self.redis.pfmerge("r", "p", "q"))
        self.demote("r")
        self.assertTrue(1425 <= self.redis.pfcount("r") <= 1575)
        places = (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania")
        self.assertEqual(self.redis.geoadd("g", places), 2)
        self.demote("g")
        self.assertAlmostEqual(self.redis.geodist("g", "Palermo", "Catania", unit="km"), 166.2742, places=3)
        self.assertEqual(self.redis.geosearch("g", longitude=15, latitude=37, radius=100, unit="km"), ["Catania"])
        self.assertEqual(self.redis.geohash("g", "Palermo"), ["sqc8b49rny0"])

    def test_every_type_can_be_dumped_sorted_and_copied(self):
        client = self.client()
        self.redis.rpush("list", 3, 1, 2)
        self.redis.sadd("set", 3, 1, 2)
        self.redis.zadd("zset", {"a": 1})
        self.redis.hset("hash", "f", "v")
        self.redis.xadd("stream", {"f": "v"}, id="1-1")
        types = ["list", "set", "zset", "hash", "stream"]
        for key in types:
            self.demote(key)
            payload = client.dump(key)
            self.demote(key)
            self.assertTrue(self.redis.copy(key, f"{key}:copy"))
            client.restore(f"{key}:restored", 0, payload)
            for name in (key, f"{key}:copy", f"{key}:restored"):
                self.assertEqual(self.redis.type(name), key)
                self.assertEqual(client.dump(name), payload)
        self.demote("list", "set")
        self.assertEqual(self.redis.sort("list"), ["1", "2", "3"])
        self.assertEqual(self.redis.sort("set", desc=True, store="sorted"), 3)
        self.assertEqual(self.redis.lrange("sorted", 0, -1), ["3", "2", "1"])


class Resp2(Tests, unittest.TestCase):
    """RESP2, the default of old clients."""

    protocol = 2


class Resp3(Tests, unittest.TestCase):
    """RESP3."""

    protocol = 3


# The mixins have no protocol of their own and must not be collected.
del ClientTests, Tests

if __name__ == "__main__":
    unittest.main()
