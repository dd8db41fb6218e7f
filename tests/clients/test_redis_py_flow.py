"""Transactions, scripts, pub/sub and blocking commands with redis-py, in RESP2 and RESP3, hot and cold."""

import threading
import unittest

import redis

from redis_py_case import ClientTests


class Tests(ClientTests):
    """What every protocol version must pass; the classes below choose the version."""

    def blocked_clients(self):
        return self.redis.info("clients")["blocked_clients"]

    def in_background(self, work):
        """Runs `work` until a client waits; the result is a function that returns what it returned."""
        outcome = []
        thread = threading.Thread(target=lambda: outcome.append(work()))
        thread.start()
        self.eventually(lambda: self.blocked_clients() == 1)

        def join():
            thread.join(10)
            return outcome[0]

        return join

    def test_transactions(self):
        self.redis.set("cold", "v" * 500)
        self.demote("cold")
        with self.redis.pipeline() as transaction:
            transaction.set("a", 1).incr("a").get("cold").lpush("l", "x").execute_command("GET", "l")
            replies = transaction.execute(raise_on_error=False)
        self.assertEqual(replies[:4], [True, 2, "v" * 500, 1])
        self.assertIsInstance(replies[4], redis.ResponseError)

    def test_a_watched_key_that_changes_stops_the_transaction(self):
        self.redis.set("k", 1)
        self.demote("k")
        with self.redis.pipeline() as transaction:
            transaction.watch("k")
            value = int(transaction.get("k"))
            self.redis.set("k", 10)
            transaction.multi()
            transaction.set("k", value + 1)
            with self.assertRaises(redis.WatchError):
                transaction.execute()
        self.demote("k")
        self.redis.transaction(lambda pipe: (pipe.multi(), pipe.incr("k")), "k")
        self.assertEqual(self.redis.get("k"), "11")

    def test_scripts(self):
        self.redis.set("k", "cold " * 100)
        self.demote("k")
        script = self.redis.register_script("return {redis.call('STRLEN', KEYS[1]), ARGV[1], redis.call('GET', KEYS[1])}")
        self.assertEqual(script(keys=["k"], args=["x"]), [500, "x", "cold " * 100])
        self.demote("k")
        self.assertEqual(script(keys=["k"], args=["y"])[0], 500)
        # A key that the script does not declare.
        self.demote("k")
        self.assertEqual(self.redis.eval("return #redis.call('GET', 'k')", 0), 500)
        self.assertEqual(self.redis.script_exists(script.sha), [True])
        self.assertTrue(self.redis.script_flush())
        with self.assertRaises(redis.exceptions.NoScriptError):
            self.redis.evalsha(script.sha, 0)
        with self.assertRaisesRegex(redis.ResponseError, "my mistake"):
            self.redis.eval("return redis.error_reply('my mistake')", 0)
        self.assertEqual(self.redis.eval("return cjson.encode({1, 2, {a = 'b'}})", 0), '[1,2,{"a":"b"}]')

    def test_functions(self):
        library = "#!lua name=lib\nredis.register_function('add', function(keys, args) return redis.call('INCRBY', keys[1], args[1]) end)"
        self.assertEqual(self.redis.function_load(library, replace=True), "lib")
        self.assertEqual(self.redis.fcall("add", 1, "n", 5), 5)
        self.demote("n")
        self.assertEqual(self.redis.fcall("add", 1, "n", 5), 10)
        self.assertTrue(self.redis.function_delete("lib"))

    def test_publish_and_subscribe(self):
        with self.redis.pubsub() as pubsub:
            pubsub.subscribe("news")
            pubsub.psubscribe("n*")
            pubsub.ssubscribe("shard")
            self.eventually(lambda: pubsub.get_message(timeout=1) and len(pubsub.pending_unsubscribe_channels) == 0)
            while pubsub.get_message(timeout=0.05):
                pass
            self.assertEqual(self.redis.publish("news", "hello"), 2)
            self.assertEqual(self.redis.spublish("shard", "there"), 1)
            heard = [pubsub.get_message(timeout=5) for _ in range(2)]
            self.assertEqual([(m["type"], m["channel"], m["data"]) for m in heard], [
                ("message", "news", "hello"),
                ("pmessage", "news", "hello"),
            ])
            message = pubsub.get_sharded_message(timeout=5) if hasattr(pubsub, "get_sharded_message") else pubsub.get_message(timeout=5)
            self.assertEqual((message["type"], message["data"]), ("smessage", "there"))
            self.assertEqual(self.redis.pubsub_channels(), ["news"])
            self.assertEqual(self.redis.pubsub_numsub("news", "none"), [("news", 1), ("none", 0)])
            self.assertEqual(self.redis.pubsub_numpat(), 1)

    def test_keyspace_events(self):
        self.redis.config_set("notify-keyspace-events", "KEA")
        with self.redis.pubsub(ignore_subscribe_messages=True) as pubsub:
            pubsub.psubscribe("__keyevent@0__:*")
            self.eventually(lambda: self.redis.pubsub_numpat() == 1)
            self.redis.set("k", "v" * 100)
            self.demote("k")
            self.redis.rename("k", "l")
            self.redis.delete("l")
            events = []
            while len(events) < 4:
                message = pubsub.get_message(timeout=5)
                if message:
                    events.append((message["channel"].split(":")[1], message["data"]))
            self.assertEqual(events, [("set", "k"), ("rename_from", "k"), ("rename_to", "l"), ("del", "l")])
        self.redis.config_set("notify-keyspace-events", "")

    def test_blocking_pops(self):
        waiter = self.client(decode_responses=True)
        popped = self.in_background(lambda: waiter.blpop(["l1", "l2"], timeout=10))
        self.redis.rpush("l2", "x")
        self.assertEqual(tuple(popped()), ("l2", "x"))
        popped = self.in_background(lambda: waiter.bzpopmin(["z"], timeout=10))
        self.redis.zadd("z", {"a": 1.5, "b": 2})
        self.assertEqual(tuple(popped()), ("z", "a", 1.5))
        moved = self.in_background(lambda: waiter.blmove("from", "to", 10, "LEFT", "RIGHT"))
        self.redis.rpush("from", "y")
        self.assertEqual((moved(), self.redis.lrange("to", 0, -1)), ("y", ["y"]))
        self.redis.rpush("cold", "a", "b")
        self.demote("cold")
        self.assertEqual(tuple(waiter.brpop("cold", timeout=1)), ("cold", "b"))
        self.assertIsNone(waiter.blpop("none", timeout=0.02))

    def test_waiting_for_a_stream(self):
        waiter = self.client(decode_responses=True)
        read = self.in_background(lambda: waiter.xread({"x": "$"}, block=10_000))
        self.redis.xadd("x", {"f": "v"}, id="5-1")
        got = read()
        messages = got["x"][0] if isinstance(got, dict) else got[0][1]
        self.assertEqual(messages, [("5-1", {"f": "v"})])

    def test_a_waiting_client_can_be_unblocked(self):
        waiter = self.client(decode_responses=True, single_connection_client=True)
        identity = waiter.client_id()
        popped = self.in_background(lambda: waiter.blpop("none", timeout=10))
        self.assertTrue(self.redis.client_unblock(identity))
        self.assertIsNone(popped())


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
