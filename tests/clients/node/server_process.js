// Starts the server under test for one test file and stops it afterwards.
//
// THERMOCLINE_BINARY names our executable; THERMOCLINE_SUBJECT=redis puts redis-server in its place, to check the tests
// themselves against the reference.

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, openSync, closeSync, readFileSync, rmSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const ROOT = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), "../../..");
const START_ATTEMPTS = 5;
const START_TIMEOUT_MS = 30_000;

export const isRedis = process.env.THERMOCLINE_SUBJECT === "redis";

function executable() {
  if (isRedis) return "redis-server";
  return process.env.THERMOCLINE_BINARY ?? path.join(ROOT, "target/debug/thermocline");
}

function freePort() {
  return new Promise((resolve, reject) => {
    const listener = net.createServer().on("error", reject);
    listener.listen(0, "127.0.0.1", () => {
      const { port } = listener.address();
      listener.close(() => resolve(port));
    });
  });
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1", () => socket.write("PING\r\n"));
    const finish = (outcome) => {
      socket.destroy();
      resolve(outcome);
    };
    socket.on("data", () => finish(true)).on("error", () => finish(false)).setTimeout(1000, () => finish(false));
  });
}

/** A server on a free port, in a directory of its own on a real disk. */
export async function startServer(options = {}) {
  const target = path.join(ROOT, "target/test-servers");
  mkdirSync(target, { recursive: true });
  const directory = mkdtempSync(path.join(target, "client-"));
  const logPath = path.join(directory, "server.log");
  const all = { ...(isRedis ? { save: "" } : { "tier-capacity": "1gb" }), ...options };
  for (let attempt = 0; attempt < START_ATTEMPTS; attempt++) {
    const port = await freePort();
    const words = ["--port", port, "--bind", "127.0.0.1", "--dir", directory];
    for (const [name, value] of Object.entries(all)) words.push(`--${name}`, value);
    const log = openSync(logPath, "w");
    const child = spawn(executable(), words.map(String), { cwd: directory, stdio: ["ignore", log, log] });
    closeSync(log);
    const ended = new Promise((resolve) => child.on("exit", resolve).on("error", resolve));
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (child.exitCode === null && child.pid !== undefined && Date.now() < deadline) {
      if (await answers(port)) {
        const stop = async () => {
          child.kill("SIGKILL");
          await ended;
          rmSync(directory, { recursive: true, force: true });
        };
        return { port, stop };
      }
      await pause(10);
    }
    child.kill("SIGKILL");
    await ended;
  }
  throw new Error(`the server does not start:\n${readFileSync(logPath, "utf8")}`);
}
