// node-redis, unmodified, against the server, in RESP2 and RESP3, with values made cold in between.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { createClient } from "redis";
import { isRedis, startServer } from "./server_process.js";

/** Resolves when `condition` holds; fails after a while. */
async function eventually(condition) {
  const deadline = Date.now() + 10_000;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, "it never happened");
    await pause(5);
  }
}

for (const RESP of [2, 3]) {
  describe(`node-redis, RESP${RESP}`, () => {
    let server, client;
    const connections = [];
    const connect = async (options = {}) => {
      const connected = createClient({ socket: { host: "127.0.0.1", port: server.port }, RESP, ...options });
      connected.on("error", () => {});
      connections.push(connected);
      return connected.connect();
    };
    /** Makes values cold, where there is a cold tier. */
    const demote = async (...keys) => {
      if (!isRedis) await client.sendCommand(["TIER", "DEMOTE", ...keys]);
    };
    /** An object without a prototype, as the client makes them of maps, as a plain one. */
    const plain = (map) => ({ ...map });

    /** The entries of one stream in a reply of XREAD, which the client does not take apart in RESP3. */
    const entries = (reply, key) => (Array.isArray(reply) ? reply[0][1] : reply[key]);

    before(async () => {
      server = await startServer();
      client = await connect();
    });
    after(async () => {
      // Also those that a failed test left behind: the process would wait for them.
      for (const connection of connections) if (connection.isOpen) connection.destroy();
      await server?.stop();
    });
    beforeEach(() => client.flushAll());

    test("strings", async () => {
      const value = "v".repeat(1000);
      assert.equal(await client.set("k", value, { expiration: { type: "EX", value: 100 } }), "OK");
      await demote("k");
      assert.equal(await client.get("k"), value);
      assert.equal(await client.append("k", "!"), 1001);
      await demote("k");
      assert.equal(await client.getRange("k", 999, -1), "v!");
      assert.ok((await client.ttl("k")) > 90);
      assert.equal(await client.set("k", "x", { condition: "NX" }), null);
      assert.equal(await client.incrByFloat("f", 1.5), "1.5");
      await client.mSet({ a: "1", b: "2" });
      await demote("a", "b");
      assert.deepEqual(await client.mGet(["a", "none", "b"]), ["1", null, "2"]);
      assert.equal(await client.getDel("a"), "1");
      await assert.rejects(client.incr("k"), /not an integer/);
    });

    test("hashes", async () => {
      assert.equal(await client.hSet("h", { a: "1", b: "x".repeat(100), c: "3" }), 3);
      await demote("h");
      assert.deepEqual(plain(await client.hGetAll("h")), { a: "1", b: "x".repeat(100), c: "3" });
      await demote("h");
      assert.equal(await client.hIncrBy("h", "a", 41), 42);
      assert.deepEqual(await client.hmGet("h", ["a", "none"]), ["42", null]);
      await demote("h");
      assert.equal(await client.hDel("h", ["b", "c"]), 2);
      assert.equal(await client.hLen("h"), 1);
      assert.deepEqual(plain(await client.hGetAll("none")), {});
      const fields = [];
      for await (const entries of client.hScanIterator("h")) fields.push(...entries.map((entry) => entry.field));
      assert.deepEqual(fields, ["a"]);
    });

    test("lists", async () => {
      assert.equal(await client.rPush("l", ["a", "b", "c", "d"]), 4);
      await demote("l");
      assert.deepEqual(await client.lRange("l", 0, -1), ["a", "b", "c", "d"]);
      assert.equal(await client.lPop("l"), "a");
      await demote("l");
      assert.deepEqual(await client.lPopCount("l", 2), ["b", "c"]);
      assert.equal(await client.lMove("l", "m", "LEFT", "RIGHT"), "d");
      assert.equal(await client.exists("l"), 0);
      assert.equal(await client.lPos("m", "d"), 0);
    });

    test("sets", async () => {
      await client.sAdd("s", ["a", "b", "c"]);
      await client.sAdd("t", ["b", "c", "d"]);
      await demote("s", "t");
      assert.deepEqual(new Set(await client.sMembers("s")), new Set(["a", "b", "c"]));
      assert.deepEqual(new Set(await client.sInter(["s", "t"])), new Set(["b", "c"]));
      await demote("s", "t");
      assert.equal(await client.sUnionStore("u", ["s", "t"]), 4);
      assert.equal(await client.sIsMember("u", "d"), 1);
      assert.deepEqual(await client.smIsMember("u", ["a", "x"]), [1, 0]);
      assert.equal(await client.sCard("u"), 4);
    });

    test("sorted sets", async () => {
      await client.zAdd("z", [{ score: 1, value: "a" }, { score: 2.5, value: "b" }, { score: Infinity, value: "c" }]);
      await demote("z");
      assert.deepEqual(await client.zRangeWithScores("z", 0, -1), [
        { value: "a", score: 1 },
        { value: "b", score: 2.5 },
        { value: "c", score: Infinity },
      ]);
      await demote("z");
      assert.equal(await client.zScore("z", "b"), 2.5);
      assert.equal(await client.zIncrBy("z", 2, "a"), 3);
      assert.deepEqual(await client.zRange("z", "(2.5", "+inf", { BY: "SCORE" }), ["a", "c"]);
      assert.deepEqual(await client.zPopMin("z"), { value: "b", score: 2.5 });
      assert.equal(await client.zRank("z", "c"), 1);
      assert.equal(await client.zScore("z", "none"), null);
    });

    test("bitmaps, HyperLogLogs and geo", async () => {
      await client.setBit("bits", 100, 1);
      await demote("bits");
      assert.equal(await client.bitCount("bits"), 1);
      await client.pfAdd("p", ["a", "b", "c"]);
      await demote("p");
      assert.equal(await client.pfCount("p"), 3);
      await client.geoAdd("g", { longitude: 13.361389, latitude: 38.115556, member: "Palermo" });
      await client.geoAdd("g", { longitude: 15.087269, latitude: 37.502669, member: "Catania" });
      await demote("g");
      assert.ok(Math.abs((await client.geoDist("g", "Palermo", "Catania", "km")) - 166.2742) < 0.001);
      const near = await client.geoSearch("g", { longitude: 15, latitude: 37 }, { radius: 100, unit: "km" });
      assert.deepEqual(near, ["Catania"]);
    });

    test("streams with consumer groups", async () => {
      const first = await client.xAdd("x", "*", { f: "1" });
      const second = await client.xAdd("x", "*", { f: "2" });
      await demote("x");
      assert.deepEqual((await client.xRange("x", "-", "+")).map(({ id }) => id), [first, second]);
      await client.xGroupCreate("x", "g", "0");
      await demote("x");
      const read = await client.sendCommand(["XREADGROUP", "GROUP", "g", "me", "COUNT", "10", "STREAMS", "x", ">"]);
      assert.deepEqual(entries(read, "x"), [[first, ["f", "1"]], [second, ["f", "2"]]]);
      assert.equal(await client.xAck("x", "g", first), 1);
      assert.equal((await client.xPending("x", "g")).pending, 1);
      assert.equal(await client.xLen("x"), 2);
      assert.equal((await client.xInfoGroups("x"))[0].name, "g");
    });

    test("pipelines of cold and hot keys", async () => {
      const names = Array.from({ length: 500 }, (_, number) => `key:${number}`);
      await Promise.all(names.map((name) => client.set(name, `${name} `.repeat(50))));
      await demote(...names.filter((_, number) => number % 3 === 0));
      const values = await Promise.all(names.map((name) => client.get(name)));
      assert.deepEqual(values, names.map((name) => `${name} `.repeat(50)));
      const scanned = new Set();
      for await (const keys of client.scanIterator({ MATCH: "key:*", COUNT: 50 })) keys.forEach((key) => scanned.add(key));
      assert.equal(scanned.size, 500);
    });

    test("transactions", async () => {
      await client.set("cold", "v".repeat(500));
      await demote("cold");
      const replies = await client.multi().set("a", "1").incr("a").get("cold").get("none").exec();
      assert.deepEqual(replies, ["OK", 2, "v".repeat(500), null]);
      const other = await connect();
      await other.watch("a");
      await client.set("a", "changed");
      await assert.rejects(other.multi().set("a", "mine").exec(), /watched keys/i);
      assert.equal(await client.get("a"), "changed");
      other.destroy();
    });

    test("scripts and functions", async () => {
      await client.set("k", "cold ".repeat(100));
      await demote("k");
      const script = "return {redis.call('STRLEN', KEYS[1]), ARGV[1], redis.call('GET', KEYS[1])}";
      assert.deepEqual(await client.eval(script, { keys: ["k"], arguments: ["x"] }), [500, "x", "cold ".repeat(100)]);
      const sha = await client.scriptLoad("return redis.call('INCRBY', KEYS[1], ARGV[1])");
      assert.equal(await client.evalSha(sha, { keys: ["n"], arguments: ["7"] }), 7);
      await assert.rejects(client.evalSha("0".repeat(40), { keys: [] }), /NOSCRIPT/);
      await client.functionLoad("#!lua name=lib\nredis.register_function('twice', function(keys, args) return args[1] * 2 end)", { REPLACE: true });
      assert.equal(await client.fCall("twice", { arguments: ["21"] }), 42);
    });

    test("publish and subscribe", async () => {
      const subscriber = await connect();
      const heard = [];
      await subscriber.subscribe("news", (message, channel) => heard.push([channel, message]));
      await subscriber.pSubscribe("n*", (message, channel) => heard.push(["pattern", channel, message]));
      await subscriber.sSubscribe("shard", (message, channel) => heard.push([channel, message]));
      assert.equal(await client.publish("news", "hello"), 2);
      assert.equal(await client.sPublish("shard", "there"), 1);
      await eventually(() => heard.length === 3);
      assert.deepEqual(heard, [["news", "hello"], ["pattern", "news", "hello"], ["shard", "there"]]);
      assert.deepEqual(await client.pubSubChannels(), ["news"]);
      await subscriber.unsubscribe("news");
      assert.equal(await client.publish("news", "again"), 1);
      subscriber.destroy();
    });

    test("blocking commands", async () => {
      const waiter = await connect();
      const popped = waiter.blPop(["l1", "l2"], 10);
      await eventually(async () => (await client.info("clients")).includes("blocked_clients:1"));
      await client.rPush("l2", "x");
      assert.deepEqual({ ...(await popped) }, { key: "l2", element: "x" });
      assert.equal(await waiter.blPop("l1", 0.05), null);
      await client.rPush("cold", ["a", "b"]);
      await demote("cold");
      assert.equal(await waiter.blMove("cold", "to", "LEFT", "RIGHT", 1), "a");
      waiter.destroy();
    });

    test("waiting for a stream", async () => {
      const waiter = await connect();
      const read = waiter.sendCommand(["XREAD", "BLOCK", "10000", "STREAMS", "s", "$"]);
      await eventually(async () => (await client.info("clients")).includes("blocked_clients:1"));
      await client.xAdd("s", "1-1", { f: "v" });
      assert.deepEqual(entries(await read, "s"), [["1-1", ["f", "v"]]]);
      waiter.destroy();
    });

    test("users and their rights", async () => {
      await client.aclSetUser("reader", ["on", ">secret", "~public:*", "+get", "+acl|whoami", "+client", "+hello"]);
      await client.set("public:1", "x".repeat(100));
      await demote("public:1");
      const reader = await connect({ username: "reader", password: "secret" });
      assert.equal(await reader.aclWhoAmI(), "reader");
      assert.equal(await reader.get("public:1"), "x".repeat(100));
      await assert.rejects(reader.get("private"), /NOPERM/);
      await assert.rejects(reader.set("public:1", "y"), /NOPERM/);
      const described = await client.aclGetUser("reader");
      assert.equal(described.keys, "~public:*");
      assert.ok((await client.aclLog()).length >= 2);
      assert.equal(await client.aclDelUser("reader"), 1);
      reader.destroy();
      await assert.rejects(connect({ username: "reader", password: "secret", socket: { port: server.port, reconnectStrategy: false } }), /WRONGPASS/);
    });

    test("binary values", async () => {
      const bytes = Buffer.from(Array.from({ length: 1024 }, (_, number) => number % 256));
      await client.set("bin", bytes);
      await demote("bin");
      const { RESP_TYPES } = await import("redis");
      const raw = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
      assert.deepEqual(await raw.get("bin"), bytes);
    });
  });
}
