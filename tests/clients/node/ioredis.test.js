// ioredis, unmodified, against the server, with values made cold in between. It speaks RESP2.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Redis } from "ioredis";
import { isRedis, startServer } from "./server_process.js";

/** Resolves when `condition` holds; fails after a while. */
async function eventually(condition) {
  const deadline = Date.now() + 10_000;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, "it never happened");
    await pause(5);
  }
}

describe("ioredis", () => {
  let server, redis;
  const connections = [];
  const connect = (options = {}) => {
    const client = new Redis({ port: server.port, host: "127.0.0.1", ...options });
    client.on("error", () => {});
    connections.push(client);
    return client;
  };
  /** Makes values cold, where there is a cold tier. */
  const demote = async (...keys) => {
    if (!isRedis) await redis.call("TIER", "DEMOTE", ...keys);
  };

  before(async () => {
    server = await startServer();
    redis = connect();
  });
  after(async () => {
    // Also those that a failed test left behind: the process would wait for them.
    connections.forEach((connection) => connection.disconnect());
    await server?.stop();
  });
  beforeEach(() => redis.flushall());

  test("strings", async () => {
    const value = "v".repeat(1000);
    await redis.set("k", value, "EX", 100);
    await demote("k");
    assert.equal(await redis.get("k"), value);
    assert.equal(await redis.append("k", "!"), 1001);
    assert.equal(await redis.set("k", "x", "NX"), null);
    await redis.mset("a", "1", "b", "2");
    await demote("a", "b");
    assert.deepEqual(await redis.mget("a", "none", "b"), ["1", null, "2"]);
    assert.equal(await redis.incr("a"), 2);
    const bytes = Buffer.from(Array.from({ length: 1024 }, (_, number) => number % 256));
    await redis.set("bin", bytes);
    await demote("bin");
    assert.deepEqual(await redis.getBuffer("bin"), bytes);
    await assert.rejects(redis.incr("bin"), /not an integer/);
  });

  test("hashes", async () => {
    await redis.hset("h", { a: "1", b: "x".repeat(100) });
    await demote("h");
    assert.deepEqual(await redis.hgetall("h"), { a: "1", b: "x".repeat(100) });
    await demote("h");
    assert.equal(await redis.hincrby("h", "a", 41), 42);
    assert.deepEqual(await redis.hmget("h", "a", "none"), ["42", null]);
    assert.equal(await redis.hdel("h", "b"), 1);
  });

  test("lists and sets", async () => {
    await redis.rpush("l", "a", "b", "c");
    await demote("l");
    assert.deepEqual(await redis.lrange("l", 0, -1), ["a", "b", "c"]);
    assert.equal(await redis.lpop("l"), "a");
    assert.deepEqual(await redis.lpop("l", 5), ["b", "c"]);
    await redis.sadd("s", 1, 2, 3);
    await redis.sadd("t", 2, 3, 4);
    await demote("s", "t");
    assert.deepEqual((await redis.sinter("s", "t")).sort(), ["2", "3"]);
    assert.equal(await redis.sunionstore("u", "s", "t"), 4);
    assert.equal(await redis.sismember("u", 4), 1);
  });

  test("sorted sets and streams", async () => {
    await redis.zadd("z", 1, "a", 2.5, "b");
    await demote("z");
    assert.deepEqual(await redis.zrange("z", 0, -1, "WITHSCORES"), ["a", "1", "b", "2.5"]);
    assert.equal(await redis.zincrby("z", 2, "a"), "3");
    assert.deepEqual(await redis.zpopmin("z"), ["b", "2.5"]);
    const id = await redis.xadd("x", "*", "f", "v");
    await demote("x");
    assert.deepEqual(await redis.xrange("x", "-", "+"), [[id, ["f", "v"]]]);
    await redis.xgroup("CREATE", "x", "g", "0");
    assert.deepEqual(await redis.xreadgroup("GROUP", "g", "c", "STREAMS", "x", ">"), [["x", [[id, ["f", "v"]]]]]);
    assert.equal(await redis.xack("x", "g", id), 1);
  });

  test("pipelines and transactions", async () => {
    await redis.set("cold", "v".repeat(500));
    await demote("cold");
    const replies = await redis.pipeline().set("a", "1").incr("a").get("cold").hget("a", "f").exec();
    const shown = replies.map(([error, reply]) => error?.message.split(" ")[0] ?? reply);
    assert.deepEqual(shown, ["OK", 2, "v".repeat(500), "WRONGTYPE"]);
    await demote("cold");
    assert.deepEqual(await redis.multi().incr("a").get("cold").exec(), [[null, 3], [null, "v".repeat(500)]]);
    const other = connect();
    await other.watch("a");
    await redis.set("a", "changed");
    assert.equal(await other.multi().set("a", "mine").exec(), null);
    other.disconnect();
  });

  test("scripts", async () => {
    redis.defineCommand("bump", { numberOfKeys: 1, lua: "return redis.call('INCRBY', KEYS[1], ARGV[1])" });
    assert.equal(await redis.bump("n", 7), 7);
    await demote("n");
    assert.equal(await redis.bump("n", 1), 8);
    assert.deepEqual(await redis.eval("return {1, KEYS[1], {ARGV[1]}}", 1, "k", "v"), [1, "k", ["v"]]);
  });

  test("publish and subscribe", async () => {
    const subscriber = connect();
    const heard = [];
    subscriber.on("message", (channel, message) => heard.push([channel, message]));
    subscriber.on("pmessage", (pattern, channel, message) => heard.push([pattern, channel, message]));
    assert.equal(await subscriber.subscribe("news", "more"), 2);
    assert.equal(await subscriber.psubscribe("n*"), 3);
    assert.equal(await redis.publish("news", "hello"), 2);
    await eventually(() => heard.length === 2);
    assert.deepEqual(heard, [["news", "hello"], ["n*", "news", "hello"]]);
    assert.equal(await subscriber.unsubscribe("news"), 2);
    subscriber.disconnect();
  });

  test("blocking commands", async () => {
    const waiter = connect();
    const popped = waiter.blpop("l1", "l2", 10);
    await eventually(async () => (await redis.info("clients")).includes("blocked_clients:1"));
    await redis.rpush("l2", "x");
    assert.deepEqual(await popped, ["l2", "x"]);
    const best = waiter.bzpopmax("z", 10);
    await eventually(async () => (await redis.info("clients")).includes("blocked_clients:1"));
    await redis.zadd("z", 1, "a", 2, "b");
    assert.deepEqual(await best, ["z", "b", "2"]);
    assert.equal(await waiter.blpop("l1", 0.05), null);
    waiter.disconnect();
  });

  test("users and their rights", async () => {
    await redis.acl("SETUSER", "reader", "on", ">secret", "~public:*", "+get", "+info", "+acl|whoami", "+client");
    await redis.set("public:1", "x".repeat(100));
    await demote("public:1");
    const reader = connect({ username: "reader", password: "secret", enableReadyCheck: false });
    assert.equal(await reader.acl("WHOAMI"), "reader");
    assert.equal(await reader.get("public:1"), "x".repeat(100));
    await assert.rejects(reader.get("private"), /NOPERM/);
    await assert.rejects(reader.del("public:1"), /NOPERM/);
    const ended = new Promise((resolve) => reader.once("close", resolve));
    assert.equal(await redis.acl("DELUSER", "reader"), 1);
    await ended;
    reader.disconnect();
  });
});
