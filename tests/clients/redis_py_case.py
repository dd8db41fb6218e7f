"""What all tests with redis-py start from: a server for each class, a client for each test."""

import time

import redis

from server_process import IS_REDIS, ServerProcess


class ClientTests:
    """Tests that every protocol version must pass; subclasses choose the version."""

    protocol: int

    @classmethod
    def setUpClass(cls):
        cls.server = ServerProcess()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def client(self, **options):
        client = redis.Redis(port=self.server.port, protocol=self.protocol, **options)
        self.addCleanup(client.close)
        return client

    def setUp(self):
        self.redis = self.client(decode_responses=True)
        self.redis.flushall()

    def demote(self, *keys):
        """Makes values cold, where there is a cold tier."""
        if not IS_REDIS:
            self.redis.execute_command("TIER", "DEMOTE", *keys)
            for key in keys:
                self.assertIn(self.redis.execute_command("TIER", "WHERE", key), ("ssd", "dram", None))

    def eventually(self, condition):
        """Waits until something holds."""
        deadline = time.monotonic() + 10
        while not condition():
            self.assertLess(time.monotonic(), deadline, "it never happened")
            time.sleep(0.002)
