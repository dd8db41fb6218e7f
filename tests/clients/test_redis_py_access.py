"""Users and their rights with redis-py, in RESP2 and RESP3."""

import unittest

import redis

from redis_py_case import ClientTests
from server_process import IS_REDIS


class Tests(ClientTests):
    """What every protocol version must pass; the classes below choose the version."""

    def user(self, rules):
        """A client of the user `reader`, whom these rules make."""
        self.redis.acl_setuser("reader", reset=True, enabled=True, passwords="+secret", **rules)
        self.addCleanup(self.redis.acl_deluser, "reader")
        return self.client(username="reader", password="secret", decode_responses=True)

    def test_a_user_may_do_what_its_rules_say(self):
        reader = self.user({"keys": ["public:*"], "commands": ["+get", "+acl|whoami", "+client"]})
        self.redis.set("public:1", "x" * 100)
        self.demote("public:1")
        self.assertEqual(reader.acl_whoami(), "reader")
        self.assertEqual(reader.get("public:1"), "x" * 100)
        for refused in (lambda: reader.get("private"), lambda: reader.set("public:1", "y")):
            with self.assertRaises(redis.exceptions.NoPermissionError):
                refused()
        self.redis.acl_setuser("reader", commands=["+set"], enabled=True)
        self.assertTrue(reader.set("public:1", "y"))

    def test_users_are_described(self):
        self.user({"keys": ["a*"], "channels": ["c*"], "categories": ["+@string"], "commands": ["-incr"]})
        user = self.redis.acl_getuser("reader")
        self.assertTrue(user["enabled"])
        self.assertIn("on", user["flags"])
        self.assertEqual((user["keys"], user["channels"]), (["~a*"], ["&c*"]))
        self.assertEqual((user["categories"], user["commands"]), (["-@all", "+@string"], ["-incr"]))
        self.assertEqual(len(user["passwords"]), 1)
        self.assertIn("reader", self.redis.acl_users())
        self.assertTrue(any(line.startswith("user reader on ") for line in self.redis.acl_list()))
        self.assertIsNone(self.redis.acl_getuser("nobody"))

    def test_refusals_are_logged(self):
        reader = self.user({"keys": ["a*"], "commands": ["+get", "+client"]})
        self.redis.acl_log_reset()
        with self.assertRaises(redis.exceptions.NoPermissionError):
            reader.get("b")
        entry = self.redis.acl_log(1)[0]
        self.assertEqual((entry["reason"], entry["object"], entry["username"]), ("key", "b", "reader"))
        # A dictionary or a text, depending on the protocol.
        self.assertIn("reader", str(entry["client-info"]))
        self.assertEqual(self.redis.execute_command("ACL DRYRUN", "reader", "GET", "a1"), "OK")

    def test_categories_and_passwords(self):
        self.assertIn("scripting", self.redis.acl_cat())
        self.assertIn("get", self.redis.acl_cat("read"))
        self.assertEqual(len(self.redis.acl_genpass()), 64)

    def test_pubsub_needs_the_channel(self):
        reader = self.user({"channels": ["news"], "commands": ["+subscribe", "+publish", "+client"]})
        self.assertEqual(reader.publish("news", "hello"), 0)
        with self.assertRaises(redis.exceptions.NoPermissionError):
            reader.publish("secrets", "hello")

    def test_a_wrong_password_is_refused(self):
        self.user({"commands": ["+get"]})
        stranger = self.client(username="reader", password="wrong")
        with self.assertRaises(redis.AuthenticationError):
            stranger.get("k")

    @unittest.skipIf(IS_REDIS, "no tiers")
    def test_tier_commands_are_for_operators(self):
        reader = self.user({"keys": ["*"], "categories": ["+@all", "-@admin"]})
        self.assertIsNone(reader.execute_command("TIER", "WHERE", "k"))
        with self.assertRaises(redis.exceptions.NoPermissionError):
            reader.execute_command("TIER", "DRAIN")


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
